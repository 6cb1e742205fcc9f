//! What a workload has come to since a moment: its warm-up left out.

use hdrhistogram::Histogram;

use crate::{
    node::Meter,
    signal::{Nanos, Resource},
};

/// The difference of two states of one workload's meter.
#[derive(Clone, Debug, PartialEq)]
pub struct Since {
    /// How long that was.
    pub time: Nanos,
    /// CPU time used.
    pub used: Nanos,
    /// How often its CPU limit was moved, and how often the other way than before.
    pub writes: u64,
    /// See `writes`.
    pub turns: u64,
    /// Periods in which it wanted to run, and those that ended throttled.
    pub periods: u64,
    /// See `periods`.
    pub throttled_periods: u64,
    latency: Option<Histogram<u64>>,
}

impl Since {
    /// From `before`, an earlier state of the same meter, to `after`.
    #[must_use]
    pub fn of(before: &Meter, after: &Meter) -> Self {
        let mut latency = after.latencies().cloned();
        if let (Some(all), Some(before)) = (&mut latency, before.latencies()) {
            // It counted no more in any bucket then than it does now.
            let _ = all.subtract(before);
        }
        let writes = |meter: &Meter| (meter.writes(Resource::Cpu), meter.turns(Resource::Cpu));
        let (past, now) = (writes(before), writes(after));
        Self {
            time: after.time().since(before.time()),
            used: after.used().since(before.used()),
            writes: now.0 - past.0,
            turns: now.1 - past.1,
            periods: after.periods() - before.periods(),
            throttled_periods: after.throttled_periods() - before.throttled_periods(),
            latency,
        }
    }

    /// The latency that this share of the requests answered meanwhile did not exceed, in thousandths, to two
    /// digits; `None` where none was.
    #[must_use]
    pub fn latency(&self, permille: u32) -> Option<Nanos> {
        let latency = self
            .latency
            .as_ref()
            .filter(|latency| !latency.is_empty())?;
        let us = latency.value_at_quantile(f64::from(permille) / 1000.0);
        Some(Nanos(us * 1000))
    }

    /// How many requests were answered.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.latency.as_ref().map_or(0, Histogram::len)
    }
}
