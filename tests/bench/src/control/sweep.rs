//! Autothrottle's request traces: ours with their defaults beside every setting of Autothrottle's scalers, and
//! the best of these. Once as recorded, once with microbursts.
//!
//! As its authors do, an hour whose P99 exceeds the objective does not count, and of the settings that are left
//! the one that holds least is the best. Chosen on the tuning half it is what somebody could have known; chosen in
//! hindsight, on the series itself, it is the most that can be asked of ours.

use std::num::NonZeroUsize;

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use trimtab::replay::{Figures, Half, Options, Policy, Source, half, replay};
use trimtab_core::{
    node::Microbursts,
    score::{Came, best},
    signal::Nanos,
};

use super::{
    cells::{self, cpus, dash, micro, millis, ppm},
    judge::Args,
};
use crate::spread::number;

/// The source with Autothrottle's traces.
const SOURCE: &str = "autothrottle-rps";

/// Each scaler with the settings that are tried: the nine targets that Tower chooses from, and the tenths among
/// which the authors' best utilisations lie.
const SCALERS: [(&str, [&str; 9]); 3] = [
    (
        "captain",
        [
            "0", "0.02", "0.04", "0.06", "0.1", "0.15", "0.2", "0.25", "0.3",
        ],
    ),
    (
        "k8s-cpu",
        [
            "0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9",
        ],
    ),
    (
        "k8s-cpu-fast",
        [
            "0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9",
        ],
    ),
];

/// The objectives of Autothrottle's three applications: Hotel-Reservation, Social-Network, Train-Ticket.
const OBJECTIVES_MS: [u64; 3] = [100, 200, 1000];

/// All that comes of it.
#[derive(Debug, Serialize)]
pub(super) struct Sweep {
    rows: Vec<Row>,
    choices: Vec<Choice>,
}

/// One series under one setting.
#[derive(Clone, Debug, Serialize)]
struct Row {
    microbursts: bool,
    series: String,
    half: &'static str,
    policy: String,
    held_micro_cpus: u64,
    /// What was used, on loan or not, and the momentary limit: for information.
    used_micro_cpus: u64,
    limit_micro_cpus: u64,
    p99_us: Option<i64>,
    missed_ppm: u64,
    throttled_ppm: u64,
}

/// The best setting of a scaler, and ours beside it on a series of the reporting half.
#[derive(Debug, Serialize)]
struct Choice {
    microbursts: bool,
    objective_ms: u64,
    series: String,
    scaler: &'static str,
    /// `tuning` or `hindsight`.
    chosen: &'static str,
    /// `None` if no setting meets the objective where it is chosen.
    best: Option<Row>,
    ours: Vec<Beside>,
}

#[derive(Debug, Serialize)]
struct Beside {
    policy: String,
    /// By how much less it holds, in thousandths of what the best setting holds.
    less_permille: Option<i64>,
    /// Whether it meets the objective.
    meets: bool,
}

impl Row {
    fn came(&self) -> Came {
        let p99 = self.p99_us.and_then(|us| u64::try_from(us).ok());
        Came {
            held: self.held_micro_cpus,
            p99: p99.map(|us| Nanos(us * 1000)),
        }
    }
}

/// Runs the traces under ours among these policies, and under all settings.
pub(super) fn run(args: &Args, policies: &[Policy], threads: NonZeroUsize) -> Result<Sweep> {
    let mut all: Vec<_> = policies
        .iter()
        .filter(|one| one.is_own())
        .cloned()
        .collect();
    let own = all.len();
    for (scaler, settings) in SCALERS {
        for setting in settings {
            all.push(Policy::named(&format!("{scaler}:{setting}"))?);
        }
    }
    let sources = Source::find(args.traces()?, None)?;
    let source = sources
        .into_iter()
        .find(|one| one.format().name() == SOURCE);
    let source = source.with_context(|| format!("there is no {SOURCE} among the traces"))?;
    let mut sweep = Sweep {
        rows: Vec::new(),
        choices: Vec::new(),
    };
    for microbursts in [None, Some(Microbursts::default())] {
        let options = Options {
            microbursts,
            threads,
            each: true,
            ..Options::default()
        };
        let report = replay(std::slice::from_ref(&source), &all, &options, None, &|_| {})?;
        ensure!(
            report.refused.is_empty(),
            "{SOURCE} could not be read: {:?}",
            report.refused
        );
        let figures = Figures::of(&report, &all, &options, [None, None]);
        let rows = rows(&figures, microbursts.is_some());
        sweep.choices.extend(choices(&rows, &all[..own]));
        sweep.rows.extend(rows);
    }
    Ok(sweep)
}

fn rows(figures: &Figures, microbursts: bool) -> Vec<Row> {
    let each = figures.series.iter().flat_map(|series| {
        let half = match half(series.source, &series.series) {
            Half::Tuning => "tuning",
            Half::Reporting => "reporting",
        };
        series.policies.iter().map(move |one| {
            let cpu = one.cpu.as_ref();
            Row {
                microbursts,
                series: series.series.clone(),
                half,
                policy: one.policy.clone(),
                held_micro_cpus: cpu.and_then(|cpu| micro(cpu.held)).unwrap_or(0),
                used_micro_cpus: cpu.and_then(|cpu| micro(cpu.used)).unwrap_or(0),
                limit_micro_cpus: cpu.and_then(|cpu| micro(cpu.limit)).unwrap_or(0),
                p99_us: one.requests.and_then(|requests| requests.p99_us),
                missed_ppm: one.violated_ppm,
                throttled_ppm: one.throttled_ppm,
            }
        })
    });
    each.collect()
}

