//! What the run-queue probe costs per wake-run-sleep cycle, beside other designs; and what all
//! probes together cost a load that does nothing but wake, run and sleep.
//!
//! The load is `perf bench sched pipe`: two processes that pass a byte to and fro, so that each
//! operation is two cycles. The kernel counts how often each program ran, and for how long; from
//! that goes what it counts for an empty program. What this leaves out, the way into a program
//! and back, is in the second measurement: operations per second with all probes and without.

mod design;
mod detached;
pub(crate) mod pipe;

use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use aya::sys::{Stats, enable_stats};
use serde::Serialize;
use trimtab_tests::Group;

use crate::{host, spread::Spread};
pub(crate) use design::bpftrace;
use design::{Design, Measured};
use detached::Slowdown;
pub(crate) use pipe::Pipe;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Measurements of each design, in turn
    #[arg(long, default_value_t = 10)]
    rounds: usize,
    /// Pairs of runs with all probes and without
    #[arg(long, default_value_t = 60)]
    pairs: usize,
    /// Operations per run of `perf bench sched pipe`, of two cycles each
    #[arg(long, default_value_t = 100_000)]
    operations: u64,
    /// The CPU on which both processes run [default: wherever the scheduler puts them]
    #[arg(long)]
    cpu: Option<usize>,
}

/// What was found.
#[derive(Debug, Serialize)]
struct Numbers {
    kernel: String,
    rounds: usize,
    /// Our cost by that of bpftrace's `runqlat.bt`.
    ratio_bpftrace: f64,
    /// Our cost by that of a hash keyed by pid.
    ratio_hash: f64,
    ns_per_cycle: Costs,
    runs_per_cycle: Runs,
    /// What the kernel counts for a program that does nothing.
    empty_ns_per_run: Spread,
    end_to_end: Option<Slowdown>,
}

#[derive(Debug, Serialize)]
struct Costs {
    trimtab: Spread,
    hash: Spread,
    bpftrace: Spread,
}

#[derive(Debug, Serialize)]
struct Runs {
    trimtab: f64,
    hash: f64,
    bpftrace: f64,
}

/// One round: every design once, and what an empty program costs at that time.
#[derive(Clone, Copy, Debug)]
struct Round {
    empty: f64,
    designs: [Measured; 3],
}

impl Round {
    fn net(&self, design: Design) -> f64 {
        let Measured { runs, gross } = self.designs[design.index()];
        gross - runs * self.empty
    }
}

pub(crate) fn run(args: &Args, json: bool) -> Result<ExitCode> {
    ensure!(args.rounds > 0, "--rounds must be above zero");
    let group = Group::create("pipe").context("the load needs a cgroup of its own")?;
    let pipe = Pipe::new(&group, args.operations, args.cpu)?;
    let rounds = {
        // They are on for the whole system for as long as this descriptor is open.
        let _statistics = enable_stats(Stats::RunTime).context("cannot switch statistics on")?;
        (0..args.rounds)
            .map(|round| one(&pipe, round, args.rounds))
            .collect::<Result<Vec<_>>>()?
    };
    let end_to_end = match args.pairs {
        0 => None,
        pairs => Some(detached::compare(&group, &pipe, pairs)?),
    };
    let net = |design| Spread::of(rounds.iter().map(|round| round.net(design)));
    let runs = |design: Design| {
        Spread::of(
            rounds
                .iter()
                .map(|round| round.designs[design.index()].runs),
        )
    };
    let costs = Costs {
        trimtab: net(Design::Trimtab),
        hash: net(Design::Hash),
        bpftrace: net(Design::Bpftrace),
    };
    let numbers = Numbers {
        kernel: host::kernel(),
        rounds: rounds.len(),
        ratio_bpftrace: costs.trimtab.median / costs.bpftrace.median,
        ratio_hash: costs.trimtab.median / costs.hash.median,
        ns_per_cycle: costs,
        runs_per_cycle: Runs {
            trimtab: runs(Design::Trimtab).median,
            hash: runs(Design::Hash).median,
            bpftrace: runs(Design::Bpftrace).median,
        },
        empty_ns_per_run: Spread::of(rounds.iter().map(|round| round.empty)),
        end_to_end,
    };
    if json {
        println!("{}", serde_json::to_string(&numbers)?);
    } else {
        print!("{}", table(&numbers));
    }
    Ok(ExitCode::SUCCESS)
}

/// Every design once, each round beginning with another one.
fn one(pipe: &Pipe<'_>, round: usize, of: usize) -> Result<Round> {
    let empty = design::measure_empty(pipe)?;
    let mut designs = [Measured {
        runs: 0.0,
        gross: 0.0,
    }; 3];
    for turn in 0..Design::ALL.len() {
        let design = Design::ALL[(round + turn) % Design::ALL.len()];
        designs[design.index()] = design::measure(design, pipe)
            .with_context(|| format!("{}, round {round}", design.name()))?;
    }
    let round_of = Round { empty, designs };
    eprintln!(
        "round {} of {of}: an empty program {empty:.0} ns; per cycle {}",
        round + 1,
        Design::ALL
            .map(|design| format!("{} {:.0} ns", design.name(), round_of.net(design)))
            .join(", ")
    );
    Ok(round_of)
}

fn table(numbers: &Numbers) -> String {
    let shown = |spread: &Spread, unit: &str| {
        let Spread { p25, median, p75 } = spread;
        format!("{median:.1}{unit} ({p25:.1} to {p75:.1})")
    };
    let Numbers {
        ns_per_cycle: costs,
        runs_per_cycle: runs,
        ..
    } = numbers;
    let mut text = format!(
        "the run-queue probe per wake-run-sleep cycle, kernel {}, {} rounds; median (quartiles)\n\
         \x20 an empty program       {}\n\
         \x20 Trimtab                {}, {:.2} runs\n\
         \x20 hash by pid            {}, {:.2} runs\n\
         \x20 bpftrace runqlat.bt    {}, {:.2} runs\n\
         \x20 Trimtab by bpftrace    {:.3}\n\
         \x20 Trimtab by hash        {:.3}\n",
        numbers.kernel,
        numbers.rounds,
        shown(&numbers.empty_ns_per_run, " ns a run"),
        shown(&costs.trimtab, " ns"),
        runs.trimtab,
        shown(&costs.hash, " ns"),
        runs.hash,
        shown(&costs.bpftrace, " ns"),
        runs.bpftrace,
        numbers.ratio_bpftrace,
        numbers.ratio_hash,
    );
    if let Some(slowdown) = &numbers.end_to_end {
        let end_to_end = format!(
            "`perf bench sched pipe` in {} pairs of runs\n\
             \x20 with all probes        {}\n\
             \x20 without                {}\n\
             \x20 slower by              {}\n",
            slowdown.pairs,
            shown(&slowdown.attached_ops, " operations/s"),
            shown(&slowdown.detached_ops, " operations/s"),
            shown(&slowdown.percent, " %"),
        );
        text.push_str(&end_to_end);
    }
    text
}
