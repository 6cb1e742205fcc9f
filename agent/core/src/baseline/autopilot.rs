//! Autopilot's moving window: a percentile of what was used lately, plus a margin, the highest of an hour.
//!
//! Source: Rzadca et al., "Autopilot: workload autoscaling at Google", `EuroSys` 2020, section 3.2 (doi
//! 10.1145/3342195.3387524). The form (samples of 1 s in windows of 5 min; CPU as a histogram of 400 buckets,
//! memory as the peak; weights `2^(-age / half-life)`; mean, load-adjusted percentile or peak; the highest
//! recommendation of an hour) is confirmed by a public re-implementation. Half-lives (12 h and 48 h),
//! percentiles (95 and 98), the margin (10 to 15 %) and which statistic is for whom were not checked against
//! the paper's text. Not published, and ours: where buckets lie (each 3 % wider than the one before),
//! over how many windows a peak counts (a day), and how long a new limit takes to be in force (a minute).
//!
//! The load-adjusted percentile asks below which level of use this part of all *load* was served: a bucket's
//! weight is its samples times its value. A job here is one task, so nothing is summed.
//!
//! What it holds is its limit, for CPU and memory: Borg places tasks by it. Until the first window is full,
//! it holds what was declared and sets nothing.

use std::collections::{BTreeMap, VecDeque};

use super::declared::Declared;
use super::histogram::{Histogram, Scale};
use super::number::{LEAST_CPU, float, rate, whole};
use crate::node::{Controller, NodeSeen, Seen, Write};
use crate::signal::{Amount, Nanos, Resource, Slot};

const HOUR: u64 = 60 * Nanos::MINUTE.0;
/// Buckets of a histogram, and how much wider each is than the one before.
const BUCKETS: u64 = 400;
const RATIO: f64 = 1.03;
/// Less weight in a bucket counts as none.
const EPSILON: f64 = 1e-9;

/// What is made of a window's past.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Statistic {
    /// The weighted mean: CPU of batch jobs.
    Mean,
    /// The load-adjusted percentile, 0 to 1: CPU of serving jobs (0.95, or 0.9 for those that can wait),
    /// memory (0.98).
    Percentile(f64),
    /// The peak of the last windows: memory of jobs that must not be killed.
    Peak,
}

/// How one resource is recommended for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Law {
    /// What is made of the past.
    pub statistic: Statistic,
    /// How long a sample takes to lose half of its weight.
    pub half_life: Nanos,
}

/// What can be chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Params {
    /// CPU.
    pub cpu: Law,
    /// Memory.
    pub memory: Law,
    /// What is added to a recommendation, of it.
    pub margin: f64,
    /// Between two samples.
    pub sample: Nanos,
    /// How long a window is, and between two recommendations.
    pub window: Nanos,
    /// For how long a recommendation counts.
    pub stabilization: Nanos,
    /// For how long a peak counts.
    pub peak: Nanos,
    /// Until a limit is in force.
    pub delay: Nanos,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            cpu: Law {
                statistic: Statistic::Percentile(0.95),
                half_life: Nanos(12 * HOUR),
            },
            memory: Law {
                statistic: Statistic::Percentile(0.98),
                half_life: Nanos(48 * HOUR),
            },
            margin: 0.15,
            sample: Nanos::SECOND,
            window: Nanos(5 * Nanos::MINUTE.0),
            stabilization: Nanos(HOUR),
            peak: Nanos(24 * HOUR),
            delay: Nanos::MINUTE,
        }
    }
}

/// The past of one resource, in CPUs or bytes.
#[derive(Clone, Debug)]
struct Past {
    law: Law,
    /// Load by level of use.
    load: Histogram,
    /// Weighted sum of the windows' means, and of their weights.
    mean: (f64, f64),
    /// The windows' peaks.
    peaks: VecDeque<f64>,
    /// The last recommendations.
    recommended: VecDeque<f64>,
}

/// The window that is being filled.
#[derive(Clone, Copy, Debug, Default)]
struct Window {
    /// When it began, and the CPU time used by then.
    began: Nanos,
    used: Nanos,
    cpu_peak: f64,
    memory_peak: u64,
}

#[derive(Clone, Debug)]
struct State {
    declared: Declared,
    past: [Past; 2],
    window: Window,
    /// Of the last look: when, and the CPU time used by then.
    last: (Nanos, Nanos),
    limit: Option<[Amount; 2]>,
}

/// The law.
#[derive(Clone, Debug, Default)]
pub struct Autopilot {
    params: Params,
    states: BTreeMap<Slot, State>,
}

impl Autopilot {
    /// With these parameters.
    #[must_use]
    pub const fn new(params: Params) -> Self {
        Self {
            params,
            states: BTreeMap::new(),
        }
    }
}

