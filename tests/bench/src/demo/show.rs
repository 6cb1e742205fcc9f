//! Where it is shown: a screen that is redrawn in place, plain lines, or nowhere.

use std::{
    collections::VecDeque,
    io::{self, IsTerminal, Write},
};

use trimtab::api::view::{Quantity, ResourceState, Workload};

use super::{
    effect::Effect,
    summary::{Cost, Reaction, table},
    words,
};

/// The workloads in the order of their lines.
const NAMES: [&str; 3] = ["bursty", "greedy", "growing"];
/// Lines of the journal on the screen.
const LINES: usize = 7;
/// Cells of a limit's bar.
const BAR: u64 = 24;
/// The alternate screen, without a cursor and without wrapped lines; and back.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l";
const LEAVE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";

/// Everything that is shown at one moment.
pub(super) struct Frame<'a> {
    pub(super) title: String,
    pub(super) workloads: &'a [Workload],
    pub(super) throttled_ms: [f64; 2],
    pub(super) killed: u64,
    pub(super) without: Option<&'a Effect>,
    pub(super) with: Option<&'a Effect>,
    pub(super) reaction: Reaction,
    pub(super) cost: Cost,
}

/// The way in which this run is shown.
#[derive(Debug)]
pub(super) enum Show {
    /// In place, with the last lines of the journal; drawn once the terminal is taken.
    Screen(VecDeque<String>, Option<Terminal>),
    /// Line by line.
    Plain,
    /// Not at all: `--json`.
    Silent,
}

/// A terminal that was taken for drawing; dropping it gives it back as it was.
#[derive(Debug)]
pub(super) struct Terminal;

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may be gone.
        let _ = put(LEAVE);
    }
}

impl Show {
    pub(super) fn choose(json: bool) -> Self {
        if json {
            Self::Silent
        } else if io::stdout().is_terminal() {
            Self::Screen(VecDeque::new(), None)
        } else {
            Self::Plain
        }
    }

    /// Whether somebody watches who can press Ctrl-C.
    pub(super) fn is_screen(&self) -> bool {
        matches!(self, Self::Screen(..))
    }

    /// Starts drawing.
    pub(super) fn open(&mut self) -> io::Result<()> {
        if let Self::Screen(_, terminal) = self {
            *terminal = Some(Terminal);
            put(ENTER)?;
        }
        Ok(())
    }

    /// Goes on line by line; what was drawn is gone.
    pub(super) fn close(&mut self) {
        if self.is_screen() {
            *self = Self::Plain;
        }
    }

    /// One thing that happened.
    pub(super) fn say(&mut self, line: String) -> io::Result<()> {
        match self {
            Self::Screen(lines, _) => {
                if lines.len() == LINES {
                    lines.pop_front();
                }
                lines.push_back(line);
                Ok(())
            }
            Self::Plain => put(&(line + "\n")),
            Self::Silent => Ok(()),
        }
    }

    /// How things stand.
    pub(super) fn draw(&self, frame: &Frame<'_>) -> io::Result<()> {
        match self {
            Self::Screen(lines, _) => put(&screen(frame, lines)),
            Self::Plain => put(&format!("{}\n", line(frame))),
            Self::Silent => Ok(()),
        }
    }
}

