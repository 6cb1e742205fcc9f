//! What was used, and what is recommended by it.
//!
//! The original counts CPU in whole thousandths and memory in whole bytes, and rounds down after each
//! step; so does this.

use super::super::histogram::{Histogram, Scale};
use super::super::number::{between, float, whole};
use super::params::{Params, Weight};
use crate::signal::{Amount, Nanos, Resource};

/// Each bucket is wider than the one before by this.
const RATIO: f64 = 1.05;
/// The least weight of a sample.
const LEAST_WEIGHT: f64 = 0.1;
/// Less weight in a bucket counts as none.
const EPSILON: f64 = 0.001 * LEAST_WEIGHT;
/// The most of any resource, in its own unit.
const MOST: f64 = 1e14;
/// Micro-CPUs in the original's unit of CPU.
const MILLI: u64 = 1_000;

/// What is recommended for one resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// A request below it is too low.
    pub lower: Amount,
    /// What the request should be.
    pub target: Amount,
    /// A request above it is too high.
    pub upper: Amount,
}

/// What is recommended, for CPU and memory.
pub type Recommendation = [Bounds; 2];

/// What all containers of one kind have used (`AggregateContainerState`).
#[derive(Clone, Debug)]
pub struct History {
    cpu: Histogram,
    memory: Histogram,
    first: Option<Nanos>,
    last: Nanos,
    samples: u64,
}

/// What one container has used lately (`ContainerState`).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Container {
    /// The most memory that was seen in this interval.
    peak: u64,
    /// What a kill in this interval says it would have needed.
    oom_peak: u64,
    /// When this interval ends.
    ends: Option<Nanos>,
    last_memory: Nanos,
}

impl History {
    /// Nothing used yet.
    #[must_use]
    pub fn new(params: &Params) -> Self {
        let cpu = Scale::up_to(1000.0, 0.01, RATIO, EPSILON);
        let memory = Scale::up_to(1e12, 1e7, RATIO, EPSILON);
        Self {
            cpu: Histogram::new(cpu, params.half_life),
            memory: Histogram::new(memory, params.half_life),
            first: None,
            last: Nanos(0),
            samples: 0,
        }
    }

    /// Takes in what a container with this request has used of CPU on average.
    pub fn add_cpu(&mut self, params: &Params, now: Nanos, used: Amount, request: Amount) {
        let weight = match params.weight {
            Weight::Constant => LEAST_WEIGHT,
            Weight::Request => (float(request.0 / MILLI) / 1000.0).max(LEAST_WEIGHT),
        };
        // metrics-server's quantity becomes thousandths by rounding up.
        let used = float(used.0.div_ceil(MILLI)) / 1000.0;
        self.cpu.add(used, weight, now);
        self.last = self.last.max(now);
        self.first.get_or_insert(now);
        self.samples += 1;
    }

    /// What is recommended; `None` before the first sample.
    #[must_use]
    pub fn recommend(&self, params: &Params) -> Option<Recommendation> {
        let first = self.first?;
        let span = float(params.confidence.0);
        let lifespan = between(self.last, first) / span;
        let samples = float(self.samples) / (span / float(Nanos::MINUTE.0));
        let confidence = lifespan.min(samples);
        let lower = (1.0 + 0.001 / confidence).powf(-2.0);
        let upper = (1.0 + 1.0 / confidence).powf(1.0);
        Some(Resource::ALL.map(|resource| {
            let estimate = |part, multiplier| self.estimate(params, resource, part, multiplier);
            Bounds {
                lower: estimate(params.lower, Some(lower)),
                target: estimate(params.target, None),
                upper: estimate(params.upper, Some(upper)),
            }
        }))
    }

    /// Percentile, margin, confidence, least: in this order.
    fn estimate(
        &self,
        params: &Params,
        resource: Resource,
        part: f64,
        multiplier: Option<f64>,
    ) -> Amount {
        let (base, unit, least) = match resource {
            Resource::Cpu => {
                let base = self.cpu.percentile(part) * 1000.0;
                (base, MILLI, params.least_cpu.0 / MILLI)
            }
            Resource::Memory => (self.memory.percentile(part), 1, params.least_memory.0),
        };
        let base = amount(base);
        let padded = base + amount(float(base) * params.margin);
        let sure = multiplier.map_or(padded, |by| amount(float(padded) * by));
        Amount(sure.max(least) * unit)
    }
}

impl Container {
    /// Takes in what it uses of memory.
    pub(super) fn add_memory(
        &mut self,
        history: &mut History,
        params: &Params,
        now: Nanos,
        used: u64,
    ) {
        if now >= self.last_memory {
            self.add(history, params, now, used, false);
        }
    }

    /// Takes in that it was killed for want of memory while this was its request.
    pub(super) fn record_oom(
        &mut self,
        history: &mut History,
        params: &Params,
        now: Nanos,
        request: u64,
    ) {
        if now.plus(params.peak_interval) < self.last_memory {
            return;
        }
        // What earlier kills in this interval asked for is left out, so that they do not add up.
        let used = request.max(self.peak);
        let needed = (used + params.oom_least.0).max(amount(float(used) * params.oom_ratio));
        self.add(history, params, now, needed, true);
    }

    fn add(&mut self, history: &mut History, params: &Params, now: Nanos, used: u64, oom: bool) {
        self.last_memory = now;
        let ends = self.ends.unwrap_or(now);
        let highest = self.peak.max(self.oom_peak);
        if now < ends {
            self.ends = Some(ends);
            if highest == 0 || used <= highest {
                return;
            }
            history.memory.subtract(float(highest), 1.0, ends);
        } else {
            let interval = params.peak_interval.0.max(1);
            let passed = now.since(ends).0 / interval * interval;
            self.ends = Some(ends.plus(Nanos(passed + interval)));
            self.peak = 0;
            self.oom_peak = 0;
        }
        let ends = self.ends.unwrap_or(now);
        history.memory.add(float(used), 1.0, ends);
        if oom {
            self.oom_peak = used;
        } else {
            self.peak = used;
        }
    }
}

/// Rounded down, and no more than is allowed.
fn amount(value: f64) -> u64 {
    whole(if value > MOST { MOST } else { value })
}
