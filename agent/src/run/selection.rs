//! What the configuration says about one group, in the core's terms.

use std::sync::Arc;

use trimtab_core::{
    decide::{Bounds, Entitlement, Objective, Policy, Settings, Shadow},
    signal::{Amount, Mode, Resource},
};

use crate::config::{self, Config, Share, Subject};

/// A policy that has a group.
#[derive(Clone, Debug)]
pub(super) struct Selected {
    pub(super) policy: Arc<str>,
    pub(super) mode: Mode,
    pub(super) rule: Policy,
    pub(super) entitlement: Entitlement,
    pub(super) bounds: [Option<Bounds>; 2],
    /// The kernel's `cpu.weight`, where that alone is to share CPU out.
    pub(super) cpu_weight: Option<u16>,
    /// What is asked beside it, and what that is called.
    pub(super) shadow: Option<(Arc<str>, Shadow)>,
    /// Whether the policy names the group outright, not by a pattern.
    pub(super) named: bool,
}

impl Selected {
    /// Which resources are to be managed.
    pub(super) fn manages(&self) -> [bool; 2] {
        self.bounds.each_ref().map(Option::is_some)
    }

    /// What its latencies are to meet, by its policy or the one that is asked beside it: no more than one
    /// of both has an objective of its own.
    pub(super) fn objective(&self) -> Option<Objective> {
        let beside = || self.shadow.as_ref()?.1.policy.objective();
        self.rule.objective().or_else(beside)
    }
}

/// The configuration together with the node that its shares are of.
#[derive(Clone, Debug)]
pub(super) struct Selection {
    config: Config,
    node: [Amount; 2],
}

impl Selection {
    pub(super) const fn new(config: Config, node: [Amount; 2]) -> Self {
        Self { config, node }
    }

    pub(super) const fn config(&self) -> &Config {
        &self.config
    }

    /// The policy that has a group.
    pub(super) fn of(&self, subject: &Subject<'_>) -> Option<Selected> {
        let policy = self.config.policy_for(subject)?;
        let named = policy
            .select
            .patterns()
            .iter()
            .any(|pattern| pattern == subject.path);
        Some(Selected {
            named,
            ..self.selected(policy)
        })
    }

    /// The policy of `trimtab run`, with the ceilings that were asked for.
    pub(super) fn run(&self, ceilings: [Option<Amount>; 2]) -> Selected {
        let configured = self
            .config
            .policies
            .iter()
            .find(|policy| policy.name == config::Policy::RUN)
            .cloned();
        let mut policy = configured.unwrap_or_else(config::Policy::run);
        if let (Some(bounds), Some(ceiling)) = (&mut policy.cpu, ceilings[0]) {
            bounds.ceiling = Share::Amount(ceiling);
        }
        if let (Some(bounds), Some(ceiling)) = (&mut policy.memory, ceilings[1]) {
            bounds.ceiling = Share::Amount(ceiling);
        }
        self.selected(&policy)
    }

    /// What is never lent of a resource.
    pub(super) fn reserve(&self, resource: Resource) -> Amount {
        self.settings().reserve[resource.index()]
    }

    /// The engine's settings.
    pub(super) fn settings(&self) -> Settings {
        let settings = self.config.agent.settings;
        settings.map(|resource, share| share.of(self.node[resource.index()]))
    }

    fn selected(&self, policy: &config::Policy) -> Selected {
        let node = self.node[Resource::Cpu.index()];
        let shadow = self.config.shadow_of(policy).and_then(|other| {
            let bounds = other.cpu?.map(|share| share.of(node));
            let policy = other.kind;
            Some((other.name.as_str().into(), Shadow { policy, bounds }))
        });
        Selected {
            named: false,
            policy: policy.name.as_str().into(),
            mode: policy.mode,
            rule: policy.kind,
            entitlement: policy.entitlement,
            cpu_weight: policy.by_weight.then(|| policy.entitlement.cpu_weight()),
            bounds: Resource::ALL.map(|resource| {
                let node = self.node[resource.index()];
                Some(policy.bounds(resource)?.map(|share| share.of(node)))
            }),
            shadow,
        }
    }
}
