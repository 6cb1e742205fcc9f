//! What the shell tells the engine: settings, workloads, policies, bounds.
//!
//! A configuration says the same with parts of a node in place of amounts, so what holds amounts
//! is generic over them, and every default stands here.

use super::entitlement::Entitlement;
use crate::signal::{Amount, Mode, Nanos, Resource, Slot};
use serde::{Deserialize, Serialize};

/// Settings of the whole engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings<A = Amount> {
    /// Kept free of loans on the node, per resource: micro-CPUs and bytes.
    pub reserve: [A; 2],
    /// Owners set limits right after they have made a group: within this time from adoption, a
    /// limit that we have not touched yet is followed without stepping back.
    pub newborn: Nanos,
    /// How long a workload's limit is left alone after somebody else has written it.
    pub foreign_backoff: Nanos,
    /// This many foreign writes ...
    pub foreign_writes: u32,
    /// ... within this time are a write war, and the limit is not managed any more.
    pub foreign_window: Nanos,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            reserve: [Amount::ZERO; 2],
            newborn: Nanos(5 * Nanos::SECOND.0),
            foreign_backoff: Nanos::MINUTE,
            foreign_writes: 3,
            foreign_window: Nanos(10 * Nanos::MINUTE.0),
        }
    }
}

impl<A> Settings<A> {
    /// The same with other amounts.
    #[must_use]
    pub fn map<B>(self, mut amount: impl FnMut(Resource, A) -> B) -> Settings<B> {
        let [cpu, memory] = self.reserve;
        Settings {
            reserve: [amount(Resource::Cpu, cpu), amount(Resource::Memory, memory)],
            newborn: self.newborn,
            foreign_backoff: self.foreign_backoff,
            foreign_writes: self.foreign_writes,
            foreign_window: self.foreign_window,
        }
    }
}

/// A workload as it is adopted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkloadSpec {
    /// Name for people.
    pub name: String,
    /// The nearest managed ancestor.
    pub parent: Option<Slot>,
    /// What may be done with decisions about it.
    pub mode: Mode,
    /// How its limits follow its need.
    pub policy: Policy,
    /// How it stands among others when the node is full.
    pub entitlement: Entitlement,
    /// When it came to be, as far as is known: [`Bounds::warm_up`] counts from here.
    pub born: Nanos,
    /// The limits that its owner had set (from the ledger, if it was adopted before).
    pub adopted: [Amount; 2],
    /// The limits that the kernel holds now.
    pub held: [Amount; 2],
    /// The kernel's CPU period in us.
    pub period_us: u64,
    /// The bounds per resource; `None` for one that is not managed.
    pub bounds: [Option<Bounds>; 2],
}

/// Between which values a limit may move, and how fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bounds<A = Amount> {
    /// Never trimmed below this; also what is reserved on the node. Under one bandwidth slice
    /// (5 ms a period) per CPU used, a burst can be throttled before any warning is possible.
    pub floor: A,
    /// Whether nobody has asked for this floor: then it is no more than what the owner had set, and of
    /// that of CPU only what is needed is reserved, so that many small workloads do not set the whole
    /// node aside.
    pub default_floor: bool,
    /// Never trimmed below this, so that runtimes that size themselves by their limit are told no less; 0
    /// for anything. Nothing is reserved for it, and a limit that its owner had set lower stays lower.
    pub visible: A,
    /// Never lifted above this; the node's capacity caps it as well.
    pub ceiling: A,
    /// The least that a first lift adds.
    pub step: A,
    /// Lifts per minute in the long run.
    pub lifts_per_minute: u32,
    /// Changes per minute by the slow loop.
    pub changes_per_minute: u32,
    /// Whether the limit may be trimmed below what its owner had set (never below the floor).
    /// Lifting it back there is always free. Without, only what was lent is taken back.
    pub trim: bool,
    /// No trimming in a workload's first minutes: runtimes size themselves from the limits that
    /// they see at start.
    pub warm_up: Nanos,
    /// The most that one trim takes, in percent of the limit.
    pub largest_cut: u32,
    /// Time from a raise to the next trim: a trim after each burst would only cost writes.
    pub cooldown: Nanos,
    /// Time from a trim to the next one.
    pub cut_interval: Nanos,
    /// A trim leaves at least this much above the present use, in percent of it.
    pub use_headroom: u32,
    /// By what a memory limit is trimmed; without, it is only lifted.
    pub give_back: Option<GiveBack>,
}

/// Parameters of the policy `memory`, which gives memory back beside whichever policy a workload has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GiveBack {
    /// Which percentile of the working set.
    pub percentile: u32,
    /// Over how long.
    pub window: Nanos,
    /// How much on top, in percent of the percentile; twice as much where the limit kills.
    pub margin: u32,
}

impl Default for GiveBack {
    fn default() -> Self {
        Self {
            percentile: 100,
            window: Nanos::MINUTE,
            margin: 20,
        }
    }
}

