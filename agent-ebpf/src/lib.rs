//! The types that the probes and the agent share: the ABI between kernel and user space.
//!
//! Everything here is `#[repr(C)]`, a multiple of eight bytes without padding, and free of
//! pointers, so that both sides may view it as plain bytes. A layout change is a change of both
//! halves at once: they always ship in one binary.
#![cfg_attr(target_arch = "bpf", no_std)]

mod hist;
mod layout;
mod thread;

pub use hist::{
    BEHIND, BlockHist, GROUP_FREE, GROUP_GONE, GROUP_OTHERS, GROUP_PROBES, GroupCell, HIST_BUCKETS,
    HIST_SUB_BITS, RAN_GRAIN, ReclaimHist, RunqBehind, RunqHist, TcpHist, bucket, bucket_start,
};
pub use layout::{ABSENT, Layout, Settings, duty, law};
pub use thread::Thread;

/// How far up the tree a probe looks for the level that limits, the leaf included.
pub const MAX_LEVELS: u32 = 8;

/// Value of [`Level::slot`] for a cgroup that nobody watches.
pub const NO_SLOT: u32 = u32::MAX;

/// Value of a limit that the kernel keeps as 'unlimited'.
pub const UNLIMITED: u64 = u64::MAX;

/// Why the kernel woke the fast loop. Values of [`Event::kind`].
pub mod kind {
    /// The period's quota is nearly spent, and this period is unusual for the workload.
    pub const QUOTA_NEAR: u32 = 1;
    /// A group was found throttled when one of its tasks left the CPU.
    pub const THROTTLED_RUNNING: u32 = 2;
    /// A group was found throttled when one of its tasks was woken into it.
    pub const THROTTLED_WAKING: u32 = 3;
    /// Memory use is near the moving limit.
    pub const MEMORY_NEAR: u32 = 4;
    /// Reclaim inside the group came back with next to nothing.
    pub const RECLAIM_FAILING: u32 = 5;
    /// The OOM killer chose a victim: `used` is its pid, `lowest` the lowest watched level above it
    /// (its own group when none is watched), `highest` the highest level that is full, which is
    /// the one that ran out, or `lowest` again when the whole node did.
    pub const OOM_KILL: u32 = 6;
    /// A cgroup was created; `lowest.id` is its id, `used` its parent's id.
    pub const CGROUP_CREATED: u32 = 7;
    /// A cgroup was removed; `lowest.id` is its id.
    pub const CGROUP_REMOVED: u32 = 8;
    /// A group that uses what was lent to it (`lowest`) keeps one that uses no more than its own
    /// (`highest`) waiting for a CPU; `used` is for how long it did so to all of them, in ns.
    pub const LOAN_DELAYS: u32 = 9;
}

/// One level of the cgroup tree as the kernel saw it when the event was raised.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Level {
    /// The cgroup's kernfs id: the inode number of its directory in the controlling hierarchy.
    pub id: u64,
    /// The limit in force: CPU quota in ns per period, memory limit in bytes, or [`UNLIMITED`].
    pub limit: u64,
    /// What counts against it: quota already handed out in ns, or memory use in bytes.
    pub used: u64,
    /// The CPU period in ns; 0 for memory.
    pub period: u64,
    /// The slot under which user space watches this group, or [`NO_SLOT`].
    pub slot: u32,
    /// Distance from the task's own group: 0 is the leaf.
    pub depth: u32,
}

