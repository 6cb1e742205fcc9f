//! What the signals did after a change, and what that says about it.

use crate::signal::{Amount, Nanos, Resource, Slot};
use serde::{Deserialize, Serialize};

/// What became of one change of a limit. Its `Display` is one sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// When it was judged.
    pub time: Nanos,
    /// Whose limit.
    pub slot: Slot,
    /// The workload's epoch.
    pub epoch: u32,
    /// Of what.
    pub resource: Resource,
    /// The change's place among all of the agent's: [`Spend::seq`](crate::signal::Spend::seq) or
    /// [`Settled::seq`](super::super::Settled::seq); of several lifts of one burst, the last one's.
    pub seq: u64,
    /// The limit before.
    pub from: Amount,
    /// The limit after.
    pub to: Amount,
    /// From the change to the verdict.
    pub took: Nanos,
    /// The ticks before.
    pub before: Signals,
    /// The ticks after.
    pub after: Signals,
    /// What the change has done to the workload.
    pub verdict: Verdict,
    /// What says so.
    pub ground: Ground,
}

/// The signals of one limit over some ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signals {
    /// How many ticks; all else is 0 when there are none.
    pub ticks: u32,
    /// Mean use.
    pub used: Amount,
    /// CPU: the mean share of periods that were throttled, per mille. Memory: how often the limit was
    /// met, in all of the ticks.
    pub short: u32,
    /// CPU: mean time throttled per second, summed over CPUs. Memory: 0.
    pub throttled: Nanos,
    /// CPU: mean time that tasks waited on run queues per second, summed over tasks. Memory: 0.
    pub waited: Nanos,
}

/// What a change has done to the workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It could do what it could not have done under the limit before.
    Helped,
    /// It fares as it did; of a trim, that is what was wanted.
    NoDifference,
    /// It fares worse.
    Hurt,
    /// Something else changed the limit before anything could be said.
    CutShort,
    /// There is nothing to go by, or something else explains what is seen as well.
    CannotTell,
}

/// What a verdict rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ground {
    /// More was used in a tick than the limit before would have let it.
    Beyond,
    /// It is less often short than before, by more than the noise of the ticks.
    Eased,
    /// It is more often short than before, by more than the noise of the ticks, or was short for the
    /// first time.
    Shorter,
    /// It is short as often as before, as far as can be told from the noise of the ticks.
    Same,
    /// It was short neither before nor after.
    Calm,
    /// Use has changed by itself, which explains what is seen as well.
    Load,
    /// Too few ticks before or after, or too few of them in which it was short.
    Few,
    /// The fast loop lifted the limit again before anybody was throttled.
    Lifted,
    /// Another change came.
    Changed,
    /// Somebody else wrote the limit.
    Foreign,
}

impl Outcome {
    /// Whether it is the outcome of a raise.
    #[must_use]
    pub fn is_raise(&self) -> bool {
        self.to > self.from
    }
}