/// Ours beside the best setting of each scaler, for each objective, on each series of the reporting half.
fn choices(rows: &[Row], own: &[Policy]) -> Vec<Choice> {
    let mut reported: Vec<_> = rows
        .iter()
        .filter(|row| row.half == "reporting")
        .map(|row| row.series.as_str())
        .collect();
    reported.dedup();
    let mut choices = Vec::new();
    for objective_ms in OBJECTIVES_MS {
        let objective = Nanos(objective_ms * Nanos::MILLI.0);
        for series in &reported {
            let of = |policy: &str| {
                rows.iter()
                    .find(|row| row.series == *series && row.policy == policy)
            };
            for (scaler, settings) in SCALERS {
                let settings = settings.map(|setting| format!("{scaler}:{setting}"));
                for chosen in ["tuning", "hindsight"] {
                    let came = settings.each_ref().map(|setting| {
                        let all = rows.iter().filter(|row| row.policy == *setting);
                        let all = all.filter(|row| match chosen {
                            "tuning" => row.half == "tuning",
                            _ => row.series == *series,
                        });
                        all.map(Row::came).collect()
                    });
                    let best = best(&came, objective).and_then(|best| of(&settings[best]));
                    let ours = own.iter().filter_map(|one| of(one.name()));
                    choices.push(Choice {
                        microbursts: rows.iter().any(|row| row.microbursts),
                        objective_ms,
                        series: (*series).to_owned(),
                        scaler,
                        chosen,
                        best: best.cloned(),
                        ours: ours.map(|row| beside(row, best, objective)).collect(),
                    });
                }
            }
        }
    }
    choices
}

fn beside(row: &Row, best: Option<&Row>, objective: Nanos) -> Beside {
    let less = best.and_then(|best| {
        let held = i64::try_from(best.held_micro_cpus).ok()?;
        let own = i64::try_from(row.held_micro_cpus).ok()?;
        ((held - own) * 1000).checked_div(held)
    });
    Beside {
        policy: row.policy.clone(),
        less_permille: less,
        meets: row.came().meets(objective),
    }
}

/// Tables in Markdown, as docs/CONTROL.md has them.
pub(super) fn print(sweep: &Sweep) {
    let mut last = (false, "");
    for row in &sweep.rows {
        let table = (row.microbursts, row.series.as_str());
        if table != last {
            last = table;
            let with = if row.microbursts {
                ", with microbursts"
            } else {
                ""
            };
            println!("\n{} ({} half){with}\n", row.series, row.half);
            let columns = [
                "setting",
                "CPU held",
                "used",
                "limit",
                "P99",
                "missed",
                "throttled",
            ];
            println!("{}", cells::head(&columns));
        }
        let cells = [
            row.policy.clone(),
            cpus(row.held_micro_cpus),
            cpus(row.used_micro_cpus),
            cpus(row.limit_micro_cpus),
            p99(row),
            ppm(row.missed_ppm),
            ppm(row.throttled_ppm),
        ];
        println!("{}", cells::row(&cells));
    }
    for microbursts in [false, true] {
        let choices = sweep.choices.iter();
        let choices: Vec<_> = choices
            .filter(|choice| choice.microbursts == microbursts)
            .collect();
        let Some(first) = choices.first() else {
            continue;
        };
        let with = if microbursts {
            ", with microbursts"
        } else {
            ""
        };
        println!("\nOurs below the best{with}\n");
        let fixed = [
            "series",
            "P99 within",
            "chosen",
            "best setting",
            "CPU held",
            "P99",
        ];
        let ours = first.ours.iter().map(|one| one.policy.as_str());
        println!(
            "{}",
            cells::head(&fixed.into_iter().chain(ours).collect::<Vec<_>>())
        );
        for choice in choices {
            println!("{}", line(choice));
        }
    }
}

fn p99(row: &Row) -> String {
    let us = row.p99_us.and_then(|us| u64::try_from(us).ok());
    us.map_or_else(dash, millis)
}

fn line(choice: &Choice) -> String {
    let best = choice.best.as_ref();
    let mut cells = vec![
        choice.series.clone(),
        format!("{} ms", choice.objective_ms),
        choice.chosen.to_owned(),
        best.map_or_else(
            || format!("{}: none", choice.scaler),
            |row| row.policy.clone(),
        ),
        best.map_or_else(dash, |row| cpus(row.held_micro_cpus)),
        best.map_or_else(dash, p99),
    ];
    cells.extend(choice.ours.iter().map(|one| {
        let late = if one.meets { "" } else { ", late" };
        one.less_permille.map_or_else(dash, |permille| {
            format!("{:.1} %{late}", -number_of(permille) / 10.0)
        })
    }));
    cells::row(&cells)
}

/// A signed number of thousandths.
fn number_of(permille: i64) -> f64 {
    let size = number(permille.unsigned_abs());
    if permille < 0 { -size } else { size }
}