impl Past {
    fn new(law: Law, first: f64) -> Self {
        Self {
            law,
            load: Histogram::new(Scale::of(BUCKETS, first, RATIO, EPSILON), law.half_life),
            mean: (0.0, 0.0),
            peaks: VecDeque::new(),
            recommended: VecDeque::new(),
        }
    }

    /// Closes a window and recommends.
    fn close(&mut self, params: &Params, mean: f64, peak: f64) -> f64 {
        let window = params.window.0.max(1);
        let fade = (-float(window) / float(self.law.half_life.0)).exp2();
        self.mean = (self.mean.0 * fade + mean, self.mean.1 * fade + 1.0);
        keep(&mut self.peaks, peak, params.peak.0 / window);
        let wanted = match self.law.statistic {
            Statistic::Mean => self.mean.0 / self.mean.1,
            Statistic::Percentile(part) => self.load.percentile(part),
            Statistic::Peak => highest(&self.peaks),
        };
        let padded = wanted * (1.0 + params.margin);
        keep(
            &mut self.recommended,
            padded,
            params.stabilization.0 / window,
        );
        highest(&self.recommended)
    }
}

fn keep(values: &mut VecDeque<f64>, value: f64, most: u64) {
    values.push_back(value);
    while values.len() as u64 > most.max(1) {
        values.pop_front();
    }
}

fn highest(values: &VecDeque<f64>) -> f64 {
    values.iter().copied().fold(0.0, f64::max)
}

impl State {
    fn new(params: &Params, now: Nanos, seen: &Seen) -> Self {
        let mut state = Self {
            declared: Declared::of(seen),
            past: [Past::new(params.cpu, 0.001), Past::new(params.memory, 1e6)],
            window: Window::default(),
            last: (now, seen.cpu.used),
            limit: None,
        };
        state.open(now, seen);
        state
    }

    fn open(&mut self, now: Nanos, seen: &Seen) {
        self.window = Window {
            began: now,
            used: seen.cpu.used,
            ..Window::default()
        };
    }

    /// Takes a sample in; the new limits when it closes a window.
    fn sample(&mut self, params: &Params, now: Nanos, seen: &Seen) -> Option<[Amount; 2]> {
        let (time, used) = self.last;
        if now <= time {
            return None;
        }
        let cpu = rate(seen.cpu.used.since(used), now.since(time));
        self.last = (now, seen.cpu.used);
        self.past[0].load.add(cpu, cpu, now);
        self.window.cpu_peak = self.window.cpu_peak.max(cpu);
        self.window.memory_peak = self.window.memory_peak.max(seen.memory.used.0);
        let during = now.since(self.window.began);
        if during < params.window {
            return None;
        }
        let mean = rate(seen.cpu.used.since(self.window.used), during);
        let peak = float(self.window.memory_peak);
        self.past[1].load.add(peak, peak / 1e6, now);
        let cpu = self.past[0].close(params, mean, self.window.cpu_peak);
        let memory = self.past[1].close(params, peak, peak);
        self.open(now, seen);
        let cpu = Amount(whole(cpu * 1e6));
        let idle = cpu == Amount::ZERO;
        let cpu = if idle { cpu } else { cpu.max(LEAST_CPU) };
        Some([cpu, Amount(whole(memory))])
    }

    fn write(&self, slot: Slot, out: &mut Vec<Write>) {
        for resource in Resource::ALL {
            // Nothing was used at all: there is no limit that low.
            let to = self
                .limit
                .map_or(Amount::ZERO, |limit| limit[resource.index()]);
            if to > Amount::ZERO {
                out.push(Write::Limit { slot, resource, to });
            }
        }
    }
}

impl Controller for Autopilot {
    fn name(&self) -> &'static str {
        "autopilot"
    }

    fn interval(&self) -> Nanos {
        self.params.sample
    }

    fn delay(&self) -> Nanos {
        self.params.delay
    }

    fn begin(&mut self, now: Nanos, seen: &Seen, out: &mut Vec<Write>) {
        if let Some(state) = self.states.get_mut(&seen.slot) {
            state.last = (now, seen.cpu.used);
            state.write(seen.slot, out);
        } else {
            let state = State::new(&self.params, now, seen);
            self.states.insert(seen.slot, state);
        }
    }

    fn look(&mut self, now: Nanos, _node: &NodeSeen, seen: &[Seen], out: &mut Vec<Write>) {
        for seen in seen {
            let Some(state) = self.states.get_mut(&seen.slot) else {
                continue;
            };
            if let Some(limit) = state.sample(&self.params, now, seen)
                && state.limit != Some(limit)
            {
                state.limit = Some(limit);
                state.write(seen.slot, out);
            }
        }
    }

    fn held(&self, slot: Slot, resource: Resource) -> Amount {
        let Some(state) = self.states.get(&slot) else {
            return Amount::ZERO;
        };
        match state.limit.map(|limit| limit[resource.index()]) {
            Some(limit) if limit > Amount::ZERO => limit,
            _ => state.declared.request(resource),
        }
    }
}
