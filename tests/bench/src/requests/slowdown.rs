//! What the probe costs a request of one byte that is answered at once.

use std::{fs, time::Duration};

use anyhow::{Context as _, Result, ensure};
use aya::sys::{Stats, enable_stats};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde::Serialize;
use trimtab::probe::{Baseline, Design, Options, ProbeSet, Probes};
use trimtab_lab::turns;
use trimtab_tests::{Group, lab_bin};

use super::compare::{options, probes};
use crate::{
    programs::{self, Counts},
    server::Server,
    spread::{Spread, number},
};

/// On which CPUs the two ends of the connection run; wherever they like, they change places in the
/// middle of a run, and that shows more than any probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placement {
    /// Each on one of its own, so that both sleep and are woken for each request.
    Apart,
    /// Both on one, which is never idle.
    Together,
}

impl Placement {
    const CLIENT: usize = 0;

    const fn server(self) -> usize {
        match self {
            Self::Apart => 1,
            Self::Together => Self::CLIENT,
        }
    }
}

/// The slowdown, end to end.
#[derive(Debug, Serialize)]
pub(super) struct Slowdown {
    pub(super) pairs: usize,
    /// By how much a run with the probe is slower than the one beside it without.
    #[serde(flatten)]
    pub(super) fraction: Spread,
    /// The same of programs on the same hooks that find no connection of theirs.
    pub(super) hooks_alone: Spread,
    pub(super) attached_per_s: Spread,
    pub(super) detached_per_s: Spread,
}

/// What the kernel counts of the programs themselves, for both ends of a connection.
#[derive(Debug, Serialize)]
pub(super) struct Cost {
    pub(super) runs_per_request: f64,
    pub(super) net_ns_per_request: f64,
    pub(super) empty_ns_per_run: f64,
}

/// Runs the load with the probe, with nothing and with its hooks alone, in turn, so many times;
/// then once more under the kernel's statistics.
pub(super) fn compare(
    group: &Group,
    placement: Placement,
    pairs: usize,
    transactions: u64,
) -> Result<(Slowdown, Cost)> {
    let statistics = fs::read_to_string("/proc/sys/kernel/bpf_stats_enabled")?;
    ensure!(
        statistics.trim() == "0",
        "kernel.bpf_stats_enabled is on: each run of a program would cost two looks at the clock"
    );
    let _pinned = Pinned::to(Placement::CLIENT)?;
    let mut command = group.command("taskset")?;
    command.args(["-c", &placement.server().to_string()]);
    let server = Server::start(command.arg(lab_bin()?).arg("echo"))?;
    let rate = || -> Result<f64> {
        let report = turns::take(server.target, transactions)?;
        Ok(number(report.turns) / report.seconds)
    };
    rate()?;
    let mut rounds = Vec::with_capacity(pairs);
    for round in 0..pairs {
        let mut rates = [0.0; 3];
        // Whichever runs first may find the machine in another state.
        for turn in 0..Variant::ALL.len() {
            let variant = Variant::ALL[(round + turn) % Variant::ALL.len()];
            let _attached = variant.attach(group)?;
            // Attaching patches the kernel's code, which goes on for a moment on other CPUs.
            std::thread::sleep(Duration::from_millis(20));
            rates[variant as usize] = rate()?;
        }
        rounds.push(rates);
        if (round + 1) % 10 == 0 {
            let so_far = slower(&rounds, Variant::Probe).median;
            eprintln!("{} of {pairs} rounds: slower by {so_far:.4}", round + 1);
        }
    }
    let rates = |variant| Spread::of(rounds.iter().map(|rates| rates[variant as usize]));
    let slowdown = Slowdown {
        pairs,
        fraction: slower(&rounds, Variant::Probe),
        hooks_alone: slower(&rounds, Variant::Hooks),
        attached_per_s: rates(Variant::Probe),
        detached_per_s: rates(Variant::Nothing),
    };
    Ok((slowdown, cost(group, &server, transactions)?))
}

/// What is attached during a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Variant {
    Probe,
    Nothing,
    /// The same programs, but none that notes connections: each finds nothing and returns.
    Hooks,
}

impl Variant {
    const ALL: [Self; 3] = [Self::Probe, Self::Nothing, Self::Hooks];

    fn attach(self, group: &Group) -> Result<Option<Probes>> {
        match self {
            Self::Probe => probes(group).map(Some),
            Self::Nothing => Ok(None),
            Self::Hooks => {
                let detached = vec!["inet_sock_set_state".to_owned()];
                let options = Options {
                    detached,
                    ..options()
                };
                Ok(Some(Probes::load(&options)?))
            }
        }
    }
}

/// By how much each run was slower than the one of its round with nothing attached.
fn slower(rounds: &[[f64; 3]], variant: Variant) -> Spread {
    let nothing = Variant::Nothing as usize;
    let slower = |rates: &[f64; 3]| 1.0 - rates[variant as usize] / rates[nothing];
    Spread::of(rounds.iter().map(slower))
}

/// Keeps this thread on one CPU until it is dropped.
struct Pinned(CpuSet);

impl Pinned {
    fn to(cpu: usize) -> Result<Self> {
        let before = sched_getaffinity(None)?;
        let mut one = CpuSet::new();
        one.set(cpu);
        sched_setaffinity(None, &one).context("cannot stay on one CPU")?;
        Ok(Self(before))
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // What was allowed before is allowed again.
        let _ = sched_setaffinity(None, &self.0);
    }
}

fn cost(group: &Group, server: &Server, transactions: u64) -> Result<Cost> {
    // They are on for the whole system for as long as this descriptor is open.
    let _statistics = enable_stats(Stats::RunTime)?;
    let counted = || -> Result<Counts> {
        let before = programs::of(std::process::id())?.0;
        turns::take(server.target, transactions)?;
        Ok(programs::of(std::process::id())?.0 - before)
    };
    let empty = {
        let options = Options {
            probes: ProbeSet::NONE,
            ..Options::default()
        };
        let _empty = Baseline::load(Design::Empty, &options)?;
        let Counts { runs, ns } = counted()?;
        ensure!(runs > 0, "the empty program did not run");
        number(ns) / number(runs)
    };
    let _probes = probes(group)?;
    let Counts { runs, ns } = counted()?;
    let requests = number(transactions);
    Ok(Cost {
        runs_per_request: number(runs) / requests,
        net_ns_per_request: (number(ns) - number(runs) * empty) / requests,
        empty_ns_per_run: empty,
    })
}
