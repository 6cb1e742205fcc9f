//! What is out of the ordinary, and what would have to happen beyond the node.

use serde::{Deserialize, Serialize};
use trimtab_core::signal::Resource;

use super::Quantity;

/// A finding that lasts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anomaly {
    /// The workload's name.
    pub workload: String,
    /// The workload's path.
    pub path: String,
    /// Such as `leak` or `limit-too-small`.
    pub kind: String,
    /// The resource that it is about.
    pub resource: Resource,
    /// The evidence in one sentence.
    pub text: String,
    /// How long ago it was found.
    pub for_ns: u64,
}

/// Signals for whoever scales and balances; nothing here acts on them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beyond {
    /// More instances are needed; `None` while this node can do.
    pub hint: Option<Hint>,
    /// How much of the load it should get beside other instances of its kind, at least 1; `None` until that is known.
    pub balancing_weight: Option<u32>,
}

/// More instances are needed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hint {
    /// How many there should be for each of today's.
    pub instances: u32,
    /// What one needs.
    pub demand: Quantity,
    /// What it can have here.
    pub capacity: Quantity,
}
