//! The table, as docs/CONTROL.md has it.

use std::fmt::Write as _;

use trimtab_core::{
    score::{Came, best},
    signal::Nanos,
};

use super::{Report, row::Row};
use crate::control::cells;

const COLUMNS: [&str; 13] = [
    "",
    "CPU held",
    "limit",
    "used",
    "slack",
    "P50",
    "P99",
    "P99.9",
    "late",
    "throttled",
    "periods",
    "writes",
    "its CPU",
];

/// The laws of which the best setting is told.
const SCALERS: [&str; 3] = ["captain", "k8s-cpu-fast", "k8s-cpu"];

/// How one fared, in a line.
pub(super) fn line(row: &Row) -> String {
    format!(
        "{:.3} CPU held, {:.3} used, P99 {:.1} ms, {:.2} % late",
        row.held_cpus, row.used_cpus, row.p99_ms, row.late_percent
    )
}

/// All of them, and ours beside the best of the others.
pub(super) fn of(report: &Report) -> String {
    let mut text = format!(
        "{}{}: {} requests of {:.1} ms CPU, {:.1} a second; kernel {}, cgroup {}, {} CPUs; \
         {:.0} s each after {:.0} s\n\
         use over a second: P99 {:.3} CPU; what the owner had set: {:.3} CPU\n\n{}\n",
        report.trace,
        if report.microbursts {
            " with microbursts"
        } else {
            ""
        },
        report.requests,
        report.cpu_per_request_ms,
        report.requests_per_s,
        report.kernel,
        report.cgroup,
        report.cpus,
        report.rows.first().map_or(0.0, |row| row.seconds),
        report.settle_s,
        report.use_p99_cpus,
        report.owner_cpus,
        cells::head(&COLUMNS),
    );
    for row in &report.rows {
        text.push_str(&cells::row(&cells_of(row)));
        text.push('\n');
    }
    for scaler in SCALERS {
        text.push_str(&beside(report, scaler));
    }
    text
}

fn cells_of(row: &Row) -> [String; 13] {
    [
        format!("`{}`", row.contender),
        format!("{:.3}", row.held_cpus),
        format!("{:.3}", row.limit_cpus),
        format!("{:.3}", row.used_cpus),
        format!("{:.1} %", row.slack_percent),
        format!("{:.1} ms", row.p50_ms),
        format!("{:.1} ms", row.p99_ms),
        format!("{:.1} ms", row.p999_ms),
        format!("{:.2} %", row.late_percent),
        format!("{:.0} ms", row.throttled_ms),
        format!("{:.2} %", row.throttled_periods_percent),
        row.writes.to_string(),
        format!("{:.2} %", row.controller_cpu_percent),
    ]
}

/// By how much less ours hold than the setting of a law that holds least of those in time; nothing of a law that did
/// not contend.
fn beside(report: &Report, scaler: &str) -> String {
    let settings = report.rows.iter().filter(|row| {
        let name = row.contender.split(':').next();
        name == Some(scaler)
    });
    let settings: Vec<_> = settings.collect();
    if settings.is_empty() {
        return String::new();
    }
    let within = Nanos(micro(report.slo_ms));
    let came: Vec<_> = settings.iter().map(|row| vec![came(row)]).collect();
    let Some(best) = best(&came, within).and_then(|index| settings.get(index)) else {
        return format!(
            "\n{scaler}: no setting had its P99 within {:.0} ms\n",
            report.slo_ms
        );
    };
    let mut text = format!(
        "\n{}: held least of {scaler} with its P99 within {:.0} ms;",
        best.contender, report.slo_ms
    );
    let ours = report.rows.iter();
    for row in ours.filter(|row| row.contender.starts_with("trimtab-")) {
        let more = (row.held_cpus / best.held_cpus - 1.0) * 100.0;
        let late = if came_in_time(row, within) {
            ""
        } else {
            ", late"
        };
        // A string takes all that is written to it.
        let _ = write!(
            text,
            " {} {more:+.1} %{late} (its limit, with what was lent: {:.3})",
            row.contender, row.limit_cpus
        );
    }
    text.push('\n');
    text
}

fn came(row: &Row) -> Came {
    Came {
        held: micro(row.held_cpus),
        p99: (row.requests > 0).then(|| Nanos(micro(row.p99_ms))),
    }
}

fn came_in_time(row: &Row, within: Nanos) -> bool {
    came(row).meets(within)
}

/// Millionths: micro-CPUs of CPUs, ns of ms.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "CPUs and milliseconds, none of them below zero"
)]
fn micro(value: f64) -> u64 {
    (value * 1e6).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(contender: &str, held: f64, p99: f64) -> Row {
        Row {
            contender: contender.to_owned(),
            seconds: 600.0,
            held_cpus: held,
            limit_cpus: held,
            used_cpus: 0.5,
            slack_percent: 0.0,
            requests: 1000,
            unanswered: 0,
            p50_ms: 5.0,
            p99_ms: p99,
            p999_ms: p99,
            late_percent: 0.0,
            throttled_ms: 0.0,
            throttled_periods_percent: 0.0,
            writes: 0,
            controller_cpu_percent: 0.0,
            sent_late: 0,
        }
    }

    fn report(rows: Vec<Row>) -> Report {
        Report {
            kernel: "6.1".to_owned(),
            cgroup: "v2",
            cpus: 2,
            trace: "a made-up day".to_owned(),
            microbursts: true,
            requests: 1000,
            requests_per_s: 100.0,
            cpu_per_request_ms: 5.0,
            slo_ms: 100.0,
            settle_s: 60.0,
            seed: 1,
            use_p99_cpus: 0.7,
            owner_cpus: 0.84,
            rows,
        }
    }

    #[test]
    fn ours_stand_beside_the_best_setting_that_is_in_time() {
        let text = of(&report(vec![
            row("captain:0.02", 1.0, 40.0),
            row("captain:0.1", 0.8, 90.0),
            row("captain:0.3", 0.6, 130.0),
            row("k8s-cpu-fast:0.6", 0.9, 101.0),
            row("trimtab-slo", 0.6, 50.0),
            row("trimtab-headroom", 1.0, 120.0),
        ]));
        assert!(text.contains("a made-up day with microbursts"), "{text}");
        assert!(text.contains("| `captain:0.1` | 0.800 |"), "{text}");
        let best = "captain:0.1: held least of captain with its P99 within 100 ms; \
                    trimtab-slo -25.0 % (its limit, with what was lent: 0.600) \
                    trimtab-headroom +25.0 %, late (its limit, with what was lent: 1.000)";
        assert!(text.contains(best), "{text}");
        assert!(text.contains("k8s-cpu-fast: no setting"), "{text}");
        assert!(!text.contains("\nk8s-cpu:"), "{text}");
    }
}
