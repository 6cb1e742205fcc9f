//! What the agent knows at one moment, as far as metrics tell of it.

use trimtab_core::signal::Resource;

use super::{Histogram, Totals};
use crate::{
    api::view::{Anomaly, Identity, Pressures, Status},
    probe::{Losses, ProbeStatus},
};

/// What metrics are read from.
pub trait Source: Send + Sync + 'static {
    /// What is known now; `None` where nothing is counted. It may wait for the slow loop, and the slow loop for it.
    fn sample(&self) -> Option<Sample>;
}

/// The agent at one moment.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// The agent as a whole, as `trimtab status` shows it.
    pub status: Status,
    /// The node's name.
    pub host: String,
    /// How each probe stands.
    pub probes: Vec<ProbeStatus>,
    /// What the probes lost, by cause.
    pub losses: Losses,
    /// Reports for which the slow loop had no room.
    pub unheard: u64,
    /// From an event in the kernel to the limit written.
    pub reaction: Histogram,
    /// Workloads that are told by name, then the others together, if there ever were any.
    pub subjects: Vec<Subject>,
    /// How many workloads are told together.
    pub others: u64,
    /// For how long the slow loop was held up for this, in ns.
    pub held_ns: u64,
}

/// A workload, or those together that are not told by name.
#[derive(Clone, Debug, Default)]
pub struct Subject {
    /// Who it is; `None` for the others together.
    pub who: Option<Box<Who>>,
    /// What is counted.
    pub totals: Totals,
    /// Limits and use, by resource; `None` where there is none.
    pub gauges: [[Option<u64>; Gauge::ALL.len()]; 2],
    /// For how long its tasks stalled; of the others nothing is told.
    pub stalls: Pressures,
}

/// Who a workload is, and what is known of it beyond numbers that add up.
#[derive(Clone, Debug, Default)]
pub struct Who {
    /// Its path.
    pub path: String,
    /// What people call it.
    pub name: String,
    /// The policy that selected it.
    pub policy: String,
    /// Its mode.
    pub mode: &'static str,
    /// Who owns its limits.
    pub owner: String,
    /// Path of the nearest workload above.
    pub parent: Option<String>,
    /// Its container, pod, unit.
    pub identity: Identity,
    /// What is out of the ordinary.
    pub anomalies: Vec<Anomaly>,
    /// How many instances there should be for each of today's.
    pub instances: u64,
    /// How much of the load it should get beside others of its kind.
    pub balancing_weight: Option<u64>,
}

/// What goes up and down of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gauge {
    /// What is used.
    Used,
    /// What the kernel holds.
    Limit,
    /// What it held at adoption.
    Original,
    /// What is guaranteed.
    Floor,
    /// What the slow loop thinks right.
    Target,
    /// What the fast loop may go up to.
    Ceiling,
    /// What of the limit is lent.
    Lent,
}

impl Gauge {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Used,
        Self::Limit,
        Self::Original,
        Self::Floor,
        Self::Target,
        Self::Ceiling,
        Self::Lent,
    ];
}

impl Subject {
    /// One of the numbers that go up and down.
    #[must_use]
    pub const fn gauge(&self, resource: Resource, gauge: Gauge) -> Option<u64> {
        self.gauges[resource.index()][gauge as usize]
    }

    /// Adds what another one has to what this has.
    pub fn add(&mut self, gauges: &[[Option<u64>; Gauge::ALL.len()]; 2]) {
        let all = self.gauges.iter_mut().flatten();
        for (sum, other) in all.zip(gauges.iter().flatten()) {
            if let Some(other) = other {
                *sum = Some(sum.unwrap_or_default().saturating_add(*other));
            }
        }
    }
}
