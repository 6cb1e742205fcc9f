//! senpai: lowers the limit above which memory is reclaimed until tasks stall on memory a little.
//!
//! Source: `senpai.py` of facebookincubator/senpai at c51e8e2. Every second the time for which some task
//! stalled on memory (PSI `some`) is added up. Over the target (10 ms), the limit grows by
//! `min((sum / target / 20)^2, 1)` of itself at once; else, after six seconds, it shrinks by
//! `min((target / max(sum, 1 us) / 10)^2 / 100, 1/100)`. Either begins the sum anew. The limit is cut down to
//! whole pages and lies between 100 MiB and 100 GiB; one that somebody else has changed becomes what is
//! used at that moment, and so does the first.
//!
//! What it holds of memory is that limit, which is what it says the workload needs; before it has set one,
//! and of CPU, the declared request. It is pointed at a group that runs already, so that a workload is left
//! alone for [`Params::after`]: ours, as the original has no notion of a start. It reads and writes a few
//! files; its delay is that of a Python program which does so, and was not measured.

use std::collections::BTreeMap;

use super::declared::Declared;
use super::number::{float, whole};
use crate::node::{Controller, NodeSeen, Seen, Write};
use crate::signal::{Amount, Nanos, Resource, Slot};

/// A page.
const PAGE: u64 = 4096;

/// What can be chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Params {
    /// `--min-size`.
    pub least: Amount,
    /// `--max-size`.
    pub most: Amount,
    /// `--interval`: looks between two cuts.
    pub interval: u32,
    /// `--pressure`: how long tasks may stall between two cuts.
    pub pressure: Nanos,
    /// `--max-probe`: the largest cut, of the limit.
    pub max_probe: f64,
    /// `--max-backoff`: the largest growth, of the limit.
    pub max_backoff: f64,
    /// `--coeff-probe`: cuts are largest from this many times less than the target on.
    pub coeff_probe: f64,
    /// `--coeff-backoff`: growth is largest from this many times the target on.
    pub coeff_backoff: f64,
    /// How long a workload is left alone after its start.
    pub after: Nanos,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            least: Amount(100 << 20),
            most: Amount(100 << 30),
            interval: 6,
            pressure: Nanos(10 * Nanos::MILLI.0),
            max_probe: 0.01,
            max_backoff: 1.0,
            coeff_probe: 10.0,
            coeff_backoff: 20.0,
            after: Nanos::MINUTE,
        }
    }
}

#[derive(Clone, Debug)]
struct State {
    declared: Declared,
    started: Nanos,
    /// What it has set; `None` before it has taken the workload on.
    limit: Option<Amount>,
    /// Stall time at the last look, in us.
    total: u64,
    /// Stall time since the last change, in us.
    integral: u64,
    /// Looks left until a cut.
    grace: u32,
}

/// The law.
#[derive(Clone, Debug, Default)]
pub struct Senpai {
    params: Params,
    states: BTreeMap<Slot, State>,
}

impl Senpai {
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
    /// Where the limit goes, if it moves.
    fn tick(&mut self, params: &Params, now: Nanos, seen: &Seen) -> Option<Amount> {
        let total = seen.memory.stalled.0 / 1_000;
        if self.limit.is_none() {
            if now.since(self.started) < params.after {
                return None;
            }
            self.total = total;
            self.grace = params.interval;
            return Some(self.set(params, seen, 0));
        }
        self.integral += total.saturating_sub(self.total);
        self.total = total;
        let target = float(params.pressure.0 / 1_000);
        if float(self.integral) > target {
            let error = float(self.integral) / target;
            let change = (error / params.coeff_backoff).powi(2) * params.max_backoff;
            return Some(self.adjust(params, seen, change.min(params.max_backoff)));
        }
        if self.grace > 0 {
            self.grace -= 1;
            return None;
        }
        let error = target / float(self.integral.max(1));
        let change = (error / params.coeff_probe).powi(2) * params.max_probe;
        Some(self.adjust(params, seen, -change.min(params.max_probe)))
    }

    fn adjust(&mut self, params: &Params, seen: &Seen, factor: f64) -> Amount {
        self.integral = 0;
        self.grace = params.interval.saturating_sub(1);
        let stands = float(seen.memory.high.0);
        self.set(params, seen, whole(stands + stands * factor))
    }

    /// Takes on what is used if the limit is not the one that was set.
    fn set(&mut self, params: &Params, seen: &Seen, wanted: u64) -> Amount {
        let foreign = self.limit != Some(seen.memory.high);
        let wanted = if foreign { seen.memory.used.0 } else { wanted };
        let limit = Amount(wanted.min(params.most.0).max(params.least.0) / PAGE * PAGE);
        self.limit = Some(limit);
        limit
    }
}

impl Controller for Senpai {
    fn name(&self) -> &'static str {
        "senpai"
    }

    fn interval(&self) -> Nanos {
        Nanos::SECOND
    }

    fn delay(&self) -> Nanos {
        Nanos(5 * Nanos::MILLI.0)
    }

    fn begin(&mut self, now: Nanos, seen: &Seen, _out: &mut Vec<Write>) {
        // A group that comes anew has no limit of ours.
        let state = State {
            declared: Declared::of(seen),
            started: now,
            limit: None,
            total: 0,
            integral: 0,
            grace: 0,
        };
        self.states.insert(seen.slot, state);
    }

    fn look(&mut self, now: Nanos, _node: &NodeSeen, seen: &[Seen], out: &mut Vec<Write>) {
        for seen in seen {
            let Some(state) = self.states.get_mut(&seen.slot) else {
                continue;
            };
            if let Some(to) = state.tick(&self.params, now, seen) {
                let slot = seen.slot;
                out.push(Write::High { slot, to });
            }
        }
    }

    fn held(&self, slot: Slot, resource: Resource) -> Amount {
        let Some(state) = self.states.get(&slot) else {
            return Amount::ZERO;
        };
        match (resource, state.limit) {
            (Resource::Memory, Some(limit)) => limit,
            _ => state.declared.request(resource),
        }
    }
}