fn put(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// The whole screen, from the top left.
fn screen(frame: &Frame<'_>, journal: &VecDeque<String>) -> String {
    let mut lines = vec![bold(&frame.title), String::new()];
    lines.push(bold(&format!(
        "{:<10}{:>10}{:>46}{:>11}{:>7}{:>10}",
        "WORKLOAD", "USES", "LIMIT (ORIGINAL)", "THROTTLED", "KILLED", "WAIT P99",
    )));
    lines.extend(NAMES.iter().map(|name| row(frame, name)));
    lines.push(String::new());
    lines.extend(table(frame.without, frame.with).lines().map(Into::into));
    lines.push(String::new());
    lines.push(format!("reaction  {}", frame.reaction));
    lines.push(format!("agent     {}", frame.cost));
    lines.push(String::new());
    lines.extend(journal.iter().cloned());
    let mut text = "\x1b[H".to_owned();
    for line in lines {
        text += &line;
        text += "\x1b[K\r\n";
    }
    text + "\x1b[J"
}

/// One workload, with the resource that it is short of.
fn row(frame: &Frame<'_>, name: &str) -> String {
    let of_name = |workload: &&Workload| words::name(&workload.path) == name;
    let Some(workload) = frame.workloads.iter().find(of_name) else {
        return format!("{name:<10}{:>10}", "resting");
    };
    let (uses, bar, limit) = short_of(workload).map_or_else(Default::default, |state| {
        let limit = words::quantity(state.limit);
        let limit = if state.limit == state.original {
            limit
        } else {
            format!("{limit} ({})", number(state.original))
        };
        let bar = bar(state.used, state.limit, state.ceiling);
        (words::quantity(state.used), bar, limit)
    });
    let (throttled, killed) = match name {
        "bursty" => (words::millis(frame.throttled_ms[0]), "-".into()),
        "growing" => ("-".into(), frame.killed.to_string()),
        _ => (words::millis(frame.throttled_ms[1]), "-".into()),
    };
    let wait = workload.signals.waiting_p99_ns;
    let wait = wait.map_or_else(|| "-".into(), |ns| words::micros(ns / 1_000));
    format!("{name:<10}{uses:>10}  {bar}{limit:>18}{throttled:>11}{killed:>7}{wait:>10}")
}

/// The resource that this one is about.
fn short_of(workload: &Workload) -> Option<&ResourceState> {
    if words::name(&workload.path) == "growing" {
        workload.memory.as_ref()
    } else {
        workload.cpu.as_ref()
    }
}

/// The amount without its unit.
fn number(quantity: Quantity) -> String {
    let text = words::quantity(quantity);
    text.split_once(' ')
        .map_or(text.clone(), |(number, _)| number.into())
}

/// What is used and what is limited, up to the ceiling.
fn bar(used: Quantity, limit: Quantity, ceiling: Quantity) -> String {
    let amount = |quantity| match quantity {
        Quantity::MicroCpus(amount) | Quantity::Bytes(amount) => amount,
        Quantity::Unlimited => u64::MAX,
    };
    let full = amount(ceiling).max(1);
    let cells =
        |quantity| (u128::from(amount(quantity).min(full)) * u128::from(BAR)).div_ceil(full.into());
    let (used, limit) = (cells(used), cells(limit));
    let cell = |cell| match cell {
        cell if cell < used => '#',
        cell if cell < limit => '=',
        _ => '.',
    };
    let bar: String = (0..u128::from(BAR)).map(cell).collect();
    format!("[{bar}]")
}

fn bold(text: &str) -> String {
    format!("\x1b[1m{text}\x1b[0m")
}

/// How things stand, in one line.
fn line(frame: &Frame<'_>) -> String {
    let mut parts = Vec::new();
    for workload in frame.workloads {
        let name = words::name(&workload.path);
        if let Some(state) = short_of(workload) {
            let (used, limit) = (number(state.used), words::quantity(state.limit));
            parts.push(format!("{name} {used} of {limit}"));
        }
    }
    let effect = frame.with.or(frame.without);
    if let Some(effect) = effect {
        parts.push(format!("P99 {}", words::micros(effect.p99_us)));
        parts.push(format!("throttled {}", words::millis(effect.throttled_ms)));
        parts.push(format!("killed {}", effect.killed));
    }
    format!("{}: {}", frame.title, parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_shows_use_within_limit_within_ceiling() {
        let cpus = |tenths: u64| Quantity::MicroCpus(tenths * 100_000);
        assert_eq!(
            bar(cpus(6), cpus(12), cpus(24)),
            "[######======............]"
        );
        assert_eq!(
            bar(cpus(0), cpus(1), cpus(20)),
            "[==......................]"
        );
        assert_eq!(
            bar(cpus(30), Quantity::Unlimited, cpus(20)),
            format!("[{}]", "#".repeat(24))
        );
    }
}
