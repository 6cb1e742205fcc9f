//! What the slow loop sees each tick: already quantised, so that a recording is exactly what was
//! decided on.

use crate::signal::{Amount, Nanos, Slot};
use serde::{Deserialize, Serialize};

/// One reading of the node and of every managed workload.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Taken before the first file was read: a limit written by us later than this may or may
    /// not be in here, one written earlier certainly is.
    pub time: Nanos,
    /// Time since the previous snapshot; the deltas below cover it.
    pub elapsed: Nanos,
    /// The node as a whole.
    pub node: NodeSignals,
    /// The workloads, slots ascending. One that could not be read is left out.
    pub workloads: Vec<WorkloadSignals>,
}

/// Node totals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeSignals {
    /// CPU time that the node can give, in micro-CPUs: CPUs online, less what a cpuset keeps.
    pub capacity: Amount,
    /// What everything outside the managed workloads used over the tick, in micro-CPUs.
    pub unmanaged_cpu: Amount,
    /// `MemTotal` in bytes.
    pub memory_total: Amount,
    /// `MemAvailable` in bytes.
    pub memory_available: Amount,
    /// What everything outside the managed workloads holds and cannot drop, in bytes.
    pub unmanaged_memory: Amount,
}

/// One workload. A resource whose controller is missing there is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkloadSignals {
    /// Which workload.
    pub slot: Slot,
    /// CPU, of the whole group with its descendants.
    pub cpu: Option<CpuSignals>,
    /// Memory, of the whole group with its descendants.
    pub memory: Option<MemorySignals>,
    /// How its latency objective fared; `None` where its policy has none, or nothing tells.
    pub latency: Option<LatencySignals>,
}

/// CPU of one workload over the tick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuSignals {
    /// Mean use over the tick, in micro-CPUs.
    pub used: Amount,
    /// The quota that the kernel holds, as micro-CPUs; unlimited for 'max' or -1.
    pub held: Amount,
    /// The kernel's period in us.
    pub period_us: u64,
    /// How many periods ran: delta of `nr_periods`.
    pub periods: u64,
    /// How many of them were throttled: delta of `nr_throttled`.
    pub throttled: u64,
    /// For how long: delta of `throttled_usec` or `throttled_time`, in ns.
    pub throttled_ns: u64,
    /// Waiting on run queues behind others, summed over tasks, in ns; 0 where no probe tells.
    pub wait_ns: u64,
}

/// What ended over the tick of that which a workload's latency objective is about.
///
/// Counts and not a percentile: they can be added up over ticks, and are all that it takes to tell how many of 100 are
/// late, as exactly as whoever counts can tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatencySignals {
    /// How many: requests that were answered, or waits for a CPU.
    pub count: u64,
    /// How many of them took longer than the objective.
    pub late: u64,
}

impl LatencySignals {
    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            count: self.count.saturating_add(other.count),
            late: self.late.saturating_add(other.late),
        }
    }
}

/// Memory of one workload at the end of the tick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemorySignals {
    /// All that is charged: `memory.current` or `memory.usage_in_bytes`.
    pub used: Amount,
    /// What cannot be dropped: anonymous and shared memory, and what the kernel holds for the
    /// group.
    pub anonymous: Amount,
    /// Page cache that reclaim takes first.
    pub inactive_file: Amount,
    /// The moving limit that the kernel holds: `memory.high` on v2, the hard limit on v1.
    pub held: Amount,
    /// The hard limit: `memory.max`, or `memory.limit_in_bytes` on v1.
    pub hard: Amount,
    /// How often the moving limit was exceeded: delta of `high` in `memory.events`, or of
    /// `memory.failcnt` on v1.
    pub high: u64,
    /// How often allocation was about to fail: delta of `oom`.
    pub oom: u64,
    /// How many processes the OOM killer took: delta of `oom_kill`.
    pub oom_kill: u64,
    /// Pages that were wanted again soon after they had been dropped or swapped out: delta of
    /// `workingset_refault_*` in `memory.stat`; 0 before Linux 5.9.
    pub refaults: u64,
    /// For how long some task stalled on memory: delta of `some` in `memory.pressure`, in ns; 0 where
    /// nothing tells or memory is not trimmed.
    pub stalled_ns: u64,
}
