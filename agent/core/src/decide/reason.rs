//! Why a limit was changed, or left: structured, so that a program can read it as well.

use super::entitlement::Entitlement;
use super::settings::Objective;
use crate::model::Pattern;
use crate::signal::{Amount, Cause, Denial, Nanos, Resource};
use serde::{Deserialize, Serialize};

/// The explanation of one decision or spend. Its `Display` is one sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// What is limited.
    pub resource: Resource,
    /// The limit before.
    pub from: Amount,
    /// The limit after; equal to `from` when nothing was done.
    pub to: Amount,
    /// The rule that led there.
    pub rule: Rule,
    /// What it was based on.
    pub inputs: Vec<Input>,
    /// What bounded it, in the order of application.
    pub clamps: Vec<Clamp>,
    /// Why nothing was done.
    pub denial: Option<Denial>,
    /// What would have happened without the change, or happens for want of it.
    pub otherwise: Otherwise,
}

impl Reason {
    /// What the policy has proposed, before any guardrail.
    #[must_use]
    pub fn proposed(&self) -> Amount {
        self.clamps.first().map_or(self.to, |clamp| clamp.from)
    }
}

/// The rules that move limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// The fast loop answered an event: the first lift of a burst at least doubles.
    FirstLift,
    /// The second lift of a burst goes as far as envelope and pool allow.
    SecondLift,
    /// Threshold: utilisation stayed high.
    Grow,
    /// Threshold: utilisation stayed low.
    Shrink,
    /// Headroom: the target lies above the limit.
    Raise,
    /// Headroom: the target lies below the limit.
    Trim,
    /// Headroom: the last trim hurt and is undone twice over.
    Undo,
    /// The pool is overdrawn or somebody was refused: idle loans are called in, largest first.
    Recall,
    /// Somebody was refused: nobody keeps more than its share of the pool, by priority and weight.
    Share,
    /// What was lent kept others waiting, who use no more than their own.
    CallIn,
    /// Predictive: a rise is foreseen for which the limit would be too low.
    Ahead,
    /// Slo: the latency objective was missed while the quota was spent.
    Late,
}

impl Rule {
    /// Whether it calls in a loan.
    #[must_use]
    pub const fn is_recall(self) -> bool {
        matches!(self, Self::Recall | Self::Share | Self::CallIn)
    }
}

/// One thing that a decision was based on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Input {
    /// What woke the fast loop.
    Event(Cause),
    /// Use over the last tick, or at the moment of the event.
    Use(Amount),
    /// A percentile of use.
    Percentile {
        /// Which one.
        percent: u32,
        /// Over how long.
        window: Nanos,
        /// Its value.
        amount: Amount,
    },
    /// The margin on top of it in percent.
    Margin(u32),
    /// Utilisation, use / limit, in percent, and the threshold that it crossed.
    Utilisation {
        /// Use / limit.
        percent: u32,
        /// The threshold.
        threshold: u32,
        /// For how long it was beyond.
        lasted: Nanos,
    },
    /// Throttled periods during the last ticks.
    Throttled {
        /// Throttled ones.
        periods: u64,
        /// Of how many.
        of: u64,
    },
    /// The trim that hurt.
    Cut {
        /// The limit before it.
        from: Amount,
        /// The limit after it.
        to: Amount,
        /// How long ago.
        ago: Nanos,
    },
    /// A percentile of the working set.
    WorkingSet {
        /// Which one.
        percent: u32,
        /// Over how long.
        window: Nanos,
        /// Its value.
        amount: Amount,
    },
    /// The least that is left above it.
    Room(Amount),
    /// What was lost for want of memory during the last tick.
    Short {
        /// Pages that came back.
        refaults: u64,
        /// For how long some task stalled.
        stalled: Nanos,
    },
    /// Lent to this workload before.
    Lent(Amount),
    /// Granted from the pool by this change.
    Granted(Amount),
    /// What the pool has left afterwards.
    PoolLeft(Amount),
    /// What the node itself has left.
    NodeLeft(Amount),
    /// The limit that somebody else has written.
    Held(Amount),
    /// What is foreseen.
    Foreseen {
        /// The most that is expected.
        expected: Amount,
        /// The upper end of its interval.
        upper: Amount,
        /// From now on for so long.
        within: Nanos,
        /// What says so.
        pattern: Pattern,
    },
    /// The node is full, and what this workload cannot have another one gets.
    Rival {
        /// The other one's name.
        name: String,
        /// How that one stands.
        theirs: Entitlement,
        /// How this workload stands.
        ours: Entitlement,
    },
    /// How a latency objective was met lately.
    Attained {
        /// How many took longer.
        late: u64,
        /// Of how many.
        of: u64,
        /// What was to be met.
        objective: Objective,
    },
    /// What of its owner's limit is held for it, since the objective is met with that.
    Own(Amount),
}

/// A guardrail that changed a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clamp {
    /// Which one.
    pub guard: Guard,
    /// What was proposed.
    pub from: Amount,
    /// What it became.
    pub to: Amount,
}

/// The guardrails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Guard {
    /// Never below the floor.
    Floor,
    /// Never below what applications are to see.
    Visible,
    /// Never above the ceiling.
    Ceiling,
    /// Trimming below the owner's limit is not allowed.
    Adopted,
    /// Never below present use and some headroom.
    Use,
    /// The largest trim.
    LargestCut,
    /// The parent's limit.
    Parent,
    /// No trimming in the workload's first minutes.
    WarmUp,
    /// No trimming so soon after a raise or another trim.
    Cooldown,
    /// No trimming so soon after a raise since earlier trims hurt.
    BackOff,
    /// No trimming while the workload is throttled.
    Throttled,
    /// Changes per minute.
    Changes,
    /// Memory limits are only lifted.
    MemoryStays,
    /// No trimming while the workload is short of memory.
    Short,
    /// The node's free memory.
    Node,
    /// What the pool has left.
    Pool,
    /// The node is full, and others are entitled to the rest.
    Rival,
    /// Nothing is lent for a while, since what was lent has kept others waiting.
    Barred,
    /// The change would be too small to be worth a write.
    TooSmall,
}

/// What would have happened without the change; for a denial, what happens now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Otherwise {
    /// Throttled at this quota until the period ends.
    Throttled(Amount),
    /// Reclaim, and the OOM killer if that finds nothing, at this limit.
    Killed(Amount),
    /// This much would stay held and unused.
    Idle(Amount),
    /// Somebody else could not have it.
    Withheld(Amount),
    /// Somebody else's value would have been overwritten.
    Overwritten(Amount),
    /// Nothing.
    Nothing,
}
