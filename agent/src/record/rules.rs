//! A configuration as what another engine is to go by.

use trimtab_core::{
    decide::Settings,
    record::{Origin, Rule, Rules},
    signal::{Amount, Resource},
};

use crate::{
    config::{Config, Subject},
    identity::{known::Known, path::identify},
};

/// A configuration on the node that was recorded.
#[derive(Clone, Debug)]
pub struct Configured {
    config: Config,
    node: [Amount; 2],
}

impl Configured {
    /// A configuration, and what the node has of each resource.
    #[must_use]
    pub const fn new(config: Config, node: [Amount; 2]) -> Self {
        Self { config, node }
    }
}

impl Rules for Configured {
    fn settings(&self) -> Settings {
        let settings = self.config.agent.settings;
        settings.map(|resource, share| share.of(self.node[resource.index()]))
    }

    /// By its path; where that selects none, the policy that is called as the recorded one was: who a
    /// workload was beyond its path is not recorded.
    fn of(&self, origin: &Origin, adopted: [Amount; 2]) -> Option<Rule> {
        let path = origin.path.trim_matches('/');
        let subject = Subject {
            path: &format!("/{path}"),
            identity: &identify(path),
            known: &Known::default(),
        };
        let named = |policy: &&crate::config::Policy| policy.name == origin.policy;
        let policy = self
            .config
            .policy_for(&subject)
            .or_else(|| self.config.policies.iter().find(named))?;
        let bounds = Resource::ALL.map(|resource| {
            let index = resource.index();
            let bounds = policy
                .bounds(resource)?
                .map(|share| share.of(self.node[index]));
            Some(bounds.under(adopted[index]))
        });
        Some(Rule {
            policy: policy.kind,
            entitlement: policy.entitlement,
            bounds,
            by_weight: policy.by_weight,
        })
    }
}
