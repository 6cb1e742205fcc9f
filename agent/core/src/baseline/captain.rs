//! Captain, the part of Autothrottle that runs on each node, with a fixed target.
//!
//! Source: class `CaptainScaler` in `worker-daemon.py` of microsoft/autothrottle at d237d7f (2023-09-16);
//! Wang et al., "Autothrottle", NSDI 2024. The paper's Tower moves the target each minute by what it has
//! learnt of the application's latency; here it is fixed, one of the nine that Tower chooses from (0 to 0.3).
//!
//! Every 100 ms it notes use and whether the period was throttled. With `r` the throttled part of the last
//! ten periods:
//! - at any look, `r > 3 * target` after a cut gives the cut back twice and raises the margin by `r - target`;
//! - every second the margin moves by `r - target`, not below 0; `r > 3 * target` raises the limit by
//!   `r - 3 * target` of itself; else the highest use of 5 s plus margin times its standard deviation becomes
//!   the limit if that is 10 % lower or more, but at most half is cut at once.
//!
//! What it holds of CPU is the limit: the sum of limits is what its authors say it saves. It does not touch
//! memory and holds what was declared. The standard deviation is summed in floating point; the original sums
//! exactly and rounds once, which may differ in the last bit.

use std::collections::{BTreeMap, VecDeque};

use super::autothrottle::{DELAY, INITIAL, INTERVAL, SLACK, Written};
use super::declared::Declared;
use super::number::{float, rate};
use crate::node::{Controller, NodeSeen, Seen, Write};
use crate::signal::{Amount, Nanos, Resource, Slot};

/// Periods over which throttling is counted.
const PERIODS: usize = 10;
/// Looks over which use is remembered.
const USES: usize = 50;
/// The least limit, in CPUs.
const LEAST: f64 = 0.01;

/// What can be chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Params {
    /// Which part of periods may be throttled, 0 to 1.
    pub target: f64,
    /// The limit at the start, in CPUs.
    pub initial: f64,
    /// The margin at the start, in standard deviations.
    pub margin: f64,
    /// Between two decisions.
    pub period: Nanos,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            target: 0.1,
            initial: INITIAL,
            margin: 3.0,
            period: Nanos::SECOND,
        }
    }
}

#[derive(Clone, Debug)]
struct State {
    declared: Declared,
    /// Of the last look: when, CPU time used, throttled periods.
    last: Option<(Nanos, Nanos, u64)>,
    /// When it decided last.
    decided: Nanos,
    throttled: VecDeque<u64>,
    uses: VecDeque<f64>,
    limit: f64,
    last_limit: f64,
    margin: f64,
    /// Whether the last decision was a cut that has not been given back.
    cut: bool,
    written: Written,
}

/// The law.
#[derive(Clone, Debug, Default)]
pub struct Captain {
    params: Params,
    states: BTreeMap<Slot, State>,
}

impl Captain {
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
    fn new(params: &Params, seen: &Seen) -> Self {
        Self {
            declared: Declared::of(seen),
            last: None,
            decided: Nanos(0),
            throttled: VecDeque::from([0; PERIODS]),
            uses: VecDeque::from([0.0; USES]),
            limit: params.initial,
            last_limit: params.initial,
            margin: params.margin,
            cut: false,
            written: Written::default(),
        }
    }

    /// What the limit should be, in CPUs.
    fn scale(&mut self, params: &Params, now: Nanos, seen: &Seen) -> f64 {
        let (used, throttled) = (seen.cpu.used, seen.cpu.throttled_periods);
        let Some((time, used_before, throttled_before)) = self.last.replace((now, used, throttled))
        else {
            self.decided = now;
            return self.limit;
        };
        push(
            &mut self.throttled,
            throttled.saturating_sub(throttled_before),
        );
        push(
            &mut self.uses,
            rate(used.since(used_before), now.since(time)),
        );
        self.roll_back(params);
        if now.plus(SLACK) >= self.decided.plus(params.period) {
            self.decide(params);
            self.decided = now;
        }
        self.limit
    }

    /// Gives back a cut that has led to throttling.
    fn roll_back(&mut self, params: &Params) {
        let ratio = self.ratio();
        if ratio > 3.0 * params.target && self.cut {
            self.limit = 2.0 * self.last_limit - self.limit;
            self.margin += ratio - params.target;
            self.forget();
            self.cut = false;
        }
    }

    fn decide(&mut self, params: &Params) {
        self.last_limit = self.limit;
        let ratio = self.ratio();
        self.margin = (self.margin + (ratio - params.target)).max(0.0);
        self.cut = false;
        if ratio > 3.0 * params.target {
            self.limit *= 1.0 + (ratio - 3.0 * params.target);
        } else {
            let highest = self.uses.iter().copied().fold(0.0, f64::max);
            let wanted = highest + deviation(&self.uses) * self.margin;
            if wanted <= self.limit * 0.9 {
                self.limit = (self.limit * 0.5).max(wanted);
                self.cut = true;
            }
        }
        self.forget();
        self.limit = self.limit.max(LEAST);
    }

    /// The part of the last periods that was throttled.
    fn ratio(&self) -> f64 {
        float(self.throttled.iter().sum()) / float(PERIODS as u64)
    }

    fn forget(&mut self) {
        self.throttled.iter_mut().for_each(|count| *count = 0);
    }
}

fn push<T>(history: &mut VecDeque<T>, value: T) {
    history.pop_front();
    history.push_back(value);
}

/// The standard deviation of a sample.
fn deviation(values: &VecDeque<f64>) -> f64 {
    let count = float(values.len() as u64);
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (squares / (count - 1.0)).sqrt()
}

impl Controller for Captain {
    fn name(&self) -> &'static str {
        "captain"
    }

    fn interval(&self) -> Nanos {
        INTERVAL
    }

    fn delay(&self) -> Nanos {
        DELAY
    }

    fn begin(&mut self, _now: Nanos, seen: &Seen, out: &mut Vec<Write>) {
        let params = &self.params;
        let state = self
            .states
            .entry(seen.slot)
            .or_insert_with(|| State::new(params, seen));
        state.written.begin(seen.slot, state.limit, out);
    }

    fn look(&mut self, now: Nanos, _node: &NodeSeen, seen: &[Seen], out: &mut Vec<Write>) {
        for seen in seen {
            if let Some(state) = self.states.get_mut(&seen.slot) {
                let limit = state.scale(&self.params, now, seen);
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
