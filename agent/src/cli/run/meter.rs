//! What the command uses, read from its group.

use std::time::{Duration, Instant};

use crate::sense::{
    cgroup::{Group, GroupDir},
    cpu::{CpuReader, CpuStat},
    file::{KeptFile, Scratch, SenseError, Sight, single},
    hierarchy::{Hierarchies, Root},
    memory::MemoryReader,
};

/// CPU use is looked at over at least this long: the kernel's own default period.
const WINDOW: Duration = Duration::from_millis(100);

/// Reads one group's files, again and again. What cannot be read is not told: a gap in the summary
/// is better than a command that does not run.
#[derive(Debug)]
pub(super) struct Meter {
    group: Option<Group>,
    /// Any group in the v2 tree tells its CPU time, with or without the controller.
    unified: Option<CpuReader>,
    peak: Option<KeptFile>,
    scratch: Scratch,
    started: Instant,
    /// Samples of the last [`WINDOW`], oldest first: when, and CPU time used by then.
    recent: Vec<(Instant, u64)>,
    peak_micro_cpus: Option<u64>,
    memory_peak: Option<u64>,
    memory_need: Option<u64>,
}

/// What a command has used. `None` where the kernel does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// CPU time in ns.
    pub(super) cpu_ns: Option<u64>,
    /// The most CPU used over 100 ms, in micro-CPUs.
    pub(super) cpu_peak_micro_cpus: Option<u64>,
    /// Time throttled, in ns.
    pub(super) throttled_ns: Option<u64>,
    /// Periods throttled.
    pub(super) throttled_periods: Option<u64>,
    /// Time that at least one task was ready and had no CPU, in ns: PSI, throttling included.
    pub(super) pressure_ns: Option<u64>,
    /// The most memory that was charged, in bytes.
    pub(super) memory_peak_bytes: Option<u64>,
    /// The most memory that was not inactive page cache, as far as samples tell, in bytes.
    pub(super) memory_need_bytes: Option<u64>,
    /// OOM kills.
    pub(super) oom_kills: Option<u64>,
}

impl Meter {
    /// A meter of a group in which nothing runs yet.
    pub(super) fn new(hierarchies: &Hierarchies, path: &str, now: Instant) -> Self {
        let dir = |root: &Option<Root>| {
            let root = root.as_ref()?;
            Some((root.version, seen(GroupDir::open(root, path))?))
        };
        let unified = dir(&hierarchies.unified)
            .and_then(|(version, dir)| CpuReader::open(version, dir.at(), None).ok());
        let peak = dir(&hierarchies.memory)
            .and_then(|(version, dir)| MemoryReader::open_peak(version, dir.at()).ok()?);
        let mut meter = Self {
            group: seen(Group::open(hierarchies, path)),
            unified,
            peak,
            scratch: Scratch::new(),
            started: now,
            recent: Vec::new(),
            peak_micro_cpus: None,
            memory_peak: None,
            memory_need: None,
        };
        meter.sample(now);
        meter
    }

    /// Takes a sample.
    pub(super) fn sample(&mut self, now: Instant) {
        if let Some(used) = self.cpu_ns() {
            self.recent.push((now, used));
            self.measure(now, used);
        }
        if let Some((used, cache)) = self.memory_now() {
            self.memory_peak = self.memory_peak.max(Some(used));
            self.memory_need = self.memory_need.max(Some(used.saturating_sub(cache)));
        }
    }

    /// Compares with the latest sample that is a window old, and drops those before it.
    fn measure(&mut self, now: Instant, used: u64) {
        let old = self
            .recent
            .iter()
            .rposition(|(time, _)| now.duration_since(*time) >= WINDOW);
        let Some(old) = old else { return };
        self.recent.drain(..old);
        let (time, before) = self.recent[0];
        self.peak_micro_cpus = self
            .peak_micro_cpus
            .max(Some(rate(used.saturating_sub(before), now - time)));
    }

    /// What was used until now.
    pub(super) fn finish(mut self, now: Instant) -> Usage {
        self.sample(now);
        let cpu_ns = self.cpu_ns();
        let lasted = now.duration_since(self.started);
        // A command that ended within the first window has a mean and no more.
        let mean = cpu_ns.map(|ns| rate(ns, lasted));
        let stat = self.cpu_stat();
        let peak = self.kernel_memory_peak().max(self.memory_peak);
        Usage {
            cpu_ns,
            cpu_peak_micro_cpus: self.peak_micro_cpus.or(mean),
            throttled_ns: stat.map(|stat| stat.throttled_ns),
            throttled_periods: stat.map(|stat| stat.throttled_periods),
            pressure_ns: self.pressure_ns(),
            memory_peak_bytes: peak,
            memory_need_bytes: self.memory_need.filter(|&bytes| bytes > 0).or(peak),
            oom_kills: self.oom_kills(),
        }
    }

    /// The controller's counters.
    fn cpu_stat(&mut self) -> Option<CpuStat> {
        seen(self.group.as_ref()?.cpu.as_ref()?.stat(&mut self.scratch))
    }

    fn cpu_ns(&mut self) -> Option<u64> {
        let used = self.cpu_stat().and_then(|stat| stat.usage_ns);
        used.or_else(|| seen(self.unified.as_ref()?.stat(&mut self.scratch))?.usage_ns)
    }

    fn pressure_ns(&mut self) -> Option<u64> {
        let psi = seen(self.group.as_ref()?.psi.as_ref()?.read(&mut self.scratch))?;
        Some(psi.cpu?.some_us.saturating_mul(1_000))
    }

    /// What is charged, and what of it is inactive page cache.
    fn memory_now(&mut self) -> Option<(u64, u64)> {
        let memory = self.group.as_ref()?.memory.as_ref()?;
        let used = seen(memory.current(&mut self.scratch))?;
        Some((used, seen(memory.stat(&mut self.scratch))?.inactive_file))
    }

    /// What the kernel remembers as the peak, also between samples.
    fn kernel_memory_peak(&mut self) -> Option<u64> {
        seen(self.peak.as_ref()?.parse(&mut self.scratch, single))
    }

    fn oom_kills(&mut self) -> Option<u64> {
        let memory = self.group.as_ref()?.memory.as_ref()?;
        Some(seen(memory.events(&mut self.scratch))?.oom_kill)
    }
}

/// What could be read.
fn seen<T>(read: Result<Sight<T>, SenseError>) -> Option<T> {
    read.ok()?.here()
}

/// CPU time over a time, in micro-CPUs.
fn rate(cpu_ns: u64, over: Duration) -> u64 {
    u64::try_from(u128::from(cpu_ns) * 1_000_000 / over.as_nanos().max(1)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_becomes_cpus() {
        assert_eq!(rate(50_000_000, Duration::from_millis(100)), 500_000);
        assert_eq!(rate(1, Duration::ZERO), 1_000_000);
    }
}
