//! Growing at full speed inside a small memory limit, with and without Trimtab.

mod growth;
mod squeeze;

use std::{process::ExitCode, time::Duration};

use anyhow::Result;
use serde::Serialize;
use trimtab_tests::Agent;

use crate::host;
use growth::{Growth, Taking, busy, limited, unlimited};

/// Only memory is managed, so that what the CPUs do cannot be mistaken for it.
const CONFIG: &str = r#"
[[policy]]
name = "bench"
select = ["/trimtab-test-*/managed-*"]
mode = "enforce"
resources = ["memory"]
"#;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Growths with Trimtab: half of them idle, half with four busy loops beside them
    #[arg(long, default_value_t = 100)]
    rounds: usize,
    /// Growths without Trimtab
    #[arg(long, default_value_t = 20)]
    alone: usize,
    /// Growths inside one system call, with Trimtab
    #[arg(long, default_value_t = 20)]
    populate: usize,
    /// Instead: run a small guest out of memory beside a growth, and see who is killed
    #[arg(long)]
    squeeze: bool,
}

/// What was found. Times in milliseconds are the longest of all rounds.
#[derive(Debug, Default, Serialize)]
struct Numbers {
    kernel: String,
    cgroup: &'static str,
    rounds_alone: usize,
    killed_alone: usize,
    rounds: usize,
    killed: usize,
    killed_busy: usize,
    p50_us: Option<f64>,
    p99_us: Option<f64>,
    max_us: Option<f64>,
    writes_per_round: Option<f64>,
    time_ratio: Option<f64>,
    stall_ms_max: Option<f64>,
    stall_ms_max_unlimited: Option<f64>,
    pressure_ms_max: Option<f64>,
    populate_rounds: usize,
    populate_killed: usize,
    populate_time_ratio: Option<f64>,
    populate_stall_ms_max: Option<f64>,
}

pub(crate) fn run(args: &Args, json: bool) -> Result<ExitCode> {
    if args.squeeze {
        let numbers = squeeze::measure(args.rounds, CONFIG)?;
        if json {
            println!("{}", serde_json::to_string(&numbers)?);
        } else {
            print!("{}", numbers.table());
        }
        return Ok(ExitCode::SUCCESS);
    }
    let numbers = measure(args)?;
    if json {
        println!("{}", serde_json::to_string(&numbers)?);
    } else {
        print!("{}", table(&numbers));
    }
    Ok(ExitCode::SUCCESS)
}

fn measure(args: &Args) -> Result<Numbers> {
    let mut alone = Vec::new();
    for round in 0..args.alone {
        alone.push(limited(None, &format!("alone-{round}"), Taking::Touched)?);
        tell("without Trimtab", round + 1, args.alone, &alone);
    }
    let agent = Agent::start(CONFIG)?;
    let idle = args.rounds.div_ceil(2);
    let (mut calm, mut free) = (Vec::new(), Vec::new());
    for round in 0..idle {
        // Side by side in time, so that whatever slows the machine slows both.
        free.push(unlimited(&format!("{round}"), Taking::Touched)?);
        calm.push(limited(Some(&agent), &format!("{round}"), Taking::Touched)?);
        tell("idle", round + 1, idle, &calm);
    }
    let mut crowded = Vec::new();
    {
        let _loops = busy()?;
        for round in idle..args.rounds {
            crowded.push(limited(Some(&agent), &format!("{round}"), Taking::Touched)?);
            tell(
                "four busy loops",
                round + 1 - idle,
                args.rounds - idle,
                &crowded,
            );
        }
    }
    let (mut populated, mut free_populated) = (Vec::new(), Vec::new());
    for round in 0..args.populate {
        let name = format!("populate-{round}");
        free_populated.push(unlimited(&name, Taking::Populated)?);
        populated.push(limited(Some(&agent), &name, Taking::Populated)?);
        tell("MAP_POPULATE", round + 1, args.populate, &populated);
    }
    let mut latencies: Vec<u64> = calm
        .iter()
        .chain(&crowded)
        .flat_map(|growth| growth.latencies.clone())
        .collect();
    latencies.sort_unstable();
    let rounds = calm.len() + crowded.len();
    Ok(Numbers {
        kernel: host::kernel(),
        cgroup: host::cgroup()?,
        rounds_alone: alone.len(),
        killed_alone: killed(&alone),
        rounds,
        killed: killed(&calm) + killed(&crowded),
        killed_busy: killed(&crowded),
        p50_us: quantile(&latencies, 0.50).map(micros),
        p99_us: quantile(&latencies, 0.99).map(micros),
        max_us: latencies.last().copied().map(micros),
        writes_per_round: (rounds > 0).then(|| count(latencies.len()) / count(rounds)),
        time_ratio: ratio(&calm, &free),
        stall_ms_max: longest(&calm, |growth| growth.stall),
        stall_ms_max_unlimited: longest(&free, |growth| growth.stall),
        pressure_ms_max: longest(calm.iter().chain(&crowded), |growth| growth.pressure),
        populate_rounds: populated.len(),
        populate_killed: killed(&populated),
        populate_time_ratio: ratio(&populated, &free_populated),
        populate_stall_ms_max: longest(&populated, |growth| growth.pressure),
    })
}

