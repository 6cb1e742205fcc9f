//! Scores as tables of a page.

use std::fmt::Write as _;

use super::{
    super::figures::{PolicyFigures, Refused, ResourceFigures, SourceFigures},
    escape::escaped,
    plot::shown,
};
use crate::api::view::Quantity;

/// What a source is, and what was done to it.
pub(super) fn about(source: &SourceFigures) -> String {
    let days = source.time_ns / 86_400_000_000_000;
    let mut text = format!(
        "{} series, {days} days together; {}.",
        source.series,
        source.recorded.join("; ")
    );
    if source.relative {
        text += " Amounts are parts of a whole of unknown size: only ratios are true.";
    }
    if source.cut > 0 {
        let _ = write!(
            text,
            " Of {} series only the beginning was run.",
            source.cut
        );
    }
    if source.short + source.other > 0 {
        let _ = write!(
            text,
            " Left out: {} too short, {} about nothing that is simulated.",
            source.short, source.other
        );
    }
    let repairs = source.repairs.iter().filter(|(_, count)| **count > 0);
    let repairs: Vec<_> = repairs
        .map(|(what, count)| format!("{what} {count}"))
        .collect();
    if !repairs.is_empty() {
        let _ = write!(text, " Repaired: {}.", repairs.join(", "));
    }
    text
}

/// A table for CPU and one for memory.
pub(super) fn scores(policies: &[PolicyFigures]) -> String {
    let cpu = |policy: &PolicyFigures| {
        let late = [
            part(policy.throttled_ppm),
            part(policy.shortfall_ppm),
            part(policy.violated_ppm),
        ];
        Some((policy.cpu.clone()?, late))
    };
    let memory = |policy: &PolicyFigures| {
        let late = [
            policy.oom_kills.to_string(),
            policy.restarts.to_string(),
            part(policy.violated_ppm),
        ];
        Some((policy.memory.clone()?, late))
    };
    table(policies, ["CPU", "throttled", "not done", "missed"], cpu)
        + &table(
            policies,
            ["memory", "OOM kills", "restarts", "missed"],
            memory,
        )
}

fn table(
    policies: &[PolicyFigures],
    names: [&str; 4],
    pick: impl Fn(&PolicyFigures) -> Option<(ResourceFigures, [String; 3])>,
) -> String {
    let rows: Vec<_> = policies
        .iter()
        .filter_map(|policy| Some((policy, pick(policy)?)))
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    let most = rows
        .iter()
        .map(|(_, (figures, _))| amount(figures.held))
        .max();
    let [name, late @ ..] = names;
    let mut html = format!("<table>\n<tr><th>{name}</th><th>held</th><th>used</th><th>slack</th>");
    for late in late {
        let _ = write!(html, "<th>{late}</th>");
    }
    html += "<th>changes</th></tr>\n";
    for (policy, (figures, late)) in rows {
        let bar = amount(figures.held) * 100 / most.unwrap_or(0).max(1);
        let _ = write!(
            html,
            "<tr><td>{}</td><td class=\"bar\"><i style=\"width:{bar}px\"></i>{}</td><td>{}</td><td>{}</td>",
            escaped(&policy.policy),
            shown(figures.held),
            shown(figures.used),
            figures.slack_permille.map_or_else(
                || "-".to_owned(),
                |slack| {
                    let sign = if slack < 0 { "-" } else { "" };
                    let slack = slack.unsigned_abs();
                    format!("{sign}{}.{} %", slack / 10, slack % 10)
                }
            ),
        );
        for late in late {
            let _ = write!(html, "<td>{late}</td>");
        }
        let _ = writeln!(html, "<td>{}</td></tr>", figures.changes);
    }
    html + "</table>\n"
}

/// What could not be read.
pub(super) fn refused(refused: &[Refused]) -> String {
    if refused.is_empty() {
        return String::new();
    }
    let mut html = "<h2>Not read</h2>\n<ul>\n".to_owned();
    for refused in refused {
        let line = refused
            .line
            .map_or_else(String::new, |line| format!(":{line}"));
        let text = format!(
            "{}{line}: {}; {}",
            refused.file, refused.error, refused.remedy
        );
        let _ = writeln!(html, "<li>{}</li>", escaped(&text));
    }
    html + "</ul>\n"
}

const fn amount(quantity: Quantity) -> u64 {
    match quantity {
        Quantity::MicroCpus(amount) | Quantity::Bytes(amount) => amount,
        Quantity::Unlimited => u64::MAX,
    }
}

/// Millionths as percent.
fn part(ppm: u64) -> String {
    format!("{}.{:02} %", ppm / 10_000, ppm / 100 % 100)
}
