//! What another policy would have done.

use serde::{Deserialize, Serialize};
use trimtab_core::signal::Resource;

use super::Quantity;

/// A workload's policy and its shadow, over the same time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparison {
    /// The workload's name.
    pub workload: String,
    /// Its path.
    pub path: String,
    /// Of what.
    pub resource: Resource,
    /// How long ago that began.
    pub age_ns: u64,
    /// For how long of that both policies were asked.
    pub compared_ns: u64,
    /// Mean use: under the limits of the active policy.
    pub used: Quantity,
    /// The policy that has the workload.
    pub active: Course,
    /// The one that is asked beside it.
    pub shadow: Course,
}

/// What a policy makes of a limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Course {
    /// The policy's name.
    pub policy: String,
    /// Where the limit stands.
    pub limit: Quantity,
    /// Where it stood on average.
    pub mean_limit: Quantity,
    /// What could be promised to nobody else, on average: the limit without what is lent.
    pub mean_held: Quantity,
    /// How often it moved.
    pub changes: u64,
    /// How often it moved the other way than the time before.
    pub turns: u64,
    /// The ticks in which it did not suffice: use went beyond it, it was to be lifted, or it throttled.
    pub short_ns: u64,
    /// What part of what was held was not used; negative for one that lives on loans, `None` where nothing
    /// was held.
    pub slack_per_mille: Option<i64>,
}
