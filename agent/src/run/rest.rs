//! Which workloads rest: nothing can have happened there that a tick must know of, so that it reads
//! one file of them instead of all, or none where the kernel tells who got a CPU.
//!
//! A group that uses no CPU cannot be throttled anew, charge memory by itself or wait for a CPU. What
//! can change although it rests is what others do: its limits, which are heard of at once where they are
//! enforced, and its memory, by reclaim and by pages that others bring in for it. At these it is looked
//! at the least every [`STALE`].

use trimtab_core::{
    decide::Engine,
    signal::{Nanos, Resource},
    snapshot::{CpuSignals, LatencySignals, MemorySignals, WorkloadSignals},
};

use super::workload::{Sample, Workload};
use crate::probe::Runq;

/// How old what is known of a workload that rests may become.
pub(super) const STALE: Nanos = Nanos(10 * Nanos::SECOND.0);

/// How long nothing must have happened before a workload rests: two of the longest CPU periods that the
/// kernel admits (`max_cfs_quota_period` in `kernel/sched/core.c`), so that whatever is throttled has
/// counted a period by then.
pub(super) const CALM: Nanos = Nanos(2 * Nanos::SECOND.0);

/// A workload whose memory that cannot be dropped fills more of its limit than this, in percent, never
/// rests.
const FULL: u32 = 75;

/// Tells who may rest in one tick.
#[derive(Clone, Copy)]
pub(super) struct Rest<'a> {
    now: Nanos,
    engine: &'a Engine,
    tick: u64,
    /// Tells who got a CPU; `None` where nobody did all the time since the last tick.
    runq: Option<&'a Runq>,
    /// In every so many ticks the limits and the memory of each workload are looked at: those of one slot
    /// after those of another, so that no tick looks at all.
    round: u64,
}

/// How much of a workload a tick reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    /// Everything.
    All,
    /// Its CPU use, its limits and how much memory it holds; everything when any has changed.
    Limits,
    /// Its CPU use; everything when there was any.
    Use,
    /// Nothing: no task of it has got a CPU.
    Nothing,
}

impl<'a> Rest<'a> {
    /// `tick`: the number of this tick; `length`: how long one is; `runq`: tells who got a CPU, if the
    /// probe was on all the time since the last tick.
    pub(super) fn new(
        now: Nanos,
        engine: &'a Engine,
        tick: u64,
        length: Nanos,
        runq: Option<&'a Runq>,
    ) -> Self {
        Self {
            now,
            engine,
            tick,
            runq,
            round: (STALE.0 / length.0.max(1)).max(1),
        }
    }

    /// How much of a workload has to be read.
    pub(super) fn depth(&self, workload: &Workload) -> Depth {
        let calm = self.now.since(workload.active) >= CALM;
        let seen = &workload.seen;
        let believed = |resource, held| self.engine.is_settled(workload.slot, resource, held);
        let cpu = seen.cpu.is_none_or(|cpu| believed(Resource::Cpu, cpu.held));
        let memory = seen
            .memory
            .is_none_or(|memory| believed(Resource::Memory, memory.held) && has_room(&memory));
        if !(calm && cpu && memory && workload.unused().is_none()) {
            return Depth::All;
        }
        if (self.tick + u64::from(workload.slot.0)).is_multiple_of(self.round) {
            Depth::Limits
        } else if self.sleeps(workload) {
            Depth::Nothing
        } else {
            Depth::Use
        }
    }

    /// Whether it is known that no task has got a CPU since the last tick. A task that is put into the group
    /// while it runs goes unseen until it is next switched to, or its group's turn comes.
    fn sleeps(&self, workload: &Workload) -> bool {
        let (Some(runq), Some(id)) = (self.runq, workload.group.ids.cpu) else {
            return false;
        };
        !workload.is_parent && !runq.may_have_run(id, workload.last.time)
    }
}

/// Whether memory is far from its limit.
fn has_room(memory: &MemorySignals) -> bool {
    memory.held.is_unlimited() || memory.anonymous < memory.held.percent(FULL)
}

/// What a workload is told to be doing that rests: what was last seen, and nothing since.
pub(super) fn resting(seen: &WorkloadSignals) -> WorkloadSignals {
    WorkloadSignals {
        slot: seen.slot,
        cpu: seen.cpu.map(|cpu| CpuSignals {
            held: cpu.held,
            period_us: cpu.period_us,
            ..CpuSignals::default()
        }),
        memory: seen.memory.map(|memory| MemorySignals {
            high: 0,
            oom: 0,
            oom_kill: 0,
            refaults: 0,
            stalled_ns: 0,
            ..memory
        }),
        latency: seen.latency.map(|_| LatencySignals::default()),
    }
}

/// Whether something has happened between two samples. Where nothing tells of CPU use, that is not known.
pub(super) fn stirs(last: &Sample, now: &Sample) -> bool {
    last.cpu != now.cpu || last.memory != now.memory || now.cpu.usage_ns.is_none()
}

#[cfg(test)]
#[path = "rest_tests.rs"]
mod tests;
