//! What a replay comes to, as text: per source what it is, then a table for CPU and one for memory.

use std::fmt::Write as _;

use super::super::{
    output::{BAD, FAINT, HEAD, paint},
    table::Table,
    units::{count, duration, percent, quantity},
};
use crate::replay::{Figures, NodeFigures, PolicyFigures, Refused, ResourceFigures, SourceFigures};

/// The whole text.
pub(super) fn render(figures: &Figures) -> String {
    let mut text = String::new();
    for source in &figures.sources {
        text += &about(source, figures);
        text += &tables(&source.policies);
        text.push('\n');
    }
    if figures.sources.len() > 1 {
        text += &paint(HEAD, "all sources");
        text.push('\n');
        text += &tables(&figures.all);
        text.push('\n');
    }
    for node in &figures.nodes {
        text += &shared(node);
    }
    for series in &figures.series {
        let part = match series.part {
            1 => String::new(),
            part => format!(", part {part}"),
        };
        let node = series
            .node
            .map_or_else(String::new, |node| format!(", on node {node}"));
        let name = format!("{}: {}{part}{node}", series.source, series.series);
        let _ = writeln!(text, "{}, {}", paint(HEAD, name), duration(series.time_ns));
        text += &tables(&series.policies);
        text.push('\n');
    }
    text += &refused(&figures.refused);
    text += &judged(figures);
    text
}

/// One node that is shared.
fn shared(node: &NodeFigures) -> String {
    format!(
        "{}, {} series, {}, {}, {}\n{}\n",
        paint(HEAD, format!("{}: node {}", node.source, node.node)),
        node.series,
        quantity(node.cpus),
        quantity(node.memory),
        duration(node.time_ns),
        tables(&node.policies)
    )
}

/// What a source is, and what of it was run.
fn about(source: &SourceFigures, figures: &Figures) -> String {
    let time = u64::try_from(source.time_ns).unwrap_or(u64::MAX);
    // "Series" is its own plural.
    let nodes = source
        .nodes
        .map_or_else(String::new, |nodes| format!(" on {}", count(nodes, "node")));
    let mut text = format!(
        "{}  {} series{nodes}, {}; {}\n",
        paint(HEAD, source.source),
        source.series,
        duration(time),
        source.recorded.join("; "),
    );
    let mut remarks = Vec::new();
    if source.relative {
        remarks
            .push("amounts are parts of a whole of unknown size: only ratios are true".to_owned());
    }
    if let Some(most) = figures.most_ns.filter(|_| source.cut > 0) {
        remarks.push(format!(
            "only the first {} of {} series",
            duration(most),
            source.cut
        ));
    }
    if source.short > 0 {
        remarks.push(format!("left out: {} too short", source.short));
    }
    if source.other > 0 {
        remarks.push(format!(
            "left out: {} about nothing that is simulated",
            source.other
        ));
    }
    if source.left_alone > 0 {
        remarks.push(format!(
            "left alone under trimtab-configured: {}, which no policy of the configuration selects",
            source.left_alone
        ));
    }
    let repairs = source.repairs.iter().filter(|(_, count)| **count > 0);
    let repairs: Vec<_> = repairs
        .map(|(what, count)| format!("{what} {count}"))
        .collect();
    if !repairs.is_empty() {
        remarks.push(format!("repaired: {}", repairs.join(", ")));
    }
    for remark in remarks {
        let _ = writeln!(text, "  {}", paint(FAINT, remark));
    }
    text
}

fn tables(policies: &[PolicyFigures]) -> String {
    let mut text = String::new();
    if policies.iter().any(|policy| policy.cpu.is_some()) {
        text += &cpu(policies);
    }
    if policies.iter().any(|policy| policy.memory.is_some()) {
        text += &memory(policies);
    }
    text
}

fn cpu(policies: &[PolicyFigures]) -> String {
    let requests = policies.iter().any(|policy| policy.requests.is_some());
    let mut headings = vec![
        "  CPU",
        ">HELD",
        ">USED",
        ">LIMIT",
        ">SLACK",
        ">MEDIAN",
        ">THROTTLED",
        ">SHORT",
        ">DELAY",
        ">MISSED",
        ">CHANGES",
        ">TURNS",
        ">SIZE",
    ];
    if requests {
        headings.extend([">P50", ">P99"]);
    }
    let cost = policies.iter().any(|policy| policy.cost_micros.is_some());
    if cost {
        headings.push(">COST");
    }
    let mut table = Table::new(&headings);
    for policy in policies {
        let Some(figures) = &policy.cpu else { continue };
        let mut row = vec![format!("  {}", policy.policy)];
        row.extend(held(figures));
        row.extend([
            millionths(policy.throttled_ppm),
            millionths(policy.shortfall_ppm),
            duration(policy.delay_ns),
            millionths(policy.violated_ppm),
        ]);
        row.extend(changes(figures));
        if requests {
            let latencies = policy
                .requests
                .map_or([None; 2], |found| [found.p50_us, found.p99_us]);
            row.extend(latencies.map(|us| {
                let us = us.and_then(|us| u64::try_from(us).ok());
                us.map_or_else(dash, |us| duration(us.saturating_mul(1000)))
            }));
        }
        if cost {
            row.push(money(policy.cost_micros));
        }
        table.row(row);
    }
    table.render()
}

