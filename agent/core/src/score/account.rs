//! One resource: what was held of it, what was used, and how often its limit was moved.

use serde::{Deserialize, Serialize};

use super::{Changes, Tally};

/// One resource of one or many workloads. Sums over time are in micro-CPU nanoseconds or byte nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// How many workloads want this resource.
    pub workloads: u64,
    /// For how long they were looked at, summed over them, in ns.
    pub time: u128,
    /// What was held for them.
    pub held: u128,
    /// What was kept free for all of a node together, once per node.
    pub shared: u128,
    /// Their momentary limits, or all that the node has where there is none: for information.
    pub limit: u128,
    /// What they used.
    pub used: u128,
    /// The slack of each workload in thousandths.
    pub slack: Tally,
    /// How their limits moved.
    pub changes: Changes,
}

/// Slack below this counts as this: a workload for which nothing is held has no bound.
const LEAST_SLACK: i64 = -10_000;

impl Account {
    /// Adds that of others.
    pub fn merge(&mut self, other: &Self) {
        self.workloads += other.workloads;
        self.time += other.time;
        self.held += other.held;
        self.shared += other.shared;
        self.limit += other.limit;
        self.used += other.used;
        self.slack.merge(&other.slack);
        self.changes.merge(&other.changes);
    }

    /// All that could not be promised to anybody else.
    #[must_use]
    pub const fn set_aside(&self) -> u128 {
        self.held + self.shared
    }

    /// What part of what was set aside was not used, in thousandths; negative where more was used than was
    /// set aside. `None` where nothing was set aside.
    #[must_use]
    pub fn slack(&self) -> Option<i64> {
        slack(self.set_aside(), self.used)
    }

    /// A sum over time as a mean per workload: micro-CPUs or bytes.
    #[must_use]
    pub fn mean(&self, sum: u128) -> u64 {
        u64::try_from(sum / self.time.max(1)).unwrap_or(u64::MAX)
    }
}

/// `(held - used) / held` in thousandths.
pub(super) fn slack(held: u128, used: u128) -> Option<i64> {
    // Half a nanosecond of a micro-CPU is of no account, an overflow would be.
    let whole = i128::try_from(held).ok().filter(|held| *held > 0)?;
    let used = i128::try_from(used).ok()?;
    let permille = (whole - used).saturating_mul(1000) / whole;
    Some(i64::try_from(permille).map_or(LEAST_SLACK, |permille| permille.max(LEAST_SLACK)))
}
