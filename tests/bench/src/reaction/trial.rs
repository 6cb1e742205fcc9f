//! One burst, from an empty group to the kernel's counters.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow, ensure};
use trimtab::api::view::{Detail, Entry, Quantity};
use trimtab_tests::{Agent, Burst, CpuStat, Group};

use super::{journal::Journal, poller::poll};

const QUOTA_US: u64 = 10_000;
const PERIOD_US: u64 = 100_000;
/// The quota in the agent's unit, micro-CPUs.
const QUOTA: u64 = 1_000_000 * QUOTA_US / PERIOD_US;
/// How long the agent may take to adopt a group; emulation is slow.
const ADOPTION: Duration = Duration::from_secs(20);
/// Time before each question whether it has.
const QUESTION: Duration = Duration::from_millis(30);
/// A period after the burst every throttled run queue has been released, and so been counted.
const AFTER: Duration = Duration::from_millis(120);

/// What is burst.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) name: String,
    pub(crate) threads: usize,
    pub(crate) length: Duration,
    /// From the time when all is ready to the burst: what makes it random relative to the period.
    pub(crate) gap: Duration,
}

/// Who may lift the quota.
pub(crate) enum Helper<'a> {
    Agent(&'a Agent, &'a mut Journal),
    Poller,
    Nobody,
}

/// What became of one burst.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trial {
    /// The quota that the kernel held right before the burst.
    pub(crate) quota_us: u64,
    /// The quota in the end; `None` when there was none any more.
    pub(crate) last_quota_us: Option<u64>,
    pub(crate) throttled_ns: u64,
    pub(crate) throttled_periods: u64,
    /// CPU time used, over CPU time wanted.
    pub(crate) served: f64,
    /// Writes of the quota during the burst.
    pub(crate) writes: u64,
    /// Lifts of the fast loop, in order.
    pub(crate) lifts: Vec<Lift>,
    /// Why lifts were refused.
    pub(crate) denials: Vec<String>,
}

/// One lift.
#[derive(Clone, Debug)]
pub(crate) struct Lift {
    pub(crate) cause: String,
    /// From the event in the kernel to the end of the write.
    pub(crate) latency_ns: u64,
    /// From the start of the burst to the end of the write.
    pub(crate) since_start_ns: u64,
}

impl Trial {
    pub(crate) fn run(setting: &Setting, helper: Helper<'_>) -> Result<Self> {
        let mut burst = Burst::prepare(setting.threads, setting.length)?;
        let group = Group::create(&setting.name)?;
        group.set_quota_us(Some(QUOTA_US), PERIOD_US)?;
        burst.join(&group)?;
        if let Helper::Agent(agent, _) = &helper {
            adopted(agent, &group)?;
        }
        let stop = AtomicBool::new(false);
        let polls = matches!(helper, Helper::Poller);
        let (mut trial, start_ns) = thread::scope(|scope| {
            let poller = polls.then(|| scope.spawn(|| poll(&group, PERIOD_US, &stop)));
            let result = Self::burst(setting, &group, &mut burst);
            let (mut trial, before) = match result {
                Ok(result) => result,
                Err(error) => {
                    stop.store(true, Ordering::Relaxed);
                    return Err(error);
                }
            };
            let report = burst.finish();
            stop.store(true, Ordering::Relaxed);
            let report = report?;
            thread::sleep(AFTER);
            trial.count(&before, &group.cpu_stat()?);
            trial.last_quota_us = group.quota_us()?;
            trial.served = report.cpu_s / (setting.length.as_secs_f64() * wanted(setting.threads)?);
            if let Some(poller) = poller {
                trial.writes = poller
                    .join()
                    .map_err(|_| anyhow!("the poller panicked"))??;
            }
            Ok((trial, report.start_ns))
        })?;
        if let Helper::Agent(_, journal) = helper {
            for entry in journal.spends(group.path()) {
                trial.note(&entry, start_ns);
            }
        }
        Ok(trial)
    }

    /// Waits, looks once more, and lets the burst begin.
    fn burst(setting: &Setting, group: &Group, burst: &mut Burst) -> Result<(Self, CpuStat)> {
        thread::sleep(setting.gap);
        let before = group.cpu_stat()?;
        let quota = (group.quota_us()?, group.period_us()?);
        burst.release()?;
        ensure!(
            quota == (Some(QUOTA_US), PERIOD_US),
            "the quota was {quota:?} right before the burst"
        );
        let trial = Self {
            quota_us: QUOTA_US,
            ..Self::default()
        };
        Ok((trial, before))
    }

    fn count(&mut self, before: &CpuStat, after: &CpuStat) {
        self.throttled_ns = after.throttled_ns - before.throttled_ns;
        self.throttled_periods = after.nr_throttled - before.nr_throttled;
    }

    fn note(&mut self, entry: &Entry, start_ns: u64) {
        if let Some(denial) = &entry.denial {
            self.denials.push(denial.clone());
        }
        if entry.written {
            let latency_ns = entry.latency_ns.unwrap_or_default();
            self.writes += 1;
            self.lifts.push(Lift {
                cause: entry.cause.clone(),
                latency_ns,
                since_start_ns: (entry.monotonic_ns + latency_ns).saturating_sub(start_ns),
            });
        }
    }

    pub(crate) fn throttled_ms(&self) -> f64 {
        Duration::from_nanos(self.throttled_ns).as_secs_f64() * 1e3
    }

    pub(crate) const fn is_unthrottled(&self) -> bool {
        self.throttled_ns == 0 && self.throttled_periods == 0
    }
}

/// CPUs that a burst can use at once.
fn wanted(threads: usize) -> Result<f64> {
    let cpus = thread::available_parallelism()?.get();
    Ok(f64::from(u32::try_from(threads.min(cpus))?))
}

/// Waits until the agent manages the group and knows its quota for the original.
fn adopted(agent: &Agent, group: &Group) -> Result<()> {
    let end = Instant::now() + ADOPTION;
    loop {
        // Adoption takes some milliseconds, and each question CPU time that bursts are to be lent.
        thread::sleep(QUESTION);
        let shown = agent.cli(&["show", group.path()]);
        let cpu = shown
            .and_then(|shown| Ok(serde_json::from_value::<Detail>(shown)?))
            .map(|detail| detail.workload.cpu);
        if let Ok(Some(cpu)) = &cpu
            && cpu.original == Quantity::MicroCpus(QUOTA)
            && cpu.limit == cpu.original
        {
            return Ok(());
        }
        ensure!(
            Instant::now() < end,
            "the agent has not adopted {} at its quota: {cpu:?}",
            group.path()
        );
    }
}
