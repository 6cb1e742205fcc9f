//! Taking groups up as workloads.

use std::sync::Arc;

use trimtab_core::{
    anomaly::Watch,
    decide::{Bounds, WorkloadSpec},
    model::Waiting,
    record::Origin,
    signal::{Amount, Mode, Resource, Slot},
    snapshot::WorkloadSignals,
};

use super::{
    agent::{Agent, now},
    rest::Depth,
    selection::Selected,
    workload::{LimitState, Sample, Workload},
};
use crate::{
    act::{
        backend::{Adopted, Backend as _, Held, Range, Target, Wish},
        error::ActError,
    },
    fast::{Command, Entry},
    identity::path::{Identity, identify},
    probe::Probe,
    sense::{
        cgroup::Group,
        file::{SenseError, Sight},
        hierarchy::Hierarchies,
        memory::MemoryReader,
        tree::ancestors,
    },
};

/// A group on its way to becoming a workload.
struct Candidate {
    path: Arc<str>,
    selected: Selected,
    group: Group,
    identity: Identity,
    held: [Option<Limit>; 2],
}

/// What the kernel holds for one resource when a group is taken up.
#[derive(Clone, Copy)]
struct Limit {
    adopted: Amount,
    held: Amount,
}

impl Agent {
    /// Takes up every group that a policy has and that is no workload yet.
    pub(super) fn take_up_all(&mut self) {
        let paths: Vec<_> = self
            .tree
            .groups()
            .map(|(path, _)| Arc::clone(path))
            .collect();
        self.take_up_each(paths.into_iter());
    }

    pub(super) fn take_up_each(&mut self, paths: impl Iterator<Item = Arc<str>>) {
        let mut chosen = Vec::new();
        for path in paths {
            self.ask_about(&path);
            if self.workloads.at(&path).is_some() {
                continue;
            }
            match self.selected(&path) {
                Some(selected) => chosen.push((path, selected)),
                None => _ = self.adoptions.waiting.remove(&path),
            }
        }
        if !chosen.is_empty() {
            self.take_up_batch(chosen);
            self.slow.flush();
        }
    }

    /// Takes one group up; `None` when it cannot be.
    pub(super) fn take_up(&mut self, path: &str, selected: &Selected) -> Option<Slot> {
        self.take_up_batch(vec![(path.into(), selected.clone())]);
        self.workloads.at(path)
    }

    fn take_up_batch(&mut self, chosen: Vec<(Arc<str>, Selected)>) {
        let room = self.workloads.room(now());
        let mut candidates = Vec::new();
        for (place, (path, selected)) in chosen.into_iter().enumerate() {
            if place >= room {
                self.adoptions.waiting.insert(path);
                continue;
            }
            self.adoptions.waiting.remove(&path);
            match self.candidate(path.clone(), selected) {
                Ok(Sight::Here(candidate)) => candidates.push(candidate),
                Ok(Sight::Gone) => {}
                Err(error) => tracing::warn!(path = &*path, %error, "a group cannot be read"),
            }
        }
        let mut adopted = self.adopt_enforced(&mut candidates).into_iter();
        for candidate in candidates {
            let held = if candidate.selected.mode == Mode::Enforce {
                adopted.next()
            } else {
                None
            };
            let path = Arc::clone(&candidate.path);
            self.admit(candidate, held);
            self.ask_about(&path);
        }
    }

    fn candidate(
        &mut self,
        path: Arc<str>,
        selected: Selected,
    ) -> Result<Sight<Candidate>, SenseError> {
        let Sight::Here(group) = Group::open(&self.hierarchies, &path)? else {
            return Ok(Sight::Gone);
        };
        let quota = match &group.cpu {
            None => None,
            Some(reader) => match reader.quota(&mut self.scratch)? {
                Sight::Here(quota) => quota.map(crate::sense::cpu::Quota::amount),
                Sight::Gone => return Ok(Sight::Gone),
            },
        };
        let memory = match &group.memory {
            None => None,
            Some(reader) => match reader.read(&mut self.scratch)? {
                Sight::Here(memory) => Some(memory.effective_limit()),
                Sight::Gone => return Ok(Sight::Gone),
            },
        };
        let limit = |amount: Option<Amount>| {
            amount.map(|amount| Limit {
                adopted: amount,
                held: amount,
            })
        };
        let identity = identify(&path);
        Ok(Sight::Here(Candidate {
            path,
            selected,
            group,
            identity,
            held: [limit(quota), limit(memory)],
        }))
    }

