//! The policies that can be replayed, by name: our own, a configuration's, and what they are compared with.

use trimtab_core::{
    baseline::{self, Unknown},
    decide::{self, Bounds, Entitlement, GiveBack, Settings},
    node::{Controller, Own, Setup, Trimtab, Workload},
    record::{Origin, Rule, Rules},
    score,
    signal::{Amount, Resource},
};

use super::super::digest::Digest;
use super::{case::About, pack::Pack};
use crate::{
    config::{Agent, Config, Invalid},
    record::Configured,
};

/// A policy that can be replayed.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    name: String,
    law: Law,
}

/// By what limits are steered.
#[derive(Clone, Debug, PartialEq)]
enum Law {
    /// One of ours, for every workload.
    Own(Ours),
    /// What a configuration says of each workload; with its text, by which it is told from others.
    Configured(Box<Config>, String),
    /// What ours are compared with.
    Baseline,
}

/// What one of ours is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Ours {
    policy: decide::Policy,
    /// By what memory is given back.
    give_back: Option<GiveBack>,
    /// Whether weight alone shares CPU out.
    by_weight: bool,
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
    /// It is a configuration's, and none was given.
    #[error("`{CONFIGURED}` is what a configuration says: name its file with --config")]
    NoConfig,
    /// It does not take that number.
    #[error(transparent)]
    Number(Unknown),
}

/// What a configuration's policies together are called.
const CONFIGURED: &str = "trimtab-configured";

