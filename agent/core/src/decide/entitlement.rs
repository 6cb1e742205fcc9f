//! Who goes first when not everybody can have what they want: configured, never earned by use.

use serde::{Deserialize, Serialize};

/// What a workload is entitled to of what a node has beyond everybody's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Entitlement {
    /// Its part among those of its priority, beside theirs: 1 to 10000, in the words of the kernel's
    /// `cpu.weight`.
    pub weight: u16,
    /// Everything that a higher priority wants goes before anything that a lower one does.
    pub priority: Priority,
}

impl Entitlement {
    /// The largest weight.
    pub const HEAVIEST: u16 = 10_000;
}

impl Default for Entitlement {
    fn default() -> Self {
        Self {
            weight: 100,
            priority: Priority::default(),
        }
    }
}

/// A class of workloads; what comes later in the order goes first.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Gets what nobody else wants.
    Low,
    /// What most are.
    #[default]
    Normal,
    /// Goes before all others.
    High,
}

impl Priority {
    /// Every class, the one that goes first at the front.
    pub const DESCENDING: [Self; 3] = [Self::High, Self::Normal, Self::Low];
}