    /// Takes over the limits of every candidate in mode `enforce`, originals first. One whose
    /// limits may not or cannot be taken over goes on in mode `recommend`.
    fn adopt_enforced(&mut self, candidates: &mut [Candidate]) -> Vec<Adopted> {
        let mut jobs = Vec::new();
        let mut enforced = Vec::new();
        for (index, candidate) in candidates.iter_mut().enumerate() {
            if candidate.selected.mode != Mode::Enforce {
                continue;
            }
            match job(&self.hierarchies, candidate) {
                Ok(job) => {
                    jobs.push(job);
                    enforced.push(index);
                }
                Err(error) => recommend(&self.hierarchies, candidate, &error),
            }
        }
        let results = self
            .adoptions
            .backend
            .adopt(&mut self.adoptions.ledger, jobs);
        let mut adopted = Vec::new();
        for (index, result) in enforced.into_iter().zip(results) {
            let Some(candidate) = candidates.get_mut(index) else {
                continue;
            };
            match result {
                Ok(one) => {
                    let limit = |held: &Option<Held>| {
                        held.as_ref().map(|held| Limit {
                            adopted: held.adopted,
                            held: held.limit,
                        })
                    };
                    candidate.held = [limit(&one.cpu), limit(&one.memory)];
                    adopted.push(one);
                }
                Err(error) => {
                    if matches!(error, ActError::OwnerSilent { .. }) {
                        self.adoptions
                            .unanswered
                            .insert(Arc::clone(&candidate.path));
                    }
                    recommend(&self.hierarchies, candidate, &error);
                }
            }
        }
        adopted
    }

    /// Adopts those groups whose owner was not known when that was tried last.
    pub(super) fn ask_owners_again(&mut self) {
        for path in std::mem::take(&mut self.adoptions.unanswered) {
            if let Some(slot) = self.workloads.at(&path) {
                self.select_again(slot);
            }
        }
    }

    fn admit(&mut self, candidate: Candidate, adopted: Option<Adopted>) {
        let now = now();
        let Some((slot, epoch)) = self.workloads.reserve(now) else {
            self.adoptions.waiting.insert(candidate.path);
            return;
        };
        let Candidate {
            path,
            selected,
            group,
            identity,
            held,
        } = candidate;
        let parent = ancestors(&path).find_map(|above| self.workloads.at(above));
        let period_us = self.period_us(&group);
        let Adopted { cpu, memory } = adopted.unwrap_or_default();
        let hard = memory.as_ref().and_then(|held| held.lever.hard());
        let limits = Resource::ALL.map(|resource| {
            let (bounds, limit) = (selected.bounds[resource.index()]?, held[resource.index()]?);
            let bounds = bounds.under(limit.adopted);
            let hard = hard.filter(|_| resource == Resource::Memory);
            Some(LimitState::new(bounds, limit.adopted, limit.held).below(hard))
        });
        let amounts = |of: fn(&LimitState) -> Amount| {
            limits
                .each_ref()
                .map(|limit| limit.as_ref().map_or(Amount::UNLIMITED, of))
        };
        let updates = self.engine.adopt(
            slot,
            epoch,
            WorkloadSpec {
                name: identity.name.clone(),
                parent,
                mode: selected.mode,
                policy: selected.rule,
                entitlement: selected.entitlement,
                born: now,
                adopted: amounts(|limit| limit.adopted),
                held: amounts(|limit| limit.held),
                period_us,
                bounds: limits
                    .each_ref()
                    .map(|limit| limit.as_ref().map(|limit| limit.bounds)),
            },
            Origin::new(&path, &selected.policy),
        );
        let beside = selected.shadow.as_ref().map(|(_, shadow)| *shadow);
        self.engine.shadow(slot, epoch, beside);
        self.claim_children(slot, &path);
        self.watch(slot, &group, &limits, selected.mode);
        let levers = [cpu.map(|held| held.lever), memory.map(|held| held.lever)];
        let memory = self.fast_memory(&path, selected.mode);
        self.send(Command::Adopt(
            slot,
            Box::new(Entry {
                adopted: updates,
                row: Some(Box::default()),
                levers,
                memory,
                unused: Amount::ZERO,
            }),
        ));
        self.workloads.insert(Workload {
            slot,
            epoch,
            name: self.identities.name(&path, &identity),
            objective: selected.objective(),
            policy: selected.policy,
            shadow: selected.shadow.map(|(name, _)| name),
            mode: selected.mode,
            asked: None,
            pinned: false,
            run: false,
            owner: self.owner(&path, &identity),
            group,
            parent,
            is_parent: self.tree.has_children(&path),
            since: now,
            limits,
            cpu_weight: selected.cpu_weight,
            first: Sample::default(),
            last: Sample::default(),
            seen: WorkloadSignals::default(),
            active: now,
            depth: Depth::All,
            waits: None,
            tcp: None,
            requests_per_s: 0,
            waiting: Waiting::default(),
            watch: Watch::new(now, slot),
            used: [Amount::ZERO; 2],
            above: [None, None],
            counters: crate::api::view::Counters::default(),
            inherited: crate::api::view::Counters::default(),
            undone: 0,
        });
        self.begin(slot);
    }

