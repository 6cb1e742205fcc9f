//! How much there is room for.

use serde::{Deserialize, Serialize};

/// How much the agent has room for, and for how many it has none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    /// Workloads for which there is room.
    pub workloads: u32,
    /// Groups that policies select and that wait until there is.
    pub waiting: u32,
    /// Workloads for which there are histograms of their own.
    pub histograms: u32,
    /// Workloads that share one instead.
    pub sharing: u32,
    /// For how long tasks of those that have ever shared it waited for a CPU; `None` when nobody shares
    /// it, or nothing tells.
    pub shared_waited_ns: Option<u64>,
    /// The 99th percentile of these waits.
    pub shared_waiting_p99_ns: Option<u64>,
}
