//! The types that cross the border between the pure core and its shell.
//!
//! Amounts and times are integers in one base unit each, so that a snapshot is exactly what was
//! decided on: CPU in micro-CPUs (1 CPU = 1,000,000, the same as microseconds of CPU per second),
//! memory in bytes, time in nanoseconds of `CLOCK_MONOTONIC`.

use serde::{Deserialize, Serialize};

/// A point in time or a duration, in ns of `CLOCK_MONOTONIC`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Nanos(pub u64);

impl Nanos {
    /// One millisecond.
    pub const MILLI: Self = Self(1_000_000);
    /// One second.
    pub const SECOND: Self = Self(1_000_000_000);
    /// One minute.
    pub const MINUTE: Self = Self(60_000_000_000);

    /// The time from `earlier` to `self`, 0 if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self(self.0.saturating_sub(earlier.0))
    }

    /// The point in time this much later.
    #[must_use]
    pub const fn plus(self, duration: Self) -> Self {
        Self(self.0.saturating_add(duration.0))
    }
}

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Resource {
    /// CPU bandwidth; amounts in micro-CPUs.
    Cpu,
    /// Memory; amounts in bytes.
    Memory,
}

impl Resource {
    /// Every resource, in the order of their indices.
    pub const ALL: [Self; 2] = [Self::Cpu, Self::Memory];

    /// Position in per-resource arrays.
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::Cpu => 0,
            Self::Memory => 1,
        }
    }
}

/// An amount of a resource: micro-CPUs or bytes.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Amount(pub u64);

impl Amount {
    /// No amount.
    pub const ZERO: Self = Self(0);
    /// The kernel's 'max' or -1.
    pub const UNLIMITED: Self = Self(u64::MAX);
    /// One CPU.
    pub const CPU: Self = Self(1_000_000);
    /// One mebibyte.
    pub const MIB: Self = Self(1 << 20);

    /// Whether this is the kernel's 'max' or -1.
    #[must_use]
    pub const fn is_unlimited(self) -> bool {
        self.0 == u64::MAX
    }

    /// `self + other`, saturating, so that unlimited stays unlimited.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// `self - other`, 0 if `other` is larger; unlimited stays unlimited.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        if self.is_unlimited() {
            self
        } else {
            Self(self.0.saturating_sub(other.0))
        }
    }

    /// `self * percent / 100`, rounded down, saturating; unlimited stays unlimited.
    #[must_use]
    pub const fn percent(self, percent: u32) -> Self {
        if self.is_unlimited() {
            return self;
        }
        match self.0.checked_mul(percent as u64) {
            Some(product) => Self(product / 100),
            None => Self((self.0 / 100).saturating_mul(percent as u64)),
        }
    }

    /// `self` as a percentage of `whole`, rounded down; 0 of an unlimited or empty whole.
    #[must_use]
    pub const fn percent_of(self, whole: Self) -> u32 {
        if whole.is_unlimited() || whole.0 == 0 {
            return 0;
        }
        match self.0.checked_mul(100) {
            Some(hundred) => clip(hundred / whole.0),
            None => clip(self.0 / (whole.0 / 100 + 1)),
        }
    }
}

/// The nearest `u32`.
const fn clip(value: u64) -> u32 {
    if value > u32::MAX as u64 {
        return u32::MAX;
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "checked above; TryFrom is not const"
    )]
    let small = value as u32;
    small
}

/// The dense index of a workload: the same number in the core's tables, the fast loop's table and
/// the kernel's watch maps. A slot is reused after its workload has gone; the epoch tells apart.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Slot(pub u32);

/// What may be done with a decision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Signals only.
    Observe,
    /// Decide and explain, write nothing.
    #[default]
    Recommend,
    /// Decide, write, verify.
    Enforce,
}

/// Why the fast loop was woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// The period's CPU quota is nearly spent.
    QuotaNear,
    /// Throttled, found when a task left the CPU.
    ThrottledRunning,
    /// Throttled, found when a task was woken.
    ThrottledWaking,
    /// Memory use is near the moving limit.
    MemoryNear,
    /// Reclaim inside the group found nothing.
    ReclaimFailing,
    /// The slow twin: counters moved during the last tick, whatever became of the events.
    Twin,
}

