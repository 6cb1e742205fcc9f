//! One of the laws that we are compared with, on a real group: a thread reads its counters and writes its quota.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail};
use trimtab_core::{
    baseline::named,
    node::{Controller, CpuSeen, NodeSeen, Seen, Write},
    signal::{Amount, Nanos, Resource, Slot},
};
use trimtab_lab::cpu;
use trimtab_tests::{Group, Version};

use super::trial::PERIOD_US;

/// A law at work; dropping it ends it.
#[derive(Debug)]
pub(super) struct Law {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Result<()>>>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    writes: AtomicU64,
    /// CPU time that looking, deciding and writing have taken, in ns.
    cpu_ns: AtomicU64,
}

impl Law {
    /// Lets the law of that name steer a group from now on; nothing that it orders exceeds the node.
    pub(super) fn start(name: &str, group: &Arc<Group>, cpus: Amount) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let mut driver = Driver {
            law: named(name)?,
            group: Arc::clone(group),
            cpus,
            request: micro_cpus(group.quota_us()?, cpus),
            shared: Arc::clone(&shared),
        };
        let thread = thread::Builder::new()
            .name("law".into())
            .spawn(move || driver.drive())?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Limits written so far.
    pub(super) fn writes(&self) -> u64 {
        self.shared.writes.load(Ordering::Relaxed)
    }

    /// CPU time used so far, in seconds.
    pub(super) fn cpu_s(&self) -> f64 {
        Duration::from_nanos(self.shared.cpu_ns.load(Ordering::Relaxed)).as_secs_f64()
    }

    /// Ends it, and says what went wrong.
    pub(super) fn end(mut self) -> Result<()> {
        self.join()
    }

    fn join(&mut self) -> Result<()> {
        self.shared.stop.store(true, Ordering::Relaxed);
        let Some(thread) = self.thread.take() else {
            return Ok(());
        };
        thread.join().map_err(|_| anyhow!("the law has failed"))?
    }
}

impl Drop for Law {
    fn drop(&mut self) {
        // Whoever did not ask how it went has another error to tell.
        let _ = self.join();
    }
}

/// What a quota comes to in micro-CPUs; without one, all that the node has.
pub(super) fn micro_cpus(quota_us: Option<u64>, cpus: Amount) -> Amount {
    quota_us.map_or(cpus, |us| Amount(us * Amount::CPU.0 / PERIOD_US).min(cpus))
}

/// Steers a group by a law, in a thread of its own.
struct Driver {
    law: Box<dyn Controller + Send>,
    group: Arc<Group>,
    cpus: Amount,
    /// What the owner had set.
    request: Amount,
    shared: Arc<Shared>,
}

impl Driver {
    fn drive(&mut self) -> Result<()> {
        let interval = Duration::from_nanos(self.law.interval().0).max(Duration::from_millis(1));
        let mut orders = Vec::new();
        self.law.begin(Nanos(0), &self.seen()?, &mut orders);
        self.obey(&mut orders)?;
        let start = Instant::now();
        let mut due = Duration::ZERO;
        while !self.shared.stop.load(Ordering::Relaxed) {
            thread::sleep((start + due).saturating_duration_since(Instant::now()));
            // As the simulator does, it is told when the look was due: a second later is then a second later,
            // though the thread woke a little earlier this time than the last.
            let now = Nanos(u64::try_from(due.as_nanos())?);
            let seen = self.seen()?;
            let node = NodeSeen {
                cpus: self.cpus,
                cpu_used: seen.cpu.used,
                ..NodeSeen::default()
            };
            self.law.look(now, &node, &[seen], &mut orders);
            self.obey(&mut orders)?;
            let used = u64::try_from(cpu::used().as_nanos())?;
            self.shared.cpu_ns.store(used, Ordering::Relaxed);
            // A look that was missed is not made up for.
            while due <= start.elapsed() {
                due += interval;
            }
        }
        Ok(())
    }

    fn seen(&self) -> Result<Seen> {
        let stat = self.group.cpu_stat()?;
        let cpu = CpuSeen {
            used: Nanos(stat.usage_ns),
            periods: stat.nr_periods,
            throttled_periods: stat.nr_throttled,
            throttled: Nanos(stat.throttled_ns),
            limit: micro_cpus(self.group.quota_us()?, self.cpus),
            request: self.request,
            weight: 100,
            period: Nanos(PERIOD_US * 1_000),
            ..CpuSeen::default()
        };
        Ok(Seen {
            cpu,
            ..Seen::default()
        })
    }

    fn obey(&self, orders: &mut Vec<Write>) -> Result<()> {
        for order in orders.drain(..) {
            match order {
                Write::Limit {
                    slot: Slot(0),
                    resource: Resource::Cpu,
                    to,
                } => {
                    write_quota(&self.group, to.min(self.cpus))?;
                    self.shared.writes.fetch_add(1, Ordering::Relaxed);
                }
                _ => bail!(
                    "{} orders what cannot be done here: {order:?}",
                    self.law.name()
                ),
            }
        }
        Ok(())
    }
}

/// The quota alone: on v1 the kernel begins a new period with each write of the period as well.
fn write_quota(group: &Group, to: Amount) -> Result<()> {
    /// The kernel refuses less.
    const LEAST_US: u64 = 1_000;
    let us = (to.0 * PERIOD_US / Amount::CPU.0).max(LEAST_US);
    let (name, text) = match group.version() {
        Version::V1 => ("cpu.cfs_quota_us", us.to_string()),
        Version::V2 => ("cpu.max", format!("{us} {PERIOD_US}")),
    };
    let file = group.cpu_dir().join(name);
    fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use trimtab_tests::{Process, eventually, skip};

    #[test]
    fn a_law_steers_a_group_until_it_is_ended() -> Result<()> {
        let group = match Group::create("law") {
            Ok(group) => Arc::new(group),
            Err(error) => {
                skip(&format!("no cgroup can be made here: {error:#}"));
                return Ok(());
            }
        };
        group.set_quota_us(Some(400_000), PERIOD_US)?;
        let _idle = Process::spawn(group.command("sleep")?.arg("60"))?;
        let law = Law::start("k8s-cpu-fast:0.5", &group, Amount(2 * Amount::CPU.0))?;
        // All that the node has at first, and little a second later.
        let quota = || group.quota_us().ok().flatten();
        assert!(eventually(Duration::from_secs(5), || quota() == Some(200_000)));
        assert!(eventually(Duration::from_secs(10), || {
            quota().is_some_and(|us| us < 20_000)
        }));
        assert!(law.writes() >= 2 && law.cpu_s() > 0.0);
        law.end()?;
        group.set_quota_us(Some(50_000), PERIOD_US)?;
        thread::sleep(Duration::from_millis(300));
        assert_eq!(quota(), Some(50_000), "it has ended");
        Ok(())
    }
}