/// One ring-buffer record. Rate-limited in the kernel: warnings and alarms apart, at most one per
/// group and period (memory: a gap that doubles) unless the limit has changed since, and never
/// more than one per millisecond.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// `CLOCK_MONOTONIC` in ns, taken inside the hook.
    pub time: u64,
    /// One of [`kind`].
    pub kind: u32,
    /// The CPU on which the hook ran.
    pub cpu: u32,
    /// The pid (kernel: tgid) of the task that was running, woken or killed.
    pub pid: u32,
    /// Which hierarchy: 0 on a v2 host; on v1 the controller's hierarchy id.
    pub hierarchy: u32,
    /// Kind-dependent: victim pid of an OOM kill, parent id of a created cgroup, ns of a delay; for
    /// warnings and alarms the slot of the watched group for whose sake it was raised, which lies
    /// below `lowest` when that level is nobody's.
    pub used: u64,
    /// The lowest level that is at its limit.
    pub lowest: Level,
    /// The highest level that is at its limit; equal to `lowest` when only one is.
    pub highest: Level,
}

/// What user space tells the kernel about one watched group, in the watch maps (`CPU_WATCH`,
/// `MEMORY_WATCH`), keyed by cgroup id. The kernel keeps its rate limit in the same entry.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watch {
    /// Copied into [`Level::slot`].
    pub slot: u32,
    /// Non-zero: raise no events for this group (paused, or observed only).
    pub muted: u32,
    /// CPU: use within a period, in ns, below which a nearly spent pool is normal for this
    /// workload. Memory: use in bytes below which no event is raised. 0 means 'always warn'.
    pub usual: u64,
    /// CPU: what is the workload's own of a period, in ns; 0 for one to which nothing is lent: it
    /// has no limit, or stands below one that is managed.
    pub own: u64,
    /// Kernel's own: the last warning raised ([`kind::QUOTA_NEAR`], [`kind::MEMORY_NEAR`]).
    pub warned: Raised,
    /// Kernel's own: the last alarm raised (throttled either way, [`kind::RECLAIM_FAILING`]).
    pub alarmed: Raised,
    /// Kernel's own: `nr_periods` when `spent` was last reset.
    pub period: u64,
    /// Kernel's own: run time accounted since the period began, in ns.
    pub spent: u64,
    /// Kernel's own: the largest `spent` of a finished period since user space last set it to 0.
    pub peak: u64,
    /// Kernel's own: for how long this group, using what was lent to it, has kept others waiting,
    /// in ns; it leaks.
    pub delayed: u64,
    /// Kernel's own: when something was last added to `delayed`, in ns of `CLOCK_MONOTONIC`.
    pub delayed_at: u64,
}

/// One kind group's rate limit: when it last raised an event, and under which limit.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Raised {
    /// `CLOCK_MONOTONIC` in ns.
    pub time: u64,
    /// The limit then: CPU quota in ns, memory in bytes.
    pub limit: u64,
    /// CPU: `nr_periods` then. Memory: the gap in ns until the next event under the same limit.
    pub period: u64,
}

/// What was lost, by cause: places in the counters that each CPU has in the array `LOST`.
pub mod lost {
    /// The ring buffer was full.
    pub const RING_FULL: u32 = 0;
    /// A run-queue sample of a cgroup that user space has not registered (yet).
    pub const UNKNOWN_GROUP: u32 = 1;
    /// A run-queue sample whose start was overwritten by another task in the same cell.
    pub const COLLISION: u32 = 2;
    /// A start time later than the end: clocks of two CPUs disagreed.
    pub const BACKWARDS: u32 = 3;
    /// The tree was deeper than the bounded walk.
    pub const TOO_DEEP: u32 = 4;
    /// A pointer read as null or an id as 0: the object was going away.
    pub const STALE: u32 = 5;
    /// A request that a task of a cgroup answered which user space has not registered (yet).
    pub const UNKNOWN_SERVER: u32 = 6;
    /// An accepted connection for which there was no memory, so that its requests are not seen.
    pub const NO_STORAGE: u32 = 7;
    /// A reclaim or a request of which too many were under way to note when it began.
    pub const NO_ROOM: u32 = 8;
    /// Number of causes.
    pub const COUNT: u32 = 9;
    /// Counters of a CPU: so many as fill two cache lines, which it shares with no other.
    pub const ROOM: usize = 16;
}