/// Progress, for whoever waits.
fn tell(what: &str, done: usize, of: usize, growths: &[Growth]) {
    if done == of || done.is_multiple_of(10) {
        eprintln!("{what}: {done} of {of} grown, {} killed", killed(growths));
    }
}

fn killed(growths: &[Growth]) -> usize {
    growths.iter().filter(|growth| growth.killed).count()
}

fn longest<'a>(
    growths: impl IntoIterator<Item = &'a Growth>,
    of: impl Fn(&Growth) -> Option<Duration>,
) -> Option<f64> {
    growths
        .into_iter()
        .filter_map(of)
        .max()
        .map(|longest| longest.as_secs_f64() * 1e3)
}

/// Median time of those that lived, as a multiple of the median without a limit.
fn ratio(growths: &[Growth], free: &[Growth]) -> Option<f64> {
    let median = |growths: &[Growth]| {
        let mut times: Vec<_> = growths.iter().filter_map(|growth| growth.took).collect();
        times.sort_unstable();
        times.get(times.len() / 2).map(Duration::as_secs_f64)
    };
    Some(median(growths)? / median(free)?)
}

/// The value below which this share of the sorted values lies.
fn quantile(sorted: &[u64], share: f64) -> Option<u64> {
    let index = (count(sorted.len()) * share).ceil().max(1.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 1 and the number of values"
    )]
    sorted.get(index as usize - 1).copied()
}

#[expect(clippy::cast_precision_loss, reason = "counts of rounds and writes")]
fn count(number: usize) -> f64 {
    number as f64
}

#[expect(
    clippy::cast_precision_loss,
    reason = "latencies stay far below 2^53 ns"
)]
fn micros(ns: u64) -> f64 {
    ns as f64 / 1e3
}

fn table(numbers: &Numbers) -> String {
    let shown = |value: Option<f64>, unit: &str| {
        value.map_or_else(|| "-".into(), |value| format!("{value:.2}{unit}"))
    };
    format!(
        "a process grows from 0 to 400 MB at full speed in a group of 64 MB; kernel {}, cgroup {}\n\
         \x20 killed without Trimtab            {} of {}\n\
         \x20 killed with Trimtab               {} of {}\n\
         \x20 event -> limit written            p50 {}, p99 {}, max {}; {} writes a round\n\
         \x20 time against no limit             {}\n\
         \x20 longest MiB                       {} (without a limit {})\n\
         \x20 longest wait for memory (PSI)     {}\n\
         \x20 in one MAP_POPULATE               {} of {} killed, time {}, longest wait for memory {}\n",
        numbers.kernel,
        numbers.cgroup,
        numbers.killed_alone,
        numbers.rounds_alone,
        numbers.killed,
        numbers.rounds,
        shown(numbers.p50_us, " us"),
        shown(numbers.p99_us, " us"),
        shown(numbers.max_us, " us"),
        shown(numbers.writes_per_round, ""),
        shown(numbers.time_ratio, ""),
        shown(numbers.stall_ms_max, " ms"),
        shown(numbers.stall_ms_max_unlimited, " ms"),
        shown(numbers.pressure_ms_max, " ms"),
        numbers.populate_killed,
        numbers.populate_rounds,
        shown(numbers.populate_time_ratio, ""),
        shown(numbers.populate_stall_ms_max, " ms"),
    )
}
