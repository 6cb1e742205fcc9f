//! Koordinator's CPU burst: a throttled container's quota grows by a fifth each second, up to three times
//! its limit, while the node is not half used.
//!
//! Source: `pkg/koordlet/qosmanager/plugins/cpuburst/cpu_burst.go` of koordinator-sh/koordinator at
//! a7a1b76b (2026-07-24), with the defaults of `pkg/util/sloconfig/nodeslo_config.go`, except for the
//! policy: it is `none` by default, and compared is `auto`.
//!
//! Every second: throttled in the last sample, times 1.2; else it stays. The node's use, averaged over 5 s,
//! at 50 % or more of its CPUs turns growing and staying into times 0.8; at 45 % or more, or unknown, growing
//! into staying. The quota stays between the declared limit and three times it. All workloads count as pods
//! of the shared pool (`LS`); the token bucket (`cfsQuotaBurstPeriodSeconds`) is off by default and left out.
//!
//! The other half, `cpu.max.burst` at ten times the limit, is refused by the kernel, which wants no more
//! than the quota (issues 2326 and 2778); with [`Params::capped`] it is the quota (pull request 2801).
//!
//! What it holds is the declared request: the scheduler counts only that, and the burst comes from what
//! is idle, for which nothing is set aside. The sample that is used was taken by another loop of one second,
//! half a second before on average, which is the delay.

use std::collections::{BTreeMap, VecDeque};

use super::declared::Declared;
use super::number::{cores, float, rate, whole};
use crate::node::{Controller, NodeSeen, Seen, Write};
use crate::signal::{Amount, Nanos, Resource, Slot};

/// The period that quotas are counted in, in us.
const PERIOD: u64 = 100_000;

/// What can be chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Params {
    /// Between two looks (`--reconcile-interval-seconds`).
    pub interval: Nanos,
    /// By what a quota grows.
    pub up: f64,
    /// By what it shrinks.
    pub down: f64,
    /// `cfsQuotaBurstPercent`: the most, of the limit.
    pub most: u32,
    /// `cpuBurstPercent`: the burst, of the limit.
    pub burst: u32,
    /// Whether the burst is held to what the kernel takes; otherwise it is refused, and none is ordered.
    pub capped: bool,
    /// `sharePoolThresholdPercent`: the node is overloaded from here on, of its CPUs.
    pub overload: u32,
    /// The node cools from this part of the threshold on.
    pub cooling: f64,
    /// For how many looks the node's use is averaged.
    pub averaged: usize,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            interval: Nanos::SECOND,
            up: 1.2,
            down: 0.8,
            most: 300,
            burst: 1000,
            capped: false,
            overload: 50,
            cooling: 0.9,
            averaged: 5,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Up,
    Down,
    Remain,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    Overload,
    Cooling,
    Idle,
    Unknown,
}

#[derive(Clone, Debug)]
struct State {
    declared: Declared,
    /// Of the last look: periods, and those that were throttled.
    last: Option<(u64, u64)>,
}

/// The law.
#[derive(Clone, Debug, Default)]
pub struct Koordinator {
    params: Params,
    states: BTreeMap<Slot, State>,
    /// Of the node at the last look: when, and the CPU time used by then.
    last: Option<(Nanos, Nanos)>,
    /// The node's use in CPUs, of the last looks.
    uses: VecDeque<f64>,
}

impl Koordinator {
    /// With these parameters.
    #[must_use]
    pub const fn new(params: Params) -> Self {
        Self {
            params,
            states: BTreeMap::new(),
            last: None,
            uses: VecDeque::new(),
        }
    }

    fn node(&mut self, now: Nanos, node: &NodeSeen) -> Node {
        if let Some((time, used)) = self.last.replace((now, node.cpu_used)) {
            let usage = rate(node.cpu_used.since(used), now.since(time));
            self.uses.push_back(usage);
            while self.uses.len() > self.params.averaged.max(1) {
                self.uses.pop_front();
            }
        }
        if self.uses.is_empty() {
            return Node::Unknown;
        }
        let used = self.uses.iter().sum::<f64>() / float(self.uses.len() as u64);
        let total = cores(node.cpus);
        let ratio = if total > 0.0 { used / total } else { 1.0 };
        let threshold = f64::from(self.params.overload) / 100.0;
        if ratio >= threshold {
            Node::Overload
        } else if ratio >= threshold * self.params.cooling {
            Node::Cooling
        } else {
            Node::Idle
        }
    }
}

