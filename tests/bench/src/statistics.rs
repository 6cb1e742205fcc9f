//! What it costs to let the kernel count what the probes cost: a load that does nothing but wake, run
//! and sleep, with all probes attached, while statistics are on and while they are off.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use trimtab::probe::{Options, Probes, Statistics};
use trimtab_tests::Group;

use crate::{
    runq::pipe::Pipe,
    spread::{Spread, number},
};

/// How often they are switched on and off to see how long that takes.
const SWITCHES: u32 = 100;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Pairs of runs with statistics and without
    #[arg(long, default_value_t = 20)]
    pairs: usize,
    /// Operations per run of `perf bench sched pipe`, of two cycles each
    #[arg(long, default_value_t = 100_000)]
    operations: u64,
    /// The CPU on which both processes run [default: wherever the scheduler puts them]
    #[arg(long)]
    cpu: Option<usize>,
}

#[derive(Debug, Serialize)]
struct Numbers {
    pairs: usize,
    /// By how much a cycle takes longer with statistics.
    ns_per_cycle: Spread,
    slower_percent: Spread,
    switch_on_us: Spread,
    switch_off_us: Spread,
    /// One reading of what all programs cost.
    read_us: Spread,
}

pub(crate) fn run(args: &Args, json: bool) -> Result<ExitCode> {
    ensure!(args.pairs > 0, "--pairs must be above zero");
    let group = Group::create("statistics").context("the load needs a cgroup of its own")?;
    let pipe = Pipe::new(&group, args.operations, args.cpu)?;
    let mut probes = Probes::load(&Options::default()).context("cannot load the probes")?;
    probes.runq().register(group.cpu_id()?)?;
    let mut pairs = Vec::new();
    for pair in 0..args.pairs {
        // Whichever runs first may find the machine in another state.
        let (with, without) = if pair % 2 == 0 {
            let with = counted(&pipe)?;
            (with, pipe.run()?)
        } else {
            let without = pipe.run()?;
            (counted(&pipe)?, without)
        };
        pairs.push((with.as_secs_f64(), without.as_secs_f64()));
    }
    let cycles = number(pipe.cycles());
    let more = |(with, without): &(f64, f64)| (with - without) * 1e9 / cycles;
    let percent = |(with, without): &(f64, f64)| (with / without - 1.0) * 100.0;
    let mut took = [const { Vec::new() }; 3];
    for _ in 0..SWITCHES {
        let start = Instant::now();
        let statistics = Statistics::on().context("cannot switch statistics on")?;
        took[0].push(micros(start));
        let start = Instant::now();
        probes.counts()?;
        took[1].push(micros(start));
        let start = Instant::now();
        drop(statistics);
        took[2].push(micros(start));
    }
    let [on, read, off] = took;
    let numbers = Numbers {
        pairs: args.pairs,
        ns_per_cycle: Spread::of(pairs.iter().map(more)),
        slower_percent: Spread::of(pairs.iter().map(percent)),
        switch_on_us: Spread::of(on),
        switch_off_us: Spread::of(off),
        read_us: Spread::of(read),
    };
    if json {
        println!("{}", serde_json::to_string(&numbers)?);
    } else {
        println!("{numbers:#?}");
    }
    Ok(ExitCode::SUCCESS)
}

/// One run while statistics are on.
fn counted(pipe: &Pipe<'_>) -> Result<Duration> {
    let _statistics = Statistics::on().context("cannot switch statistics on")?;
    pipe.run()
}

fn micros(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e6
}