/// Our own, with their defaults; `memory` stands beside one that steers the CPU.
fn own() -> [(&'static str, Law); 6] {
    let of = |policy| Ours {
        policy,
        ..Ours::default()
    };
    [
        ("trimtab-headroom", Ours::default()),
        (
            "trimtab-predictive",
            of(decide::Policy::Predictive(decide::Predictive::default())),
        ),
        (
            "trimtab-slo",
            of(decide::Policy::Slo(decide::Slo::default())),
        ),
        (
            "trimtab-threshold",
            of(decide::Policy::Threshold(decide::Threshold::default())),
        ),
        (
            "trimtab-memory",
            Ours {
                give_back: Some(GiveBack::default()),
                ..Ours::default()
            },
        ),
        (
            "trimtab-weight",
            Ours {
                by_weight: true,
                ..Ours::default()
            },
        ),
    ]
    .map(|(name, ours)| (name, Law::Own(ours)))
}

impl Policy {
    /// Every policy with its defaults, our own first, in the order of tables.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let own = own().map(|(name, law)| Self {
            name: name.to_owned(),
            law,
        });
        let baselines = baseline::all().iter().map(|baseline| Self {
            name: baseline.name.to_owned(),
            law: Law::Baseline,
        });
        own.into_iter().chain(baselines).collect()
    }

    /// What is meant by a name, or by `name:number`.
    ///
    /// # Errors
    /// There is none of that name, it does not take that number, or it needs a configuration.
    pub fn named(text: &str) -> Result<Self, UnknownPolicy> {
        if text == CONFIGURED {
            return Err(UnknownPolicy::NoConfig);
        }
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
            law: found.map_or(Law::Baseline, |(_, law)| law),
        })
    }

    /// What a configuration says, `text` being that of `file`: by the path that a series has for a name, and
    /// as if all modes were `enforce`.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn configured(text: &str, file: &str) -> Result<Self, Invalid> {
        let config = Config::parse(text, file)?;
        Ok(Self {
            name: CONFIGURED.to_owned(),
            law: Law::Configured(Box::new(config), text.to_owned()),
        })
    }

    /// The same of one that has no text; its name tells its scores from those of others.
    #[must_use]
    pub fn of(name: String, config: Config) -> Self {
        let text = String::new();
        let law = Law::Configured(Box::new(config), text);
        Self { name, law }
    }

    /// As it was named.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is one of ours.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.law != Law::Baseline
    }

    /// Makes its controller for a node with these workloads.
    /// Where ours has an objective by default, it is that by which scores are made.
    pub(super) fn controller(
        &self,
        pack: &Pack,
        rules: &score::Rules,
    ) -> Option<Box<dyn Controller + Send>> {
        if self.law == Law::Baseline {
            return baseline::named(&self.name).ok();
        }
        let mut own = self.own(pack);
        if let Law::Own(Ours {
            policy: decide::Policy::Slo(slo),
            ..
        }) = self.law
        {
            for own in own.iter_mut().flatten() {
                own.policy = decide::Policy::Slo(decide::Slo {
                    objective: decide::Objective::Requests(rules.objective),
                    ..slo
                });
            }
        }
        let settings = self.settings(pack.room(), pack.shared);
        Some(Box::new(Trimtab::new(settings, own)))
    }

    /// Makes its controller for a node that is of no trace, where only CPU is steered: one of ours keeps its part
    /// of a node that several share free, and is told by slot how each workload stands among the others. `None`
    /// for a configuration, which knows workloads by names.
    #[must_use]
    pub fn on_node(
        &self,
        setup: &Setup,
        entitlements: &[Entitlement],
    ) -> Option<Box<dyn Controller + Send>> {
        let ours = match &self.law {
            Law::Baseline => return baseline::named(&self.name).ok(),
            Law::Configured(..) => return None,
            Law::Own(ours) => *ours,
        };
        let settings = self.settings([setup.cpus, setup.memory], entitlements.len() > 1);
        let own = entitlements.iter().map(|entitlement| {
            Some(Own {
                policy: ours.policy,
                entitlement: *entitlement,
                bounds: [Some(Bounds::of(Resource::Cpu)), None],
                by_weight: ours.by_weight,
            })
        });
        Some(Box::new(Trimtab::new(settings, own.collect())))
    }

    /// By slot how each workload is to be steered by ours; `None` for one that is left alone.
    fn own(&self, pack: &Pack) -> Vec<Option<Own>> {
        let rules = match &self.law {
            Law::Configured(config, _) => Some(Configured::new(Config::clone(config), pack.room())),
            _ => None,
        };
        let said = |about: &About, workload: &Workload| match &self.law {
            Law::Baseline => None,
            Law::Own(ours) => Some(Rule {
                policy: ours.policy,
                entitlement: Entitlement::default(),
                by_weight: ours.by_weight,
                bounds: [
                    Some(Bounds::of(Resource::Cpu)),
                    Some(Bounds {
                        give_back: ours.give_back,
                        ..Bounds::of(Resource::Memory)
                    }),
                ],
            }),
            Law::Configured(..) => {
                let name = &about.head.name;
                let limits = [workload.cpu_limit, workload.memory_limit];
                rules.as_ref()?.of(&Origin::new(name, name), limits)
            }
        };
        let own = |(about, workload): (&About, &Workload)| {
            let mut rule = said(about, workload)?;
            let wants = [workload.demand.is_some(), workload.memory.is_some()];
            for (bounds, wants) in rule.bounds.iter_mut().zip(wants) {
                *bounds = bounds.filter(|_| wants);
            }
            Some(Own {
                policy: rule.policy,
                entitlement: rule.entitlement,
                bounds: rule.bounds,
                by_weight: rule.by_weight && workload.demand.is_some(),
            })
        };
        pack.series.iter().zip(&pack.workloads).map(own).collect()
    }

    /// How many workloads of a node a configuration leaves alone.
    pub(super) fn left_alone(&self, pack: &Pack) -> u64 {
        match &self.law {
            Law::Configured(..) => {
                let own = self.own(pack);
                own.iter().filter(|own| own.is_none()).count() as u64
            }
            _ => 0,
        }
    }

    /// What tells its scores from those of others.
    pub(super) fn digest(&self, digest: Digest) -> Digest {
        let digest = digest.text(&self.name);
        match &self.law {
            Law::Configured(_, text) => digest.text(text),
            _ => digest,
        }
    }

    /// The node with what this policy keeps free on it.
    pub(super) fn setup(&self, pack: &Pack) -> Setup {
        Setup {
            reserve: self.settings(pack.room(), pack.shared).reserve[Resource::Memory.index()],
            ..pack.setup
        }
    }

    /// What it keeps to on a node of this size. One that is not shared is made for a single workload and has no
    /// size of which to keep a part free.
    fn settings(&self, room: [Amount; 2], shared: bool) -> Settings {
        let settings = match &self.law {
            Law::Own(..) => Agent::default().settings,
            Law::Configured(config, _) => config.agent.settings,
            Law::Baseline => return Settings::default(),
        };
        settings.map(|resource, share| {
            if shared {
                share.of(room[resource.index()])
            } else {
                Amount::ZERO
            }
        })
    }
}
