//! What the probes cost, by the kernel's own count.
//!
//! The kernel counts runs and time of every program on the host while its statistics are on
//! (`BPF_ENABLE_STATS`, since 5.8), and what they cost is two looks at the clock per run: so they are on for a
//! moment now and then, and what is counted then stands for the rest. What is counted is a program's
//! body with one of the two looks at the clock, and not the way into the program and back.

use std::os::fd::OwnedFd;

use aya::sys::{Stats, enable_stats};
use trimtab_core::signal::{Amount, Nanos};

use super::{
    Error, Probe, ProbeSet,
    hook::refused,
    load::Probes,
    programs::{COUNT, PROGRAMS, Program, serving},
};

/// The kernel's statistics of programs; they go off when this is dropped, unless somebody else
/// has them on.
#[derive(Debug)]
pub struct Statistics(#[expect(dead_code, reason = "open as long as they are on")] OwnedFd);

impl Statistics {
    /// Switches them on.
    ///
    /// # Errors
    /// The system call's error: not permitted, or a kernel before 5.8.
    pub fn on() -> Result<Self, Error> {
        enable_stats(Stats::RunTime)
            .map(Self)
            .map_err(|error| Error::Statistics(error.io_error))
    }
}

/// What the kernel has counted of each program so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts([Count; COUNT]);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    runs: u64,
    ns: u64,
    attached: bool,
}

/// What one program costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Whether it is attached.
    pub attached: bool,
    /// Runs per second.
    pub runs: u64,
    /// Time of one run in ns, as last seen; 0 before the first.
    pub ns: u64,
    /// Part of a CPU.
    pub cpu: Amount,
}

/// What each program costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Costs([Cost; COUNT]);

impl Costs {
    /// Takes in what was counted within a time in which statistics were on.
    pub fn take_in(&mut self, before: &Counts, after: &Counts, time: Nanos) {
        let per_second = |value: u64, scale: u128| {
            let value = u128::from(value) * scale / u128::from(time.0.max(1));
            u64::try_from(value).unwrap_or(u64::MAX)
        };
        for (cost, (before, after)) in self.0.iter_mut().zip(before.0.iter().zip(&after.0)) {
            let runs = after.runs.saturating_sub(before.runs);
            let ns = after.ns.saturating_sub(before.ns);
            *cost = Cost {
                attached: after.attached,
                runs: per_second(runs, 1_000_000_000),
                ns: ns.checked_div(runs).unwrap_or(cost.ns),
                cpu: Amount(per_second(ns, Amount::CPU.0.into())),
            };
        }
    }

    /// Each program with what it costs.
    pub fn iter(&self) -> impl Iterator<Item = (&'static Program, &Cost)> {
        PROGRAMS.iter().zip(&self.0)
    }

    /// What all of them cost.
    #[must_use]
    pub fn total(&self) -> Amount {
        let add = |sum: Amount, cost: &Cost| sum.plus(cost.cpu);
        self.0.iter().fold(Amount::ZERO, add)
    }

    /// What the programs cost whose cost counts for a probe that is on.
    #[must_use]
    pub fn of(&self, probe: Probe, on: ProbeSet) -> Amount {
        let counts =
            |(program, cost): &(&Program, &Cost)| cost.attached && program.leads(on) == Some(probe);
        let add = |sum: Amount, (_, cost): (_, &Cost)| sum.plus(cost.cpu);
        self.iter().filter(counts).fold(Amount::ZERO, add)
    }

    /// By how much a probe that is off would make it dearer: its programs' time per run, as last
    /// seen, at the rate at which their hooks are passed now. `None` where nothing tells that rate.
    #[must_use]
    pub fn more_with(&self, probe: Probe, on: ProbeSet) -> Option<Amount> {
        let mut more = Amount::ZERO;
        for hook in probe.hooks() {
            let (now, cost) = self
                .iter()
                .find(|(program, cost)| program.hook == *hook && cost.attached)?;
            let then = serving(hook, now.way(), on.with(probe).and(probe.needs()))?;
            if now != then {
                let ns = self.0.get(then.index())?.ns;
                let then = Amount(cost.runs.saturating_mul(ns) / 1_000);
                more = more.plus(then.minus(cost.cpu));
            }
        }
        Some(more)
    }
}

impl Probes {
    /// What the kernel has counted so far. It counts only while [`Statistics`] are on.
    ///
    /// # Errors
    /// The system call's error.
    pub fn counts(&self) -> Result<Counts, Error> {
        let mut counts = Counts::default();
        for (program, count) in PROGRAMS.iter().zip(&mut counts.0) {
            let Some(loaded) = self.object.program(program.name) else {
                continue;
            };
            // What this kernel or the configuration has no use for is not loaded.
            if loaded.fd().is_err() {
                continue;
            }
            let info = loaded
                .info()
                .map_err(|source| refused(program.name, source))?;
            *count = Count {
                runs: info.run_count(),
                ns: u64::try_from(info.run_time().as_nanos()).unwrap_or(u64::MAX),
                attached: self.attached(program),
            };
        }
        Ok(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts of the full and the lean program on each of the three hooks of the run-queue probe.
    fn counts(full: bool, runs: u64, full_ns: u64, lean_ns: u64) -> Counts {
        let mut counts = Counts::default();
        for pair in 0..3 {
            let attached = 2 * pair + usize::from(!full);
            counts.0[attached] = Count {
                runs,
                ns: runs * if full { full_ns } else { lean_ns },
                attached: true,
            };
        }
        counts
    }

    #[test]
    fn what_is_counted_in_a_moment_stands_for_a_second() {
        let mut costs = Costs::default();
        let tenth = Nanos(100 * Nanos::MILLI.0);
        costs.take_in(&Counts::default(), &counts(true, 1_000, 200, 0), tenth);
        let (_, cost) = costs.iter().next().unwrap();
        assert_eq!((cost.runs, cost.ns, cost.cpu), (10_000, 200, Amount(2_000)));
        assert_eq!(costs.total(), Amount(6_000));
        assert_eq!(costs.of(Probe::RunqLatency, ProbeSet::ALL), Amount(6_000));
        assert_eq!(
            costs.of(Probe::ThrottledRunning, ProbeSet::ALL),
            Amount::ZERO
        );
    }

    #[test]
    fn what_a_probe_would_cost_follows_the_rate_at_its_hooks() {
        let mut costs = Costs::default();
        let second = Nanos::SECOND;
        costs.take_in(&Counts::default(), &counts(true, 100_000, 200, 0), second);
        // Shed, and only a tenth as much goes on.
        let lean = counts(false, 10_000, 0, 50);
        costs.take_in(&Counts::default(), &lean, second);
        let on = ProbeSet::ALL
            .without(Probe::RunqLatency)
            .without(Probe::LoanDelays);
        assert_eq!(
            costs.more_with(Probe::RunqLatency, on),
            Some(Amount(3 * 10_000 * (200 - 50) / 1_000))
        );
        assert_eq!(costs.of(Probe::ThrottledWaking, on), Amount(1_000));
        // With nothing at the hooks nobody counts.
        costs.take_in(&lean, &Counts::default(), second);
        assert_eq!(costs.more_with(Probe::RunqLatency, ProbeSet::NONE), None);
    }
}
