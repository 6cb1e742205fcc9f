//! The three parts together, for each container.

use std::collections::BTreeMap;

use super::super::declared::Declared;
use super::super::number::scaled;
use super::params::{Params, Update};
use super::recommender::{Container, History, Recommendation};
use super::updater::Pod;
use crate::node::{Controller, NodeSeen, Seen, Write};
use crate::signal::{Amount, Nanos, Resource, Slot};

#[derive(Clone, Debug)]
struct State {
    declared: Declared,
    history: History,
    container: Container,
    pod: Pod,
    /// Of the last look or start: when, and the CPU time used by then.
    last: (Nanos, Nanos),
    /// When the container started, and how many kills there had been by then.
    started: Nanos,
    kills_before: u64,
    /// Kills that the recommender knows of.
    kills: u64,
    recommended: Option<Recommendation>,
    /// The pod has been told to go.
    evicted: bool,
}

/// The law.
#[derive(Clone, Debug, Default)]
pub struct Vpa {
    params: Params,
    states: BTreeMap<Slot, State>,
}

impl Vpa {
    /// With these parameters.
    #[must_use]
    pub const fn new(params: Params) -> Self {
        Self {
            params,
            states: BTreeMap::new(),
        }
    }

    /// What it recommends at present.
    #[must_use]
    pub fn recommended(&self, slot: Slot) -> Option<Recommendation> {
        self.states.get(&slot)?.recommended
    }
}

impl State {
    fn new(params: &Params, now: Nanos, seen: &Seen) -> Self {
        let declared = Declared::of(seen);
        Self {
            declared,
            history: History::new(params),
            container: Container::default(),
            pod: Pod {
                request: Resource::ALL.map(|resource| declared.request(resource)),
                began: now,
                quick_oom: false,
            },
            last: (now, seen.cpu.used),
            started: now,
            kills_before: seen.memory.oom_kills,
            kills: seen.memory.oom_kills,
            recommended: None,
            evicted: false,
        }
    }

    /// The container starts again, in a new pod if the last one was evicted.
    fn restart(&mut self, params: &Params, now: Nanos, seen: &Seen) {
        self.pod.quick_oom = self.was_killed(params, now, seen);
        if self.evicted {
            self.evicted = false;
            self.container = Container::default();
            self.pod.began = now;
            self.pod.quick_oom = false;
            self.admit();
        }
        self.started = now;
        self.kills_before = seen.memory.oom_kills;
        self.last = (now, seen.cpu.used);
    }

    /// Whether the container was killed for want of memory, soon after its start.
    fn was_killed(&self, params: &Params, now: Nanos, seen: &Seen) -> bool {
        let killed = seen.memory.oom_kills > self.kills_before;
        killed && now.since(self.started) < params.quick_oom
    }

    /// Takes the metrics in and recommends.
    fn recommend(&mut self, params: &Params, now: Nanos, seen: &Seen) {
        let (time, used) = self.last;
        if seen.memory.used > Amount::ZERO && now > time {
            let micros = u128::from(seen.cpu.used.since(used).0) * 1_000_000;
            let used = micros.div_ceil(u128::from(now.since(time).0));
            let used = Amount(u64::try_from(used).unwrap_or(u64::MAX));
            let request = self.pod.request[Resource::Cpu.index()];
            self.history.add_cpu(params, now, used, request);
            let used = seen.memory.working_set.0;
            self.container
                .add_memory(&mut self.history, params, now, used);
        }
        self.last = (now, seen.cpu.used);
        if seen.memory.oom_kills > self.kills {
            let request = self.pod.request[Resource::Memory.index()].0;
            self.container
                .record_oom(&mut self.history, params, now, request);
            self.kills = seen.memory.oom_kills;
            // It has not started again yet.
            self.pod.quick_oom |= self.was_killed(params, now, seen);
        }
        self.recommended = self.history.recommend(params).or(self.recommended);
    }

    /// Updates the pod if it is due.
    fn update(&mut self, params: &Params, now: Nanos, seen: &Seen, out: &mut Vec<Write>) {
        let Some(wanted) = self.recommended else {
            return;
        };
        if self.evicted || !self.pod.is_due(params, now, &wanted) {
            return;
        }
        match params.update {
            Update::Off => {}
            Update::Recreate => {
                self.evicted = true;
                out.push(Write::Restart { slot: seen.slot });
            }
            Update::InPlace => {
                let to = wanted[Resource::Memory.index()].target;
                let limit = self.limit(Resource::Memory, to);
                if limit.is_none_or(|limit| limit >= seen.memory.used) {
                    self.admit();
                    self.write(seen.slot, out);
                }
            }
        }
    }

    /// The request becomes what is recommended.
    fn admit(&mut self) {
        if let Some(wanted) = self.recommended {
            self.pod.request = wanted.map(|bounds| bounds.target);
        }
    }

    /// The limit that goes with a request: in the proportion that was declared; `None` for none.
    fn limit(&self, resource: Resource, request: Amount) -> Option<Amount> {
        let limit = self.declared.limit(resource);
        let declared = self.declared.request(resource);
        if limit.is_unlimited() || limit == Amount::ZERO {
            return None;
        }
        // Of CPU, whole thousandths are multiplied and divided.
        let unit = match resource {
            Resource::Cpu => 1_000,
            Resource::Memory => 1,
        };
        let scaled = scaled(limit.0 / unit, request.0 / unit, declared.0 / unit);
        Some(Amount(scaled.saturating_mul(unit)))
    }

    /// Writes the limits that go with the requests.
    fn write(&self, slot: Slot, out: &mut Vec<Write>) {
        for resource in Resource::ALL {
            let request = self.pod.request[resource.index()];
            if let Some(to) = self.limit(resource, request) {
                out.push(Write::Limit { slot, resource, to });
            }
        }
    }
}

impl Controller for Vpa {
    fn name(&self) -> &'static str {
        self.params.name
    }

    fn interval(&self) -> Nanos {
        self.params.interval
    }

    fn delay(&self) -> Nanos {
        self.params.delay
    }

    fn begin(&mut self, now: Nanos, seen: &Seen, out: &mut Vec<Write>) {
        if let Some(state) = self.states.get_mut(&seen.slot) {
            state.restart(&self.params, now, seen);
            state.write(seen.slot, out);
        } else {
            let state = State::new(&self.params, now, seen);
            self.states.insert(seen.slot, state);
        }
    }

    fn look(&mut self, now: Nanos, _node: &NodeSeen, seen: &[Seen], out: &mut Vec<Write>) {
        for seen in seen {
            if let Some(state) = self.states.get_mut(&seen.slot) {
                state.recommend(&self.params, now, seen);
                state.update(&self.params, now, seen, out);
            }
        }
    }

    fn held(&self, slot: Slot, resource: Resource) -> Amount {
        self.states
            .get(&slot)
            .map_or(Amount::ZERO, |state| state.pod.request[resource.index()])
    }
}