    /// From now on it is known what others write, what its owner is to be told, and what it takes.
    fn begin(&mut self, slot: Slot) {
        self.hear(slot);
        self.own(slot);
        self.read_counters(slot);
        if let Some(workload) = self.workloads.get_mut(slot) {
            workload.begin(&mut self.scratch);
        }
    }

    /// The kernel's CPU period of a group in us; the usual one where it cannot be read.
    fn period_us(&mut self, group: &Group) -> u64 {
        let reader = group.cpu.as_ref();
        let quota = reader.and_then(|reader| reader.quota(&mut self.scratch).ok()?.here()?);
        quota.map_or(100_000, |quota| quota.period_us)
    }

    /// The memory files that the fast thread reads. Where nothing is written it has nothing to look at.
    fn fast_memory(&self, path: &str, mode: Mode) -> Option<MemoryReader> {
        if mode != Mode::Enforce {
            return None;
        }
        let group = Group::open(&self.hierarchies, path).ok()?.here()?;
        group.memory
    }

    /// Workloads below a new one had another parent until now.
    fn claim_children(&mut self, slot: Slot, path: &str) {
        let is_nearer = |parent| {
            let parent = self.workloads.get(parent);
            parent.is_none_or(|parent| parent.group.path.len() < path.len())
        };
        let below: Vec<_> = self
            .workloads
            .below(path)
            .filter(|child| child.parent.is_none_or(is_nearer))
            .map(|child| child.slot)
            .collect();
        for child in below {
            self.engine.reparent(child, Some(slot));
            if let Some(child) = self.workloads.get_mut(child) {
                child.parent = Some(slot);
            }
        }
    }

    /// Tells the kernel to raise events for a group.
    fn watch(&mut self, slot: Slot, group: &Group, limits: &[Option<LimitState>; 2], mode: Mode) {
        let Some(probes) = &mut self.probes else {
            return;
        };
        if let Some(id) = group.ids.cpu
            && let Err(error) = probes.runq().register(id)
        {
            tracing::warn!(%error, "a group's waiting cannot be measured");
        }
        if let Some(id) = group.ids.cpu
            && probes.may_have(Probe::TcpLatency)
            && let Err(error) = probes.tcp().register(id)
        {
            tracing::warn!(%error, "the requests to a group's servers cannot be measured");
        }
        if let Some(id) = group.ids.memory
            && let Err(error) = probes.reclaim_mut().register(id)
        {
            tracing::warn!(%error, "a group's reclaim cannot be measured");
        }
        if let Some(id) = group.ids.io
            && let Err(error) = probes.block_mut().register(id)
        {
            tracing::warn!(%error, "a group's block I/O cannot be measured");
        }
        for resource in Resource::ALL {
            let (Some(id), Some(_)) = (group.ids.of(resource), &limits[resource.index()]) else {
                continue;
            };
            if mode == Mode::Observe {
                continue;
            }
            if let Err(error) = probes.watches().set(resource, id, slot.0, 0) {
                tracing::warn!(%error, "a group cannot be watched: its limits are lifted by the tick only");
            }
        }
    }
}

fn job(hierarchies: &Hierarchies, candidate: &mut Candidate) -> Result<(Target, Wish), ActError> {
    let path = &candidate.path;
    let mut target = Target::open(hierarchies, path)?
        .here()
        .ok_or_else(|| ActError::Gone {
            path: path.as_ref().into(),
        })?;
    target.named = candidate.selected.named;
    for resource in Resource::ALL {
        if candidate.held[resource.index()].is_none() {
            candidate.selected.bounds[resource.index()] = None;
        }
    }
    let Selected {
        bounds, cpu_weight, ..
    } = &candidate.selected;
    Ok((target, wish(bounds, *cpu_weight)))
}

pub(super) fn wish(bounds: &[Option<Bounds>; 2], cpu_weight: Option<u16>) -> Wish {
    let range = |bounds: &Bounds, floor| Range {
        floor,
        ceiling: bounds.ceiling,
    };
    let [cpu, memory] = bounds.each_ref().map(Option::as_ref);
    Wish {
        cpu: cpu.map(|bounds| range(bounds, bounds.floor)),
        // Memory begins below its owner's limit only as far as that may be seen.
        memory: memory.map(|bounds| range(bounds, bounds.floor.max(bounds.visible))),
        weight: cpu_weight.map(u64::from),
    }
}

fn recommend(hierarchies: &Hierarchies, candidate: &mut Candidate, error: &ActError) {
    let is_whole = || {
        let now = Group::open(hierarchies, &candidate.path).map(Sight::here);
        now.is_ok_and(|now| now.is_some_and(|now| now.ids == candidate.group.ids))
    };
    // A group that is being removed is no news: the kernel's word of that is on its way.
    if !error.is_gone() && is_whole() {
        tracing::warn!(path = &*candidate.path, %error, "its limits cannot be taken over; mode `recommend` instead of `enforce`");
    }
    candidate.selected.mode = Mode::Recommend;
}