impl Cause {
    /// All of them, as they are numbered.
    pub const ALL: [Self; 6] = [
        Self::QuotaNear,
        Self::ThrottledRunning,
        Self::ThrottledWaking,
        Self::MemoryNear,
        Self::ReclaimFailing,
        Self::Twin,
    ];

    /// The resource that the cause is about; `None` for the twin, which may be about either.
    #[must_use]
    pub const fn resource(self) -> Option<Resource> {
        match self {
            Self::QuotaNear | Self::ThrottledRunning | Self::ThrottledWaking => Some(Resource::Cpu),
            Self::MemoryNear | Self::ReclaimFailing => Some(Resource::Memory),
            Self::Twin => None,
        }
    }
}

/// A kernel event, translated: one managed level is short of one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When the kernel raised it.
    pub time: Nanos,
    /// The workload whose limit it is.
    pub slot: Slot,
    /// What it is short of.
    pub resource: Resource,
    /// Why it was raised.
    pub cause: Cause,
    /// The limit that the kernel held at that moment.
    pub held: Amount,
    /// What the workload used at that moment: memory that cannot be dropped in bytes; for CPU 0.
    pub used: Amount,
    /// What the node has left at that moment, for resources where the pool alone cannot say
    /// (memory: available bytes less the reserve); unlimited where the pool is the only judge.
    pub headroom: Amount,
}

/// A kernel event, translated: who uses what was lent to it keeps others waiting for a CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delay {
    /// When the kernel raised it.
    pub time: Nanos,
    /// Who borrows.
    pub slot: Slot,
    /// The limit that the kernel held at that moment.
    pub held: Amount,
    /// The last one that was kept waiting; `None` when it is not known any more.
    pub waiting: Option<Slot>,
    /// For how long all of them were, lately.
    pub waited: Nanos,
}

/// Why a spend did not lift.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Denial {
    /// The event was raised before our last write took effect.
    Stale,
    /// The kernel holds a limit that is not the one we wrote last: somebody else writes it.
    Foreign,
    /// The mode is not `enforce`, or the workload is pinned or the agent paused.
    NotEnforced,
    /// The limit stands at the envelope's ceiling.
    Ceiling,
    /// The pool has nothing (worth a write) left.
    PoolEmpty,
    /// The node itself is short at this moment, whatever the pool says.
    NodeShort,
    /// What was lent before has kept others waiting: nothing is lent for a while.
    Barred,
    /// The envelope's lifts per minute are used up.
    Rate,
    /// A level above is the one that limits: one that is not ours, or a parent that stands no higher.
    LimitedAbove,
    /// What fills the group can be dropped: page cache, not need.
    Reclaimable,
    /// The write failed; what was debited has been credited back.
    WriteFailed,
}

impl Denial {
    /// All of them, as they are numbered.
    pub const ALL: [Self; 11] = [
        Self::Stale,
        Self::Foreign,
        Self::NotEnforced,
        Self::Ceiling,
        Self::PoolEmpty,
        Self::NodeShort,
        Self::Barred,
        Self::Rate,
        Self::LimitedAbove,
        Self::Reclaimable,
        Self::WriteFailed,
    ];
}

/// What the fast loop did about one event: fixed size, made without allocating.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spend {
    /// Order of this spend among all of the agent's: the order for replay.
    pub seq: u64,
    /// The envelope's epoch under which it was made.
    pub epoch: u32,
    /// The event that caused it.
    pub event: Event,
    /// The limit before.
    pub from: Amount,
    /// The limit after; equal to `from` when denied.
    pub to: Amount,
    /// What was debited from the pool.
    pub granted: Amount,
    /// What the pool had left afterwards.
    pub pool_left: Amount,
    /// Which lift of its burst this is, from 1; 0 when denied.
    pub burst: u32,
    /// `None` for a lift.
    pub denial: Option<Denial>,
}
