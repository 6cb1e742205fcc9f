//! What was found, as text: the front as a table, and what its columns are.

use std::{collections::BTreeMap, fmt::Write as _};

use trimtab_core::tune::thin;

use super::super::{
    output::{FAINT, GOOD, HEAD, paint},
    replay::render::refused,
    table::Table,
    units::{bytes, count, cpus, duration, percent},
};
use crate::tune::{Figures, Goal, RowFigures};

/// So many rows are shown; JSON has all.
const ROWS: usize = 16;

/// The whole text.
pub(super) fn render(figures: &Figures) -> String {
    let time = u64::try_from(figures.time_ns).unwrap_or(u64::MAX);
    // "Series" is its own plural.
    let mut text = format!(
        "{}  {} series ({}), {}; {} in {}, seed {}\n",
        paint(HEAD, &figures.policy),
        figures.series,
        half(figures.half),
        duration(time),
        count(figures.tried as u64, "set") + " of parameters",
        count(figures.generations as u64, "generation"),
        figures.seed,
    );
    let rows = shown(figures);
    text += &table(figures, &rows);
    text += &refused(&figures.refused);
    text + &legend(figures, rows.len())
}

/// What a configuration says of where its parameters are from.
pub(super) fn remark(figures: &Figures) -> String {
    let mut text = format!(
        "The knee of what `trimtab tune` found on {} series ({}), seed {}, {} sets of parameters tried.\n",
        figures.series,
        half(figures.half),
        figures.seed,
        figures.tried
    );
    let told = |row: &RowFigures| {
        let goals = figures.by.iter();
        let goals = goals.map(|goal| format!("{} {}", goal.name(), value(*goal, &row.all)));
        goals.collect::<Vec<_>>().join(", ")
    };
    let mut rows = figures.rows.iter();
    if let Some(knee) = rows.clone().find(|row| row.knee) {
        let _ = writeln!(text, "There: {}.", told(knee));
    }
    if let Some(present) = rows.find(|row| row.present) {
        let _ = writeln!(text, "With the parameters before: {}.", told(present));
    }
    text
}

fn half(half: &str) -> String {
    match half {
        "all" => "all halves".to_owned(),
        half => format!("the {half} half"),
    }
}

/// The rows that a reader can take in: the present one, the knee, and of the others those far from each other.
fn shown(figures: &Figures) -> Vec<&RowFigures> {
    let costs = figures.rows.iter().map(|row| {
        let costs = figures
            .by
            .iter()
            .map(|goal| row.all.get(goal.field()).copied());
        costs.map(Option::unwrap_or_default).collect::<Vec<_>>()
    });
    let costs: Vec<_> = costs.collect();
    let rows = figures.rows.iter().enumerate();
    let kept: Vec<_> = rows
        .filter(|(_, row)| row.knee || row.present)
        .map(|(index, _)| index)
        .collect();
    let left = thin(&costs, ROWS, &kept);
    left.into_iter()
        .filter_map(|row| figures.rows.get(row))
        .collect()
}

fn table(figures: &Figures, rows: &[&RowFigures]) -> String {
    let mut headings = vec![String::new()];
    headings.extend(
        figures
            .parameters
            .iter()
            .map(|key| format!(">{}", key.to_uppercase())),
    );
    headings.extend(figures.by.iter().map(|goal| format!(">{}", heading(*goal))));
    let held_out = figures.rows.iter().any(|row| row.held_out.is_some());
    if held_out {
        headings.extend(
            figures
                .by
                .iter()
                .map(|goal| format!(">{}*", heading(*goal))),
        );
    }
    let headings: Vec<_> = headings.iter().map(String::as_str).collect();
    let mut table = Table::new(&headings);
    for row in rows {
        let mark = match (row.present, row.knee) {
            (true, true) => paint(GOOD, "present, knee"),
            (true, false) => paint(HEAD, "present"),
            (false, true) => paint(GOOD, "knee"),
            (false, false) => String::new(),
        };
        let mut cells = vec![mark];
        let parameters = figures.parameters.iter();
        cells.extend(parameters.map(|key| row.parameters.get(key).cloned().unwrap_or_default()));
        let values = [Some(&row.all), row.held_out.as_ref()];
        for values in values.into_iter().flatten() {
            cells.extend(figures.by.iter().map(|goal| value(*goal, values)));
        }
        table.row(cells);
    }
    table.render()
}

const fn heading(goal: Goal) -> &'static str {
    match goal {
        Goal::Cpu => "CPU HELD",
        Goal::Memory => "MEMORY HELD",
        Goal::Missed => "MISSED",
        Goal::Throttled => "THROTTLED",
        Goal::Delay => "DELAY",
        Goal::P99 => "P99",
        Goal::Changes => "CHANGES",
    }
}

fn value(goal: Goal, values: &BTreeMap<&'static str, u64>) -> String {
    let value = values.get(goal.field()).copied().unwrap_or_default();
    match goal {
        Goal::Cpu => cpus(value),
        Goal::Memory => bytes(value),
        Goal::Missed | Goal::Throttled => percent(u32::try_from(value / 100).unwrap_or(u32::MAX)),
        Goal::Delay => duration(value),
        Goal::P99 => duration(value.saturating_mul(1000)),
        Goal::Changes => {
            let tenths = value.saturating_add(50) / 100;
            format!("{}.{}", tenths / 10, tenths % 10)
        }
    }
}

/// What the columns are.
fn legend(figures: &Figures, shown: usize) -> String {
    let mut text = String::new();
    if shown < figures.rows.len() {
        let _ = writeln!(
            text,
            "{shown} of {} rows; --json has all.",
            figures.rows.len()
        );
    }
    text += "Nothing that was tried is better than a row by one goal and no worse by the others, unless the row is only there for being the present one.\n";
    for goal in &figures.by {
        text += match goal {
            Goal::Cpu => "CPU HELD: CPUs per workload. ",
            Goal::Memory => "MEMORY HELD: per workload. ",
            Goal::Missed => "MISSED: minutes with late or lost work. ",
            Goal::Throttled => "THROTTLED: periods. ",
            Goal::Delay => "DELAY: how late work was on average. ",
            Goal::P99 => "P99: of requests. ",
            Goal::Changes => "CHANGES: of limits, per workload and day. ",
        };
    }
    text = text.trim_end().to_owned() + "\n";
    if figures.rows.iter().any(|row| row.held_out.is_some()) {
        let _ = writeln!(
            text,
            "*: the same trade-off on series that had no say in it: each of {} parts under what the others chose.",
            figures.folds
        );
    }
    paint(FAINT, text.trim_end()) + "\n"
}
