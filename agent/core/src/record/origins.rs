//! Which groups the workloads are: what a configuration is asked by.

use crate::signal::Slot;
use serde::{Deserialize, Serialize};

/// One workload's group, and what has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The path below the hierarchy's root, without a leading slash.
    pub path: String,
    /// The policy's name.
    pub policy: String,
}

impl Origin {
    /// The group at a path, which a policy has.
    #[must_use]
    pub fn new(path: &str, policy: &str) -> Self {
        Self {
            path: path.to_owned(),
            policy: policy.to_owned(),
        }
    }
}

/// Those of all workloads, slots ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origins(Vec<(Slot, Origin)>);

impl Origins {
    /// One workload's.
    #[must_use]
    pub fn get(&self, slot: Slot) -> Option<&Origin> {
        let place = self.place(slot).ok()?;
        self.0.get(place).map(|(_, origin)| origin)
    }

    /// Notes which group a workload is.
    pub fn insert(&mut self, slot: Slot, origin: Origin) {
        match self.place(slot) {
            Ok(place) => self.0[place].1 = origin,
            Err(place) => self.0.insert(place, (slot, origin)),
        }
    }

    /// Forgets a workload that has gone.
    pub fn remove(&mut self, slot: Slot) {
        if let Ok(place) = self.place(slot) {
            self.0.remove(place);
        }
    }

    /// Notes that another policy has a workload.
    pub fn rename(&mut self, slot: Slot, policy: &str) {
        if let Ok(place) = self.place(slot) {
            policy.clone_into(&mut self.0[place].1.policy);
        }
    }

    /// All of them, slots ascending.
    pub fn iter(&self) -> impl Iterator<Item = &(Slot, Origin)> {
        self.0.iter()
    }

    fn place(&self, slot: Slot) -> Result<usize, usize> {
        self.0.binary_search_by_key(&slot, |(slot, _)| *slot)
    }
}