impl Bounds {
    /// The defaults for a resource.
    #[must_use]
    pub const fn of(resource: Resource) -> Self {
        let (floor, step) = match resource {
            Resource::Cpu => (Amount(100_000), Amount(250_000)),
            Resource::Memory => (Amount(16 << 20), Amount(32 << 20)),
        };
        Self {
            floor,
            default_floor: true,
            visible: Amount::ZERO,
            ceiling: Amount::UNLIMITED,
            step,
            lifts_per_minute: 60,
            changes_per_minute: 6,
            trim: true,
            warm_up: Nanos(3 * Nanos::MINUTE.0),
            largest_cut: 50,
            cooldown: Nanos::MINUTE,
            cut_interval: Nanos(10 * Nanos::SECOND.0),
            use_headroom: 10,
            give_back: None,
        }
    }
}

impl Bounds {
    /// The same for a limit that its owner had set.
    #[must_use]
    pub fn under(self, adopted: Amount) -> Self {
        let floor = if self.default_floor {
            self.floor.min(adopted)
        } else {
            self.floor
        };
        Self { floor, ..self }
    }
}

impl Default for Bounds {
    fn default() -> Self {
        Self::of(Resource::Cpu)
    }
}

impl<A> Bounds<A> {
    /// The same with other amounts.
    #[must_use]
    pub fn map<B>(self, mut amount: impl FnMut(A) -> B) -> Bounds<B> {
        Bounds {
            floor: amount(self.floor),
            default_floor: self.default_floor,
            visible: amount(self.visible),
            ceiling: amount(self.ceiling),
            step: amount(self.step),
            lifts_per_minute: self.lifts_per_minute,
            changes_per_minute: self.changes_per_minute,
            trim: self.trim,
            warm_up: self.warm_up,
            largest_cut: self.largest_cut,
            cooldown: self.cooldown,
            cut_interval: self.cut_interval,
            use_headroom: self.use_headroom,
            give_back: self.give_back,
        }
    }
}

/// How a workload's limits follow its need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// Grow by a factor when busy for a while, shrink by it when idle for a while.
    Threshold(Threshold),
    /// A high percentile of use and a margin on top.
    Headroom(Headroom),
    /// The same, and ahead of a rise that the workload's own past foretells.
    Predictive(Predictive),
    /// The same, and of the limit no more is held than it takes to meet a latency objective.
    Slo(Slo),
}

impl Default for Policy {
    fn default() -> Self {
        Self::Headroom(Headroom::default())
    }
}

/// Parameters of [`Policy::Threshold`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Threshold {
    /// Grow when utilisation (use / limit) stays above this percentage. `T_high`.
    pub high: u32,
    /// Shrink when it stays below this percentage. `T_low`.
    pub low: u32,
    /// For how long. dt.
    pub duration: Nanos,
    /// By which factor, in percent: 150 grows by half. S.
    pub factor: u32,
}

impl Default for Threshold {
    fn default() -> Self {
        Self {
            high: 90,
            low: 50,
            duration: Nanos(3 * Nanos::SECOND.0),
            factor: 150,
        }
    }
}

/// Parameters of [`Policy::Headroom`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Headroom {
    /// Which percentile of use.
    pub percentile: u32,
    /// Over how long.
    pub window: Nanos,
    /// How much on top, in percent of the percentile.
    pub margin: u32,
}

impl Default for Headroom {
    fn default() -> Self {
        Self {
            percentile: 95,
            window: Nanos::MINUTE,
            margin: 20,
        }
    }
}

/// Parameters of [`Policy::Predictive`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Predictive {
    /// What it does where nothing is foreseen, and below which it never stays.
    pub reactive: Headroom,
    /// How far it looks ahead.
    pub lead: Nanos,
    /// How many percent of what comes lie below the interval's upper end in the long run.
    pub coverage: u32,
}

impl Default for Predictive {
    fn default() -> Self {
        Self {
            reactive: Headroom::default(),
            lead: Nanos::MINUTE,
            coverage: 90,
        }
    }
}

/// Parameters of [`Policy::Slo`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Slo {
    /// How the limit follows need.
    pub reactive: Headroom,
    /// What 99 of 100 are to meet.
    pub objective: Objective,
}

/// Of what 99 of 100 are to be done within which time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Objective {
    /// Requests to its servers, from their first byte to the first byte of the answer.
    Requests(Nanos),
    /// Waits of its tasks for a CPU, behind others or throttled.
    Waits(Nanos),
}

impl Default for Objective {
    fn default() -> Self {
        Self::Requests(Nanos(200 * Nanos::MILLI.0))
    }
}

impl Policy {
    /// The latency objective, of one that has any.
    #[must_use]
    pub const fn objective(&self) -> Option<Objective> {
        match self {
            Self::Slo(slo) => Some(slo.objective),
            Self::Threshold(_) | Self::Headroom(_) | Self::Predictive(_) => None,
        }
    }
}
