//! What would have been found out of the ordinary in recorded history, and what looking costs.
//!
//! Nobody has written down what was wrong with these workloads, so that this counts findings and not errors: how often
//! people would have been told something. A sample stands for every minute until the next.

use std::{collections::BTreeMap, process::ExitCode, time::Instant};

use anyhow::Result;
use serde::Serialize;
use trimtab::replay::{Quantity, Sample, Series, Source};
use trimtab_core::{
    anomaly::{Around, News, Watch},
    signal::{Amount, Nanos, Slot},
    snapshot::{CpuSignals, MemorySignals, WorkloadSignals},
};

/// A node that is never full.
const AROUND: Around<'_> = Around {
    capacity: [Amount(u64::MAX - 1); 2],
    ceiling: [Amount::UNLIMITED; 2],
    reach: Amount(u64::MAX - 1),
    available: Amount(1 << 50),
    runnable: 0,
    behind: &[],
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The directory of traces, with its index
    #[arg(long, env = "TRIMTAB_TRACES")]
    traces: String,
    /// Only sources whose name has this in it
    #[arg(long, default_value = "")]
    only: String,
    /// Print each finding
    #[arg(long)]
    each: bool,
}

/// One source.
#[derive(Debug, Default, Serialize)]
struct Row {
    source: &'static str,
    series: u64,
    minutes: u64,
    /// How many of each kind were found, and in how many series.
    found: BTreeMap<String, (u64, u64)>,
    /// For each minute, without reading the trace.
    ns_per_minute: f64,
}

pub(crate) fn run(args: &Args, json: bool) -> Result<ExitCode> {
    let mut rows = Vec::new();
    for source in Source::find(&args.traces, None)? {
        let name = source.format().name();
        if !name.contains(&args.only) {
            continue;
        }
        let row = look(name, source, args.each)?;
        if row.minutes > 0 {
            if !json {
                print(&row);
            }
            rows.push(row);
        }
    }
    if json {
        println!("{}", serde_json::to_string(&rows)?);
    }
    Ok(ExitCode::SUCCESS)
}

#[expect(clippy::cast_precision_loss, reason = "a mean to a digit")]
fn look(name: &'static str, source: Source, each: bool) -> Result<Row> {
    let mut row = Row {
        source: name,
        ..Row::default()
    };
    let mut took = 0;
    let mut reader = source.read();
    while let Some(series) = Series::next(&mut reader)? {
        if !series.has(Quantity::Cpu) && !series.has(Quantity::Memory) {
            continue;
        }
        let minutes = minutes(&series);
        let began = Instant::now();
        let told = told(&minutes);
        took += began.elapsed().as_nanos();
        row.series += 1;
        row.minutes += minutes.len() as u64;
        let mut kinds = BTreeMap::<_, u64>::new();
        for (minute, news) in told {
            let News::Begins(standing) = news else {
                continue;
            };
            if each {
                println!("{} {minute}: {}", series.head.name, standing.anomaly);
            }
            let said = serde_json::to_value(standing.anomaly)?;
            let kind = said.as_object().and_then(|object| object.keys().next());
            let resource = standing.anomaly.resource();
            let kind = kind.map_or_else(String::new, |kind| format!("{kind} ({resource})"));
            *kinds.entry(kind).or_default() += 1;
        }
        for (kind, count) in kinds {
            let (all, series) = row.found.entry(kind).or_default();
            (*all, *series) = (*all + count, *series + 1);
        }
    }
    row.ns_per_minute = took as f64 / row.minutes.max(1) as f64;
    Ok(row)
}

/// What a series says of each minute.
fn minutes(series: &Series) -> Vec<WorkloadSignals> {
    let mut minutes = Vec::new();
    for index in 0..series.len() {
        let (Some(sample), next) = (series.get(index), series.get(index + 1)) else {
            break;
        };
        let until = next.map_or(sample.at.plus(series.head.step), |next| next.at);
        let until = usize::try_from(until.0 / Nanos::MINUTE.0).unwrap_or(usize::MAX);
        minutes.resize(until.max(minutes.len()), signals(&sample));
    }
    minutes
}

fn signals(sample: &Sample) -> WorkloadSignals {
    let cap = |quantity| sample.get(quantity).map_or(Amount::UNLIMITED, Amount);
    let cpu = sample.cpu().map(|used| CpuSignals {
        used,
        held: cap(Quantity::CpuCap),
        ..CpuSignals::default()
    });
    let memory = sample.memory().map(|used| MemorySignals {
        used,
        anonymous: used,
        held: cap(Quantity::MemoryCap),
        hard: cap(Quantity::MemoryCap),
        ..MemorySignals::default()
    });
    WorkloadSignals {
        cpu,
        memory,
        ..WorkloadSignals::default()
    }
}

fn told(minutes: &[WorkloadSignals]) -> Vec<(usize, News)> {
    let mut watch = Watch::new(Nanos(0), Slot(0));
    let mut told = Vec::new();
    for (minute, signals) in minutes.iter().enumerate() {
        let now = Nanos((minute as u64 + 1) * Nanos::MINUTE.0);
        if watch.push(now, signals) {
            let news = watch.judge(now, &AROUND).into_iter();
            told.extend(news.map(|news| (minute, news)));
        }
    }
    told
}

#[expect(clippy::cast_precision_loss, reason = "days to one digit")]
fn print(row: &Row) {
    let days = row.minutes as f64 / 1_440.0;
    println!(
        "{}: {} series, {days:.0} days, {:.0} ns a minute",
        row.source, row.series, row.ns_per_minute
    );
    for (kind, (all, series)) in &row.found {
        let rate = *all as f64 * 1_000.0 / days;
        println!("  {kind}: {all} in {series} series, {rate:.1} in 1,000 days");
    }
}
