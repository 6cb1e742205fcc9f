//! A fixed threshold: the limit grows when use has been over 80 % of it for a minute, and shrinks when
//! it has been under 40 % for five.
//!
//! Source: none that is published as a law. It is the alarm that monitoring systems are commonly made
//! to act on: samples every 15 s, a rule that must hold for a while, a fixed step (here a quarter), and a
//! time in which nothing follows an act (here a minute). Use below the lower threshold after a cut is always
//! below the upper one, so that cuts and growth do not take turns: 0.4 * 1.25 < 0.8.
//!
//! What it holds is the limit that it sets, for CPU and memory: it knows nothing else, and who runs such a
//! rule plans by limits. A resource without a limit has no utilisation and is left alone, and held is then
//! what was declared. A limit grows to the node's size at most.

use std::collections::BTreeMap;

use super::declared::Declared;
use crate::node::{Controller, NodeSeen, Seen, Write};
use crate::signal::{Amount, Nanos, Resource, Slot};

/// What can be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    /// Between two samples.
    pub interval: Nanos,
    /// Use above this part of the limit is high, in percent.
    pub high: u32,
    /// For how long it must be.
    pub high_for: Nanos,
    /// Use below this part of the limit is low, in percent.
    pub low: u32,
    /// For how long it must be.
    pub low_for: Nanos,
    /// The limit grows to this much of itself, and shrinks by as much, in percent.
    pub factor: u32,
    /// How long nothing follows an act.
    pub calm: Nanos,
    /// The least CPU that is left, in micro-CPUs, and the least memory, in bytes.
    pub least: [Amount; 2],
}

impl Default for Params {
    fn default() -> Self {
        Self {
            interval: Nanos(15 * Nanos::SECOND.0),
            high: 80,
            high_for: Nanos::MINUTE,
            low: 40,
            low_for: Nanos(5 * Nanos::MINUTE.0),
            factor: 125,
            calm: Nanos::MINUTE,
            least: [Amount(10_000), Amount(32 * Amount::MIB.0)],
        }
    }
}

/// One resource of one workload.
#[derive(Clone, Copy, Debug, Default)]
struct Watch {
    high_since: Option<Nanos>,
    low_since: Option<Nanos>,
    acted: Option<Nanos>,
    /// What it has set.
    limit: Option<Amount>,
}

#[derive(Clone, Debug)]
struct State {
    declared: Declared,
    /// Of the last look: when, and the CPU time used by then.
    last: (Nanos, Nanos),
    watches: [Watch; 2],
}

/// The law.
#[derive(Clone, Debug, Default)]
pub struct Threshold {
    params: Params,
    states: BTreeMap<Slot, State>,
}

impl Threshold {
    /// With these parameters.
    #[must_use]
    pub const fn new(params: Params) -> Self {
        Self {
            params,
            states: BTreeMap::new(),
        }
    }
}

impl Watch {
    /// Where the limit goes, if it moves.
    fn judge(
        &mut self,
        params: &Params,
        now: Nanos,
        used: Amount,
        limit: Amount,
        range: (Amount, Amount),
    ) -> Option<Amount> {
        if limit.is_unlimited() {
            return None;
        }
        let percent = used.percent_of(limit);
        let high = lasting(&mut self.high_since, percent > params.high, now);
        let low = lasting(&mut self.low_since, percent < params.low, now);
        if self
            .acted
            .is_some_and(|acted| now.since(acted) < params.calm)
        {
            return None;
        }
        let factor = params.factor.max(101);
        let to = if high.is_some_and(|held| held >= params.high_for) {
            limit.percent(factor).min(range.1).max(limit)
        } else if low.is_some_and(|held| held >= params.low_for) {
            let shrunk = limit.0.saturating_mul(100) / u64::from(factor);
            Amount(shrunk).max(range.0).min(limit)
        } else {
            return None;
        };
        self.acted = Some(now);
        self.limit = Some(to);
        (to != limit).then_some(to)
    }
}

/// For how long a condition has held, if it does.
fn lasting(since: &mut Option<Nanos>, holds: bool, now: Nanos) -> Option<Nanos> {
    *since = if holds { since.or(Some(now)) } else { None };
    since.map(|since| now.since(since))
}

impl Controller for Threshold {
    fn name(&self) -> &'static str {
        "threshold"
    }

    fn interval(&self) -> Nanos {
        self.params.interval
    }

    fn delay(&self) -> Nanos {
        Nanos::SECOND
    }

    fn begin(&mut self, now: Nanos, seen: &Seen, out: &mut Vec<Write>) {
        let state = self.states.entry(seen.slot).or_insert_with(|| State {
            declared: Declared::of(seen),
            last: (now, seen.cpu.used),
            watches: [Watch::default(); 2],
        });
        state.last = (now, seen.cpu.used);
        for resource in Resource::ALL {
            let watch = &mut state.watches[resource.index()];
            let limit = watch.limit;
            *watch = Watch {
                limit,
                ..Watch::default()
            };
            if let Some(to) = limit {
                let slot = seen.slot;
                out.push(Write::Limit { slot, resource, to });
            }
        }
    }

    fn look(&mut self, now: Nanos, node: &NodeSeen, seen: &[Seen], out: &mut Vec<Write>) {
        for seen in seen {
            let Some(state) = self.states.get_mut(&seen.slot) else {
                continue;
            };
            let (time, used) = state.last;
            if now <= time {
                continue;
            }
            state.last = (now, seen.cpu.used);
            let micros = u128::from(seen.cpu.used.since(used).0) * 1_000_000;
            let micros = micros / u128::from(now.since(time).0);
            let cpu = Amount(u64::try_from(micros).unwrap_or(u64::MAX));
            let sides = [
                (cpu, seen.cpu.limit, node.cpus),
                (seen.memory.used, seen.memory.limit, node.memory),
            ];
            for resource in Resource::ALL {
                let (used, limit, most) = sides[resource.index()];
                let least = self.params.least[resource.index()].max(match resource {
                    Resource::Cpu => Amount::ZERO,
                    Resource::Memory => used,
                });
                let watch = &mut state.watches[resource.index()];
                if let Some(to) = watch.judge(&self.params, now, used, limit, (least, most)) {
                    let slot = seen.slot;
                    out.push(Write::Limit { slot, resource, to });
                }
            }
        }
    }

    fn held(&self, slot: Slot, resource: Resource) -> Amount {
        let Some(state) = self.states.get(&slot) else {
            return Amount::ZERO;
        };
        let limit = state.declared.limit(resource);
        let set = state.watches[resource.index()].limit;
        match set {
            Some(limit) => limit,
            None if limit.is_unlimited() => state.declared.request(resource),
            None => limit,
        }
    }
}