fn memory(policies: &[PolicyFigures]) -> String {
    // What all costs stands beside CPU, where there is any.
    let cost = policies
        .iter()
        .any(|policy| policy.cost_micros.is_some() && policy.cpu.is_none());
    let mut headings = vec![
        "  memory",
        ">HELD",
        ">USED",
        ">LIMIT",
        ">SLACK",
        ">MEDIAN",
        ">OOM KILLS",
        ">RESTARTS",
        ">STALLED",
        ">MISSED",
        ">CHANGES",
        ">TURNS",
        ">SIZE",
    ];
    if cost {
        headings.push(">COST");
    }
    let mut table = Table::new(&headings);
    for policy in policies {
        let Some(figures) = &policy.memory else {
            continue;
        };
        let mut row = vec![format!("  {}", policy.policy)];
        row.extend(held(figures));
        row.extend([
            policy.oom_kills.to_string(),
            policy.restarts.to_string(),
            duration(u64::try_from(policy.stalled_ns).unwrap_or(u64::MAX)),
            millionths(policy.violated_ppm),
        ]);
        row.extend(changes(figures));
        if cost {
            row.push(money(policy.cost_micros));
        }
        table.row(row);
    }
    table.render()
}

fn held(figures: &ResourceFigures) -> [String; 5] {
    [
        quantity(figures.held),
        quantity(figures.used),
        quantity(figures.limit),
        figures.slack_permille.map_or_else(dash, permille),
        figures.slack_median_permille.map_or_else(dash, permille),
    ]
}

/// Changes and turns in all, and the mean size.
fn changes(figures: &ResourceFigures) -> [String; 3] {
    let size = i64::try_from(figures.change_size_permille).unwrap_or(i64::MAX);
    [
        figures.changes.to_string(),
        figures.turns.to_string(),
        if figures.changes > 0 {
            permille(size)
        } else {
            dash()
        },
    ]
}

/// What the columns are, and what counted as missed.
fn judged(figures: &Figures) -> String {
    let mut text = format!(
        "HELD, USED and LIMIT are means per workload; SLACK is (held - used) / held over all, MEDIAN that of workloads.\n\
         MISSED: {} in which work was later than {}, was lost, or stalled on memory.\n",
        window(figures.window_ns),
        duration(figures.objective_ns),
    );
    if let Some(together) = figures.together {
        let _ = writeln!(
            text,
            "Up to {} share a node that has {} % of what they begin with.",
            count(together.workloads as u64, "workload"),
            together.room_percent
        );
    }
    if figures.half != "all" {
        let _ = writeln!(text, "Only the {} half of the series.", figures.half);
    }
    if figures.one_in > 1 {
        let _ = writeln!(text, "Only one in {} of the series.", figures.one_in);
    }
    if !figures.refused.is_empty() {
        let _ = writeln!(
            text,
            "{} not read to the end.",
            count(figures.refused.len() as u64, "file")
        );
    }
    paint(FAINT, text.trim_end()) + "\n"
}

fn window(ns: u64) -> String {
    match ns {
        60_000_000_000 => "minutes".to_owned(),
        other => format!("windows of {}", duration(other)),
    }
}

fn dash() -> String {
    "-".to_owned()
}

fn permille(permille: i64) -> String {
    let tenths = permille.unsigned_abs();
    let sign = if permille < 0 { "-" } else { "" };
    format!("{sign}{}.{} %", tenths / 10, tenths % 10)
}

fn millionths(part: u64) -> String {
    percent(u32::try_from(part / 100).unwrap_or(u32::MAX))
}

fn money(micros: Option<u128>) -> String {
    micros.map_or_else(dash, |micros| {
        format!("{}.{:02}", micros / 1_000_000, micros / 10_000 % 100)
    })
}

/// Files that were not read to their end: where, why, and what to do.
pub(in crate::cli) fn refused(files: &[Refused]) -> String {
    let mut text = String::new();
    for refused in files {
        let line = refused
            .line
            .map_or_else(String::new, |line| format!("{line}:"));
        let place = format!("{}:{line}", refused.file);
        let _ = writeln!(text, "{} {}", paint(BAD, place), refused.error);
        let _ = writeln!(text, "  = {}", refused.remedy);
    }
    text
}
