//! The policies that can be replayed, by name: our own, and what they are compared with.

use trimtab_core::{
    baseline::{self, Unknown},
    decide::{self, Bounds, Settings},
    node::{Controller, Own, Setup, Trimtab, Workload},
    signal::Resource,
};

use super::pack::Pack;
use crate::config::Agent;

/// A policy that can be replayed.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    name: String,
    own: Option<decide::Policy>,
}

/// A policy that cannot be had.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum UnknownPolicy {
    /// There is none of that name.
    #[error("no policy is called `{name}`; there are {there}")]
    Name {
        /// What was given.
        name: String,
        /// Those that there are.
        there: String,
    },
    /// It does not take that number.
    #[error(transparent)]
    Number(Unknown),
}

/// Our own, with their defaults.
fn own() -> [(&'static str, decide::Policy); 2] {
    [
        (
            "trimtab-headroom",
            decide::Policy::Headroom(decide::Headroom::default()),
        ),
        (
            "trimtab-threshold",
            decide::Policy::Threshold(decide::Threshold::default()),
        ),
    ]
}

impl Policy {
    /// Every policy with its defaults, our own first, in the order of tables.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let own = own().map(|(name, policy)| Self {
            name: name.to_owned(),
            own: Some(policy),
        });
        let baselines = baseline::all().iter().map(|baseline| Self {
            name: baseline.name.to_owned(),
            own: None,
        });
        own.into_iter().chain(baselines).collect()
    }

    /// What is meant by a name, or by `name:number`.
    ///
    /// # Errors
    /// There is none of that name, or it does not take that number.
    pub fn named(text: &str) -> Result<Self, UnknownPolicy> {
        let found = own().into_iter().find(|(name, _)| *name == text);
        if found.is_none() {
            baseline::named(text).map_err(|unknown| match unknown {
                Unknown::Name(name) => {
                    let there: Vec<_> = Self::all().into_iter().map(|policy| policy.name).collect();
                    let there = there.join(", ");
                    UnknownPolicy::Name { name, there }
                }
                other => UnknownPolicy::Number(other),
            })?;
        }
        Ok(Self {
            name: text.to_owned(),
            own: found.map(|(_, policy)| policy),
        })
    }

    /// As it was named.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Makes its controller for a node with these workloads.
    pub(super) fn controller(&self, pack: &Pack) -> Option<Box<dyn Controller + Send>> {
        let Some(policy) = self.own else {
            return baseline::named(&self.name).ok();
        };
        let own = |workload: &Workload| {
            let wants = [workload.demand.is_some(), workload.memory.is_some()];
            let bounds = |resource| Bounds::of(resource);
            Some(Own {
                policy,
                bounds: Resource::ALL
                    .map(|resource| wants[resource.index()].then(|| bounds(resource))),
            })
        };
        let own = pack.workloads.iter().map(own).collect();
        Some(Box::new(Trimtab::new(self.settings(pack), own)))
    }

    /// The node with what this policy keeps free on it.
    pub(super) fn setup(&self, pack: &Pack) -> Setup {
        Setup {
            reserve: self.settings(pack).reserve[Resource::Memory.index()],
            ..pack.setup
        }
    }

    /// What it keeps to on a node: ours, their defaults. A node that is made for one workload has no
    /// size of which to keep a part free.
    fn settings(&self, pack: &Pack) -> Settings {
        if self.own.is_none() || !pack.shared {
            return Settings::default();
        }
        let node = [pack.setup.cpus, pack.setup.memory];
        let settings = Agent::default().settings;
        settings.map(|resource, share| share.of(node[resource.index()]))
    }
}
