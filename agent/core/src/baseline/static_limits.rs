//! Static limits: the request is the 99th percentile of what was used while it was watched, and stays.
//!
//! Source: none that is published as a law. It is what is done by hand: watch for a while, take a high
//! percentile of the samples of a minute, write it down. The limit of CPU is the request (Kubernetes' class
//! `Guaranteed`); that of memory is the highest use that was seen, as a limit at a percentile kills.
//!
//! What it holds is the request: before the watch is over what was declared, then the percentile. With
//! [`Params::learn`] at 0 what was declared is the request and the limit from the start.

use std::collections::BTreeMap;

use super::declared::Declared;
use super::number::LEAST_CPU;
use crate::node::{Controller, NodeSeen, Seen, Write};
use crate::signal::{Amount, Nanos, Resource, Slot};

/// What can be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    /// How long use is watched.
    pub learn: Nanos,
    /// Between two samples.
    pub interval: Nanos,
    /// Which percentile is requested.
    pub percent: u64,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            learn: Nanos(24 * 60 * Nanos::MINUTE.0),
            interval: Nanos::MINUTE,
            percent: 99,
        }
    }
}

/// What was settled on, for CPU and memory; 0 for nothing.
#[derive(Clone, Copy, Debug)]
struct Settled {
    request: [Amount; 2],
    limit: [Amount; 2],
}

#[derive(Clone, Debug)]
struct State {
    declared: Declared,
    began: Nanos,
    /// Of the last look: when, and the CPU time used by then.
    last: (Nanos, Nanos),
    samples: [Vec<u64>; 2],
    peak: Amount,
    settled: Option<Settled>,
}

/// The law.
#[derive(Clone, Debug, Default)]
pub struct StaticLimits {
    params: Params,
    states: BTreeMap<Slot, State>,
}

impl StaticLimits {
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
    fn new(params: &Params, now: Nanos, seen: &Seen) -> Self {
        let declared = Declared::of(seen);
        let request = Resource::ALL.map(|resource| declared.request(resource));
        let settled = Settled {
            request,
            limit: request,
        };
        Self {
            declared,
            began: now,
            last: (now, seen.cpu.used),
            samples: [Vec::new(), Vec::new()],
            peak: Amount::ZERO,
            settled: (params.learn == Nanos(0)).then_some(settled),
        }
    }

    fn watch(&mut self, now: Nanos, seen: &Seen) {
        let (time, used) = self.last;
        self.last = (now, seen.cpu.used);
        self.peak = self.peak.max(seen.memory.peak).max(seen.memory.used);
        if now > time {
            let micros = u128::from(seen.cpu.used.since(used).0) * 1_000_000;
            let micros = micros / u128::from(now.since(time).0);
            self.samples[0].push(u64::try_from(micros).unwrap_or(u64::MAX));
            self.samples[1].push(seen.memory.used.0);
        }
    }

    fn settle(&mut self, params: &Params) -> Settled {
        let request = [0, 1].map(|resource: usize| {
            let samples = &mut self.samples[resource];
            Amount(percentile(samples, params.percent))
        });
        let settled = Settled {
            request,
            limit: [request[0], request[1].max(self.peak)],
        };
        self.samples = [Vec::new(), Vec::new()];
        self.settled = Some(settled);
        settled
    }
}

impl Settled {
    fn write(&self, slot: Slot, out: &mut Vec<Write>) {
        for resource in Resource::ALL {
            let to = self.limit[resource.index()];
            if to > Amount::ZERO {
                let to = match resource {
                    Resource::Cpu => to.max(LEAST_CPU),
                    Resource::Memory => to,
                };
                out.push(Write::Limit { slot, resource, to });
            }
        }
    }
}

/// The smallest sample that this percentage of all does not exceed; 0 without samples.
fn percentile(samples: &mut [u64], percent: u64) -> u64 {
    samples.sort_unstable();
    let rank = (samples.len() as u64 * percent).div_ceil(100).max(1) - 1;
    let rank = usize::try_from(rank).unwrap_or(usize::MAX);
    samples.get(rank).copied().unwrap_or(0)
}

impl Controller for StaticLimits {
    fn name(&self) -> &'static str {
        "static"
    }

    fn interval(&self) -> Nanos {
        self.params.interval
    }

    fn delay(&self) -> Nanos {
        Nanos::SECOND
    }

    fn begin(&mut self, now: Nanos, seen: &Seen, out: &mut Vec<Write>) {
        let params = &self.params;
        let state = self
            .states
            .entry(seen.slot)
            .or_insert_with(|| State::new(params, now, seen));
        state.last = (now, seen.cpu.used);
        if let Some(settled) = state.settled {
            settled.write(seen.slot, out);
        }
    }

    fn look(&mut self, now: Nanos, _node: &NodeSeen, seen: &[Seen], out: &mut Vec<Write>) {
        for seen in seen {
            let Some(state) = self.states.get_mut(&seen.slot) else {
                continue;
            };
            if state.settled.is_none() {
                state.watch(now, seen);
                if now.since(state.began) >= self.params.learn {
                    state.settle(&self.params).write(seen.slot, out);
                }
            }
        }
    }

    fn held(&self, slot: Slot, resource: Resource) -> Amount {
        self.states.get(&slot).map_or(Amount::ZERO, |state| {
            state.settled.map_or_else(
                || state.declared.request(resource),
                |settled| settled.request[resource.index()],
            )
        })
    }
}
