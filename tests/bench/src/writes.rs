//! How long one quota write takes with many groups: the kernel walks all task groups under a
//! global mutex, and takes the run-queue lock of every CPU in turn.

use std::{process::ExitCode, time::Instant};

use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use serde::Serialize;
use trimtab::{
    act::{backend::Target, lever::Lever},
    sense::hierarchy::Hierarchies,
};
use trimtab_core::signal::{Amount, Resource};
use trimtab_tests::Group;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Numbers of groups, each with a quota of its own
    #[arg(long, value_delimiter = ',', default_value = "10,1000,10000")]
    groups: Vec<usize>,
    /// Writes that are timed for each number
    #[arg(long, default_value_t = 1000)]
    writes: u32,
}

/// One number of groups.
#[derive(Debug, Serialize)]
struct Row {
    groups: usize,
    read_us_p50: f64,
    p50_us: f64,
    p99_us: f64,
    max_us: f64,
}

pub(crate) fn run(args: &Args, json: bool) -> Result<ExitCode> {
    let root = Group::create("writes")?;
    let mut groups: Vec<Group> = Vec::new();
    let mut rows = Vec::new();
    for &number in &args.groups {
        eprintln!("{number} groups ...");
        while groups.len() < number {
            let group = root.child(&format!("g{}", groups.len()))?;
            group.set_quota_us(Some(50_000), 100_000)?;
            groups.push(group);
        }
        let group = groups.first().context("at least one group is needed")?;
        rows.push(measure(group, number, args.writes)?);
    }
    eprintln!("removing them ...");
    drop(groups);
    if json {
        println!("{}", serde_json::json!({ "rows": rows }));
        return Ok(ExitCode::SUCCESS);
    }
    println!("groups  read p50  write p50  write p99  write max  (us)");
    for row in rows {
        println!(
            "{:>6} {:>9.1} {:>10.1} {:>10.1} {:>10.1}",
            row.groups, row.read_us_p50, row.p50_us, row.p99_us, row.max_us
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn measure(group: &Group, groups: usize, writes: u32) -> Result<Row> {
    let hierarchies = Hierarchies::detect()?;
    let target = Target::open(&hierarchies, group.path())?
        .here()
        .context("the group has gone")?;
    let (directory, version) = target.of(Resource::Cpu).context("no cpu controller")?;
    let lever = Lever::open(directory, *version, Resource::Cpu)?;
    let (mut read, mut write) = (Histogram::<u64>::new(3)?, Histogram::<u64>::new(3)?);
    for number in 0..writes {
        let begun = Instant::now();
        lever.read()?;
        let between = Instant::now();
        // Never the same twice: the kernel does all of the work for every write.
        lever.write(Amount(500_000 + u64::from(number % 2) * 100_000))?;
        let ended = Instant::now();
        read.record(nanos(begun, between))?;
        write.record(nanos(between, ended))?;
    }
    Ok(Row {
        groups,
        read_us_p50: micros(read.value_at_quantile(0.5)),
        p50_us: micros(write.value_at_quantile(0.5)),
        p99_us: micros(write.value_at_quantile(0.99)),
        max_us: micros(write.max()),
    })
}

fn nanos(from: Instant, to: Instant) -> u64 {
    u64::try_from(to.duration_since(from).as_nanos()).unwrap_or(u64::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "times stay far below 2^53 ns")]
fn micros(ns: u64) -> f64 {
    ns as f64 / 1e3
}
