//! Journal entries as text: a line each for `watch`, a paragraph each for `explain`.

use anstyle::Style;
use trimtab_core::signal::Resource;

use super::{
    output::{BAD, FAINT, FAIR, GOOD, HEAD, paint},
    units::{duration, quantity, wall},
};
use crate::api::view::{Bound, Entry, EntryKind, Input, Stage, Value};

/// One line: when, who, what and the sentence that says why.
pub(super) fn line(entry: &Entry, with_name: bool) -> String {
    let mut parts = vec![paint(FAINT, wall(entry.unix_ns))];
    if with_name && !entry.workload.is_empty() {
        parts.push(paint(HEAD, &entry.workload));
    }
    parts.extend(movement(entry));
    if let Some(ns) = entry.latency_ns {
        parts.push(format!("({})", duration(ns)));
    }
    // Once it is known what became of it, that is the news.
    if let Some(outcome) = &entry.outcome {
        parts.push(paint(verdict(&outcome.verdict), &outcome.text));
    } else if !entry.reason.text.is_empty() {
        parts.push(paint(FAINT, &entry.reason.text));
    }
    parts.join("  ") + "\n"
}

/// A paragraph: the line, and below it everything that went into it.
pub(super) fn paragraph(entry: &Entry) -> String {
    let mut head = vec![paint(
        FAINT,
        format!("#{} {}", entry.seq, wall(entry.unix_ns)),
    )];
    head.extend(movement(entry));
    let reason = &entry.reason;
    let inputs = |stage| {
        let inputs = reason.inputs.iter().filter(|input| input.stage == stage);
        inputs.map(input).collect::<Vec<_>>()
    };
    let (shares, guards): (Vec<_>, Vec<_>) =
        reason.bounds.iter().partition(|bound| arbitrates(bound));
    let mut arbitration = inputs(Stage::Arbitration);
    arbitration.extend(shares.into_iter().map(bound));
    let clamps = if reason.bounds.is_empty() {
        reason.clamps.clone()
    } else {
        guards.into_iter().map(bound).collect()
    };
    let outcome = entry.outcome.as_ref();
    let rows = [
        ("why", reason.text.clone()),
        ("raised by", raised_by(entry)),
        ("inputs", inputs(Stage::Event).join(", ")),
        ("demand", inputs(Stage::Demand).join(", ")),
        ("forecast", inputs(Stage::Forecast).join(", ")),
        (
            "proposal",
            reason.proposed.map_or_else(String::new, quantity),
        ),
        ("arbitration", arbitration.join(", ")),
        ("clamped by", clamps.join(", ")),
        ("otherwise", reason.otherwise.clone()),
        (
            "outcome",
            outcome.map_or_else(String::new, |outcome| {
                paint(verdict(&outcome.verdict), &outcome.text)
            }),
        ),
    ];
    let said = rows.iter().filter(|(_, content)| !content.is_empty());
    let mut lines = vec![head.join("  ")];
    lines.extend(said.map(|(label, content)| format!("    {label:<12}{content}")));
    lines.join("\n") + "\n"
}

/// `cpu  0.1 CPU -> 0.5 CPU`, and whether it was done.
fn movement(entry: &Entry) -> Vec<String> {
    let mut parts = Vec::new();
    if let Some(resource) = entry.resource {
        parts.push(match resource {
            Resource::Cpu => "cpu".to_owned(),
            Resource::Memory => "memory".to_owned(),
        });
    }
    match (entry.from, entry.to, &entry.denial) {
        (Some(from), _, Some(denial)) => {
            parts.push(format!(
                "stays at {}: {}",
                quantity(from),
                paint(BAD, denial)
            ));
        }
        (Some(from), Some(to), None) => {
            let change = format!("{} -> {}", quantity(from), quantity(to));
            parts.push(if entry.written {
                paint(GOOD, change)
            } else {
                paint(FAIR, format!("would go {change}"))
            });
        }
        (_, _, Some(denial)) => parts.push(paint(BAD, denial)),
        _ if entry.kind == EntryKind::Notice => parts.push(paint(FAIR, "notice")),
        _ => {}
    }
    parts
}

/// The event or tick, the rule that answered it, and how fast.
fn raised_by(entry: &Entry) -> String {
    let mut parts = Vec::new();
    if !entry.cause.is_empty() {
        parts.push(entry.cause.clone());
    }
    if !entry.rule.is_empty() {
        parts.push(format!("rule {}", entry.rule));
    }
    if let Some(ns) = entry.latency_ns {
        parts.push(format!("answered in {}", duration(ns)));
    }
    parts.join(", ")
}

/// Whether a bound comes from what the node has for all, and not from a guardrail of its own.
fn arbitrates(bound: &Bound) -> bool {
    matches!(bound.guard.as_str(), "pool" | "rival" | "barred")
}

fn bound(bound: &Bound) -> String {
    format!(
        "{} {} -> {}",
        bound.guard,
        quantity(bound.from),
        quantity(bound.to)
    )
}

/// How a verdict looks.
pub(super) fn verdict(verdict: &str) -> Style {
    match verdict {
        "helped" => GOOD,
        "hurt" => BAD,
        "cut-short" | "cannot-tell" => FAINT,
        _ => FAIR,
    }
}

fn input(input: &Input) -> String {
    let value = match &input.value {
        Value::Quantity(amount) => quantity(*amount),
        Value::DurationNs(ns) => duration(*ns),
        Value::Number(number) => number.to_string(),
        Value::Text(text) => text.clone(),
    };
    format!("{} {value}", input.name)
}
