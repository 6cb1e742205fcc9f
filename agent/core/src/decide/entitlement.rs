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

    /// The kernel's `cpu.weight` that comes nearest to it, 1 to 10000. The kernel knows no strict priorities: `low`
    /// weighs a hundredth of what `normal` does, which for the usual weight is the least there is, as Kubernetes has it
    /// for pods that ask for nothing; `high` weighs ten times as much, so that weights up to 1000 keep their ratios.
    #[must_use]
    pub fn cpu_weight(self) -> u16 {
        match self.priority {
            Priority::Low => (self.weight / 100).max(1),
            Priority::Normal => self.weight,
            Priority::High => self.weight.saturating_mul(10).min(Self::HEAVIEST),
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_goes_first_weighs_more() {
        let weighs = |priority, weight| Entitlement { weight, priority }.cpu_weight();
        let usual = Priority::DESCENDING.map(|priority| weighs(priority, 100));
        assert_eq!(usual, [1_000, 100, 1]);
        assert_eq!(weighs(Priority::Low, 300), 3);
        assert_eq!(weighs(Priority::High, Entitlement::HEAVIEST), 10_000);
        for weight in 1..=Entitlement::HEAVIEST {
            let [high, normal, low] = Priority::DESCENDING.map(|priority| weighs(priority, weight));
            assert!(low >= 1 && low <= normal && normal <= high && high <= Entitlement::HEAVIEST);
        }
    }
}
