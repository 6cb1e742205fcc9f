//! Distributions of durations, in microseconds.

use std::time::Duration;

use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use serde::Serialize;

/// Three significant digits from one microsecond to an hour.
const LONGEST_US: u64 = 3_600_000_000;

/// A recorder of durations.
#[derive(Clone, Debug)]
pub struct Durations(Histogram<u64>);

/// The percentiles of what was recorded, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    /// How many durations were recorded.
    pub count: u64,
    /// The arithmetic mean.
    pub mean_us: f64,
    /// The median.
    pub p50_us: u64,
    /// The 90th percentile.
    pub p90_us: u64,
    /// The 95th percentile.
    pub p95_us: u64,
    /// The 99th percentile.
    pub p99_us: u64,
    /// The 99.9th percentile.
    pub p999_us: u64,
    /// The longest.
    pub max_us: u64,
}

impl Durations {
    /// An empty recorder.
    ///
    /// # Errors
    /// Never in practice: the bounds are constant and valid.
    pub fn new() -> Result<Self> {
        let histogram = Histogram::new_with_bounds(1, LONGEST_US, 3).context("histogram bounds")?;
        Ok(Self(histogram))
    }

    /// Records one duration; longer than an hour counts as an hour.
    pub fn record(&mut self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.0.saturating_record(micros.max(1));
    }

    /// Takes in what another recorder has seen.
    ///
    /// # Errors
    /// Never in practice: all recorders have the same bounds.
    pub fn add(&mut self, other: &Self) -> Result<()> {
        self.0.add(&other.0).context("cannot merge histograms")
    }

    /// The percentiles.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let at = |quantile| self.0.value_at_quantile(quantile);
        Summary {
            count: self.0.len(),
            mean_us: self.0.mean(),
            p50_us: at(0.50),
            p90_us: at(0.90),
            p95_us: at(0.95),
            p99_us: at(0.99),
            p999_us: at(0.999),
            max_us: self.0.max(),
        }
    }
}