impl State {
    /// What the container by itself would want.
    fn operation(&mut self, seen: &Seen) -> Operation {
        let counts = (seen.cpu.periods, seen.cpu.throttled_periods);
        match self.last.replace(counts) {
            Some((periods, throttled)) if counts.0 > periods && counts.1 > throttled => {
                Operation::Up
            }
            _ => Operation::Remain,
        }
    }

    /// Where the quota should stand and stands, in us of each period; `None` without a limit.
    fn quota(&self, params: &Params, seen: &Seen, operation: Operation) -> Option<(u64, u64)> {
        let limit = self.declared.limit(Resource::Cpu);
        if limit.is_unlimited() || limit == Amount::ZERO || seen.cpu.limit.is_unlimited() {
            return None;
        }
        let base = quota(limit);
        let most = whole(float(base) * f64::from(params.most.max(100)) / 100.0);
        let stands = quota(seen.cpu.limit);
        let to = match operation {
            Operation::Up => whole(float(stands) * params.up),
            Operation::Down => whole(float(stands) * params.down),
            Operation::Remain => stands,
        };
        Some((to.min(most).max(base), stands))
    }
}

/// The node has the last word.
const fn overruled(node: Node, operation: Operation) -> Operation {
    match (node, operation) {
        (Node::Overload, _) => Operation::Down,
        (Node::Cooling | Node::Unknown, Operation::Up) => Operation::Remain,
        _ => operation,
    }
}

/// In us of each period.
const fn quota(limit: Amount) -> u64 {
    limit.0 / (1_000_000 / PERIOD)
}

impl Controller for Koordinator {
    fn name(&self) -> &'static str {
        "koordinator"
    }

    fn interval(&self) -> Nanos {
        self.params.interval
    }

    fn delay(&self) -> Nanos {
        Nanos(self.params.interval.0 / 2)
    }

    fn begin(&mut self, _now: Nanos, seen: &Seen, _out: &mut Vec<Write>) {
        // The runtime sets the declared limit again, and a container's last sample is not its successor's.
        let declared = Declared::of(seen);
        let last = None;
        self.states.insert(seen.slot, State { declared, last });
    }

    fn look(&mut self, now: Nanos, node: &NodeSeen, seen: &[Seen], out: &mut Vec<Write>) {
        let node = self.node(now, node);
        for seen in seen {
            let Some(state) = self.states.get_mut(&seen.slot) else {
                continue;
            };
            let operation = overruled(node, state.operation(seen));
            let Some((to, stands)) = state.quota(&self.params, seen, operation) else {
                continue;
            };
            let slot = seen.slot;
            let burst = Write::Burst {
                slot,
                to: Nanos(to.min(burst(&self.params, &state.declared)) * 1_000),
            };
            // The kernel wants the burst within the quota at every moment.
            if self.params.capped && to <= stands {
                out.push(burst);
            }
            if to != stands {
                out.push(Write::Limit {
                    slot,
                    resource: Resource::Cpu,
                    to: Amount(to * (1_000_000 / PERIOD)),
                });
            }
            if self.params.capped && to > stands {
                out.push(burst);
            }
        }
    }

    fn held(&self, slot: Slot, resource: Resource) -> Amount {
        self.states
            .get(&slot)
            .map_or(Amount::ZERO, |state| state.declared.request(resource))
    }
}

/// The burst that is wanted, in us of each period.
fn burst(params: &Params, declared: &Declared) -> u64 {
    let limit = cores(declared.limit(Resource::Cpu));
    whole(limit * (f64::from(params.burst) / 100.0) * float(PERIOD))
}
