//! Every policy on every source of a directory of traces: what it held, and how late work was.
//!
//! Only the reporting half of the series counts, and of a long source only one in so many, chosen by a hash of
//! their names so that about as much time of each source is run as was asked for. A node each, or several together.

use std::{
    num::{NonZeroU64, NonZeroUsize},
    time::Instant,
};

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use trimtab::api::view::Quantity;
use trimtab::replay::{
    Chosen, Figures, Half, Options, Policy, PolicyFigures, Source, SourceFigures, Together, half,
    replay,
};
use trimtab_core::signal::Nanos;

use super::{
    cells::{self, cpus, dash, ppm},
    judge::Args,
};

const COLUMNS: [&str; 12] = [
    "policy",
    "CPU held",
    "slack",
    "median",
    "throttled",
    "short",
    "memory held",
    "slack",
    "median",
    "OOM kills",
    "missed",
    "changes",
];

const DAY: u64 = 24 * 60 * Nanos::MINUTE.0;

/// One source under one policy.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    source: &'static str,
    /// Series of the reporting half that were run: one in so many.
    one_in: u64,
    series: u64,
    days: f64,
    /// On so many nodes, where they were shared, and what these had, in percent of what their workloads began
    /// with.
    #[serde(flatten)]
    shared: Option<Shared>,
    #[serde(flatten)]
    figures: PolicyFigures,
}

/// How series shared nodes.
#[derive(Clone, Copy, Debug, Serialize)]
struct Shared {
    nodes: u64,
    together: usize,
    room_percent: u32,
}

/// Runs every source under these policies.
pub(super) fn run(args: &Args, policies: &[Policy], threads: NonZeroUsize) -> Result<Vec<Row>> {
    let began = Instant::now();
    let together = args.together.map(|workloads| Together {
        workloads,
        room: args.room,
    });
    let mut rows = Vec::new();
    for source in Source::find(args.traces()?, None)? {
        let name = source.format().name();
        if !name.contains(&args.only) {
            continue;
        }
        let one_in = thinning(&source, args.days)?;
        let options = Options {
            chosen: Chosen {
                half: Some(Half::Reporting),
                one_in,
            },
            threads,
            together,
            ..Options::default()
        };
        let report = replay(&[source], policies, &options, None, &|_| {})?;
        for refused in &report.refused {
            eprintln!("{refused}");
        }
        ensure!(
            report.refused.is_empty(),
            "{name} could not be read to its end"
        );
        let figures = Figures::of(&report, policies, &options, [None, None]);
        for source in figures.sources {
            eprintln!(
                "{name}: {} series, {:.0} s so far",
                source.series,
                began.elapsed().as_secs_f64()
            );
            rows.extend(of(&source, one_in, together));
        }
    }
    Ok(rows)
}

/// One in how many series of the reporting half come to about so many days.
fn thinning(source: &Source, days: u64) -> Result<NonZeroU64> {
    let mut reader = source.clone().read();
    let mut all = 0_u128;
    while let Some(head) = reader.next_series()? {
        if half(head.source, &head.name) == Half::Reporting {
            let mut last = Nanos(0);
            while let Some(sample) = reader.next_sample()? {
                last = sample.at;
            }
            all += u128::from(last.0);
        }
    }
    let times = all / (u128::from(days.max(1)) * u128::from(DAY));
    let times = u64::try_from(times).context("a source without end")?;
    Ok(NonZeroU64::new(times).unwrap_or(NonZeroU64::MIN))
}

#[expect(clippy::cast_precision_loss, reason = "days to one digit")]
fn of(
    source: &SourceFigures,
    one_in: NonZeroU64,
    together: Option<Together>,
) -> impl Iterator<Item = Row> {
    let (name, series) = (source.source, source.series);
    let shared = together.zip(source.nodes).map(|(together, nodes)| Shared {
        nodes,
        together: together.workloads.get(),
        room_percent: together.room.get(),
    });
    let days = (source.time_ns / 1_000_000_000) as f64 / 86_400.0;
    source.policies.clone().into_iter().map(move |figures| Row {
        source: name,
        one_in: one_in.get(),
        series,
        days,
        shared,
        figures,
    })
}

/// Tables in Markdown, as docs/CONTROL.md has them.
pub(super) fn print(rows: &[Row]) {
    let mut last = "";
    for row in rows {
        if row.source != last {
            last = row.source;
            let nodes = row.shared.map_or_else(String::new, |shared| {
                let Shared {
                    nodes,
                    together,
                    room_percent,
                } = shared;
                format!(", {together} on each of {nodes} nodes with {room_percent} % of room")
            });
            println!(
                "\n{last}: {} series, one in {}, {:.1} days{nodes}\n",
                row.series, row.one_in, row.days
            );
            println!("{}", cells::head(&COLUMNS));
        }
        println!("{}", line(&row.figures));
    }
}

#[expect(clippy::cast_precision_loss, reason = "percent to a digit")]
fn line(figures: &PolicyFigures) -> String {
    let slack = |permille: Option<i64>| {
        permille.map_or_else(dash, |permille| format!("{:.1} %", permille as f64 / 10.0))
    };
    let mut cells = vec![figures.policy.clone()];
    let (cpu, memory) = (&figures.cpu, &figures.memory);
    cells.push(cpu.as_ref().map_or_else(dash, |cpu| amount(cpu.held)));
    cells.push(slack(cpu.as_ref().and_then(|cpu| cpu.slack_permille)));
    cells.push(slack(
        cpu.as_ref().and_then(|cpu| cpu.slack_median_permille),
    ));
    cells.push(ppm(figures.throttled_ppm));
    cells.push(ppm(figures.shortfall_ppm));
    cells.push(
        memory
            .as_ref()
            .map_or_else(dash, |memory| amount(memory.held)),
    );
    cells.push(slack(
        memory.as_ref().and_then(|memory| memory.slack_permille),
    ));
    cells.push(slack(
        memory
            .as_ref()
            .and_then(|memory| memory.slack_median_permille),
    ));
    cells.push(figures.oom_kills.to_string());
    cells.push(ppm(figures.violated_ppm));
    let changes = [cpu, memory]
        .into_iter()
        .flatten()
        .map(|figures| figures.changes);
    cells.push(changes.sum::<u64>().to_string());
    cells::row(&cells)
}

#[expect(clippy::cast_precision_loss, reason = "whole MiB")]
fn amount(quantity: Quantity) -> String {
    match quantity {
        Quantity::MicroCpus(micro) => cpus(micro),
        Quantity::Bytes(bytes) => format!("{:.0} MiB", bytes as f64 / f64::from(1 << 20)),
        Quantity::Unlimited => "no limit".to_owned(),
    }
}
