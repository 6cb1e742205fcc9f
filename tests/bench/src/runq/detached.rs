//! All probes together: operations per second with them and without, in turn.

use std::{fs, time::Duration};

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use trimtab::probe::{Options, Probes};
use trimtab_core::signal::Resource;
use trimtab_tests::Group;

use super::pipe::Pipe;
use crate::spread::Spread;

/// Far more than the load uses: what is measured is how the probes look at a group with limits,
/// not what they do when one is nearly reached.
const QUOTA_PERIODS: u64 = 4;
const PERIOD_US: u64 = 100_000;
const MEMORY: u64 = 1 << 30;

/// What it comes to.
#[derive(Debug, Serialize)]
pub(super) struct Slowdown {
    pub(super) pairs: usize,
    /// By how much a run with all probes is slower than the one beside it without.
    #[serde(rename = "slowdown_percent")]
    pub(super) percent: Spread,
    pub(super) attached_ops: Spread,
    pub(super) detached_ops: Spread,
}

/// Runs the load in pairs. The group is watched, with limits on CPU and memory, like any workload.
pub(super) fn compare(group: &Group, pipe: &Pipe<'_>, pairs: usize) -> Result<Slowdown> {
    let statistics = fs::read_to_string("/proc/sys/kernel/bpf_stats_enabled")?;
    ensure!(
        statistics.trim() == "0",
        "kernel.bpf_stats_enabled is on: each run of a program would cost two looks at the clock"
    );
    let cpus = u64::try_from(std::thread::available_parallelism()?.get())?;
    group.set_quota_us(Some(QUOTA_PERIODS * cpus * PERIOD_US), PERIOD_US)?;
    group.set_memory_limit(Some(MEMORY))?;
    let mut results = Vec::with_capacity(pairs);
    for pair in 0..pairs {
        // Whichever runs first may find the machine in another state.
        let (attached, detached) = if pair % 2 == 0 {
            let attached = attached(group, pipe)?;
            (attached, pipe.rate()?)
        } else {
            let detached = pipe.rate()?;
            (attached(group, pipe)?, detached)
        };
        results.push((attached, detached));
        if (pair + 1) % 10 == 0 {
            eprintln!(
                "{} of {pairs} pairs: slower by {:.1} %",
                pair + 1,
                slower(&results).median
            );
        }
    }
    Ok(Slowdown {
        pairs,
        percent: slower(&results),
        attached_ops: Spread::of(results.iter().map(|(attached, _)| *attached)),
        detached_ops: Spread::of(results.iter().map(|(_, detached)| *detached)),
    })
}

fn slower(results: &[(f64, f64)]) -> Spread {
    let percent = |(attached, detached): &(f64, f64)| (1.0 - attached / detached) * 100.0;
    Spread::of(results.iter().map(percent))
}

fn attached(group: &Group, pipe: &Pipe<'_>) -> Result<f64> {
    let mut probes = Probes::load(&Options::default()).context("cannot load the probes")?;
    probes.runq().register(group.cpu_id()?)?;
    let ids = [
        (Resource::Cpu, group.cpu_id()?),
        (Resource::Memory, group.memory_id()?),
    ];
    for (controller, id) in ids {
        probes.watches().set(controller, id, 0, 0)?;
    }
    // Attaching patches the kernel's code, which goes on for a moment on other CPUs.
    std::thread::sleep(Duration::from_millis(20));
    pipe.rate()
}
