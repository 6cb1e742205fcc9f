//! The score of one workload, of a node, or of many.

use serde::{Deserialize, Serialize};

use crate::signal::Resource;

use super::{Account, Tally};

/// What has become of one or many workloads under one controller. CPU work is in micro-CPU nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Score {
    /// CPU and memory.
    pub accounts: [Account; 2],
    /// Work that was wanted: all that was used, was lost or is still waiting.
    pub wanted: u128,
    /// Work that died with a kill or a restart.
    pub lost: u128,
    /// Work that still waits at the end.
    pub backlog: u128,
    /// The integral of the backlog over time: work times microseconds.
    pub delay: u128,
    /// Periods in which something wanted to run.
    pub periods: u64,
    /// Periods that ended throttled.
    pub throttled_periods: u64,
    /// Time throttled, summed over CPUs, in ns.
    pub throttled: u128,
    /// Time throttled by the clock on the wall, in ns.
    pub throttled_wall: u128,
    /// Latencies of requests in us, to two digits.
    pub latency: Tally,
    /// Requests that died with a kill or a restart, or came while nobody was there.
    pub lost_requests: u64,
    /// Windows of time, as the rules have them.
    pub windows: u64,
    /// Windows that violate the objective.
    pub violated: u64,
    /// Kills for want of memory.
    pub oom_kills: u64,
    /// Starts after a kill or on the controller's order.
    pub restarts: u64,
    /// Time stalled on memory, in ns.
    pub stalled: u128,
}

impl Score {
    /// Adds that of others. The order does not matter.
    pub fn merge(&mut self, other: &Self) {
        for (account, other) in self.accounts.iter_mut().zip(&other.accounts) {
            account.merge(other);
        }
        self.wanted += other.wanted;
        self.lost += other.lost;
        self.backlog += other.backlog;
        self.delay += other.delay;
        self.periods += other.periods;
        self.throttled_periods += other.throttled_periods;
        self.throttled += other.throttled;
        self.throttled_wall += other.throttled_wall;
        self.latency.merge(&other.latency);
        self.lost_requests += other.lost_requests;
        self.windows += other.windows;
        self.violated += other.violated;
        self.oom_kills += other.oom_kills;
        self.restarts += other.restarts;
        self.stalled += other.stalled;
    }

    /// One resource.
    #[must_use]
    pub const fn account(&self, resource: Resource) -> &Account {
        &self.accounts[resource.index()]
    }

    /// How long a unit of work was in arrears on average, in ns, by Little's law.
    #[must_use]
    pub fn mean_delay(&self) -> u64 {
        let used = self.account(Resource::Cpu).used;
        let mean = self.delay.saturating_mul(1000) / used.max(1);
        u64::try_from(mean).unwrap_or(u64::MAX)
    }

    /// The part of wanted work that was not done, in millionths.
    #[must_use]
    pub fn shortfall(&self) -> u64 {
        part(self.lost + self.backlog, self.wanted)
    }

    /// The part of periods that ended throttled, in millionths.
    #[must_use]
    pub fn throttled_part(&self) -> u64 {
        part(self.throttled_periods.into(), self.periods.into())
    }

    /// The part of windows that violate the objective, in millionths.
    #[must_use]
    pub fn violated_part(&self) -> u64 {
        part(self.violated.into(), self.windows.into())
    }
}

/// A part in millionths; none of nothing.
fn part(part: u128, whole: u128) -> u64 {
    // Sums of work leave 20 bits for this even after a million workload-years.
    let millionths = part.saturating_mul(1_000_000) / whole.max(1);
    u64::try_from(millionths).unwrap_or(u64::MAX)
}
