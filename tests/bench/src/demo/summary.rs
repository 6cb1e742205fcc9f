//! What the whole demonstration came to.

use std::fmt::{Display, Formatter, Result, Write as _};

use serde::Serialize;
use trimtab::api::view::{Finding, Status};

use super::{effect::Effect, grower::GROWS_TO, words};

/// The numbers at the end; with `--json`, the one object that is printed.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Summary {
    /// Whether limits could be written on this host.
    pub(super) enforced: bool,
    /// Why not.
    pub(super) why_not: Option<String>,
    /// Probes and capabilities that are not all they could be.
    pub(super) findings: Vec<Finding>,
    /// The phase in which the agent only recommended.
    pub(super) without: Option<Effect>,
    /// The phase in which it enforced.
    pub(super) with: Option<Effect>,
    /// How fast the agent was.
    pub(super) reaction: Reaction,
    /// What the agent cost while it enforced.
    pub(super) cost: Cost,
    /// Whether every original value stood again after the agent had gone.
    pub(super) restored: bool,
    /// Those that did not.
    pub(super) not_restored: Vec<String>,
    /// From SIGTERM to the agent's end.
    pub(super) restore_ms: f64,
}

/// From the event in the kernel to the limit written.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Reaction {
    /// Limits that the fast thread raised.
    pub(super) lifts: u64,
    /// Limits that the slow loop lowered.
    pub(super) trims: u64,
    /// Median.
    pub(super) p50_us: Option<u64>,
    /// 99th percentile.
    pub(super) p99_us: Option<u64>,
    /// Events that the kernel could not deliver.
    pub(super) lost: u64,
}

/// The agent's own use.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Cost {
    /// Percent of one CPU.
    pub(super) cpu_percent: f64,
    /// Bytes of resident memory.
    pub(super) resident_bytes: u64,
}

impl Reaction {
    /// As the agent says.
    pub(super) fn of(status: &Status, trims: u64) -> Self {
        let fast = &status.fast_loop;
        let micros = |ns: Option<u64>| ns.map(|ns| ns / 1_000);
        Self {
            lifts: fast.lifts,
            trims,
            p50_us: micros(fast.reaction_p50_ns),
            p99_us: micros(fast.reaction_p99_ns),
            lost: fast.lost,
        }
    }
}

impl Display for Reaction {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match (self.p50_us, self.p99_us) {
            (Some(p50), Some(p99)) => write!(
                f,
                "p50 {}, p99 {} from event to limit written",
                words::micros(p50),
                words::micros(p99)
            )?,
            _ => f.write_str("nothing to react to yet")?,
        }
        write!(
            f,
            "; {} lifts, {} trims, {} events lost",
            self.lifts, self.trims, self.lost
        )
    }
}

impl Display for Cost {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let mebibytes = self.resident_bytes.div_ceil(1 << 20);
        write!(f, "{:.1} % of a CPU, {mebibytes} MiB", self.cpu_percent)
    }
}

impl Display for Summary {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(&table(self.without.as_ref(), self.with.as_ref()))?;
        if self.with.is_some() {
            writeln!(f, "\nreaction  {}", self.reaction)?;
            writeln!(f, "agent     {}", self.cost)?;
        }
        if self.restored {
            writeln!(
                f,
                "restored  every original value, {} after SIGTERM",
                words::millis(self.restore_ms)
            )?;
        } else {
            writeln!(f, "restored  NOT: {}", self.not_restored.join(", "))?;
        }
        writeln!(f, "{}", self.verdict())
    }
}

impl Summary {
    /// One sentence on whether the promise held, whatever the numbers are.
    fn verdict(&self) -> String {
        let Some(with) = self.with else {
            return "Ended before Trimtab was allowed to write anything.".into();
        };
        let mut broken = Vec::new();
        if with.killed > 0 {
            broken.push(format!("{} were killed for memory", with.killed));
        }
        if with.throttled_ms > 0.0 {
            broken.push(format!(
                "bursty was throttled for {}",
                words::millis(with.throttled_ms)
            ));
        }
        if with.unanswered > 0 {
            broken.push(format!("{} requests went unanswered", with.unanswered));
        }
        if broken.is_empty() {
            "With Trimtab nobody was throttled and nobody was killed.".into()
        } else {
            format!(
                "With Trimtab it did not all go well: {}.",
                broken.join(", ")
            )
        }
    }
}

/// Both phases side by side, as far as there are any.
pub(super) fn table(without: Option<&Effect>, with: Option<&Effect>) -> String {
    let mut text = format!("{:<34}{:>12}{:>14}\n", "", "without", "with Trimtab");
    let mut row = |name: &str, value: &dyn Fn(&Effect) -> String| {
        let cell = |effect: Option<&Effect>| effect.map_or_else(|| "-".into(), value);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name:<34}{:>12}{:>14}", cell(without), cell(with));
    };
    row("time", &|effect| format!("{:.1} s", effect.seconds));
    row("bursty   requests answered", &|effect| {
        effect.requests.to_string()
    });
    row("         latency P50", &|effect| {
        words::micros(effect.p50_us)
    });
    row("         latency P99", &|effect| {
        words::micros(effect.p99_us)
    });
    row("         throttled", &|effect| {
        words::millis(effect.throttled_ms)
    });
    row(&format!("growing  reached {GROWS_TO}"), &|effect| {
        effect.grown.to_string()
    });
    row("         killed for memory", &|effect| {
        effect.killed.to_string()
    });
    text
}
