//! K8s-CPU and K8s-CPU-Fast: use divided by a target utilisation, the highest of the last minutes.
//!
//! Source: classes `K8sCPUScaler` and `K8sCPUFastScaler` in `worker-daemon.py` of microsoft/autothrottle at
//! d237d7f (2023-09-16), with which its authors compare themselves; the rule is that of the Kubernetes
//! Horizontal Pod Autoscaler, applied to a limit. Every period `P` it takes `use / target` and sets the
//! highest of the last `W / P`: 15 s and 300 s, or 1 s and 20 s.
//!
//! What it holds of CPU is the limit that it sets: by the sum of limits its authors score it. It does not
//! touch memory and holds what was declared. The target has no default in the original: it was searched for
//! each application and trace (0.4 to 0.8 in `evaluation.py`); the medians of what was found are 0.5 and 0.6.

use std::collections::{BTreeMap, VecDeque};

use super::autothrottle::{DELAY, INITIAL, INTERVAL, SLACK, Written};
use super::declared::Declared;
use super::number::rate;
use crate::node::{Controller, NodeSeen, Seen, Write};
use crate::signal::{Amount, Nanos, Resource, Slot};

/// What can be chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Params {
    /// What tables call it.
    pub name: &'static str,
    /// Between two recommendations.
    pub period: Nanos,
    /// For how long a recommendation counts.
    pub stabilization: Nanos,
    /// The utilisation that is aimed at, 0 to 1.
    pub target: f64,
    /// The limit until the first recommendation, in CPUs.
    pub initial: f64,
}

impl Params {
    /// K8s-CPU: every 15 s, over 300 s.
    #[must_use]
    pub const fn slow() -> Self {
        Self {
            name: "k8s-cpu",
            period: Nanos(15 * Nanos::SECOND.0),
            stabilization: Nanos(300 * Nanos::SECOND.0),
            target: 0.5,
            initial: INITIAL,
        }
    }

    /// K8s-CPU-Fast: every second, over 20 s.
    #[must_use]
    pub const fn fast() -> Self {
        Self {
            name: "k8s-cpu-fast",
            period: Nanos::SECOND,
            stabilization: Nanos(20 * Nanos::SECOND.0),
            target: 0.6,
            ..Self::slow()
        }
    }
}

impl Default for Params {
    fn default() -> Self {
        Self::slow()
    }
}

#[derive(Clone, Debug)]
struct State {
    declared: Declared,
    /// When it scaled last, and the CPU time used by then.
    last: Option<(Nanos, Nanos)>,
    /// `use / target` of the last periods, in CPUs.
    recommendations: VecDeque<f64>,
    limit: f64,
    written: Written,
}

/// The law.
#[derive(Clone, Debug, Default)]
pub struct K8sCpu {
    params: Params,
    states: BTreeMap<Slot, State>,
}

impl K8sCpu {
    /// With these parameters.
    #[must_use]
    pub const fn new(params: Params) -> Self {
        Self {
            params,
            states: BTreeMap::new(),
        }
    }
}

impl State {
    /// What the limit should be, in CPUs.
    fn scale(&mut self, params: &Params, now: Nanos, used: Nanos) -> f64 {
        let Some((time, before)) = self.last else {
            self.last = Some((now, used));
            return self.limit;
        };
        if now.plus(SLACK) < time.plus(params.period) {
            return self.limit;
        }
        let usage = rate(used.since(before), now.since(time));
        let length = params.stabilization.0 / params.period.0.max(1);
        self.recommendations.push_back(usage / params.target);
        while self.recommendations.len() as u64 > length.max(1) {
            self.recommendations.pop_front();
        }
        self.limit = self.recommendations.iter().copied().fold(0.0, f64::max);
        self.last = Some((now, used));
        self.limit
    }
}

impl Controller for K8sCpu {
    fn name(&self) -> &'static str {
        self.params.name
    }

    fn interval(&self) -> Nanos {
        INTERVAL
    }

    fn delay(&self) -> Nanos {
        DELAY
    }

    fn begin(&mut self, _now: Nanos, seen: &Seen, out: &mut Vec<Write>) {
        let state = self.states.entry(seen.slot).or_insert_with(|| State {
            declared: Declared::of(seen),
            last: None,
            recommendations: VecDeque::new(),
            limit: self.params.initial,
            written: Written::default(),
        });
        state.written.begin(seen.slot, state.limit, out);
    }

    fn look(&mut self, now: Nanos, _node: &NodeSeen, seen: &[Seen], out: &mut Vec<Write>) {
        for seen in seen {
            if let Some(state) = self.states.get_mut(&seen.slot) {
                let limit = state.scale(&self.params, now, seen.cpu.used);
                state.written.write(seen.slot, limit, out);
            }
        }
    }

    fn held(&self, slot: Slot, resource: Resource) -> Amount {
        let Some(state) = self.states.get(&slot) else {
            return Amount::ZERO;
        };
        match resource {
            Resource::Cpu => state.written.amount(),
            Resource::Memory => state.declared.request(Resource::Memory),
        }
    }
}
