//! What one phase did to the workloads, counted by their clients and by the kernel, not by the agent.

use std::time::Duration;

use anyhow::Result;
use serde::Serialize;
use trimtab_tests::CpuStat;

use super::{grower::Tally, stage::Stage, traffic::Traffic};

/// One phase in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(super) struct Effect {
    /// How long it took.
    pub(super) seconds: f64,
    /// Requests that the bursty server answered.
    pub(super) requests: u64,
    /// Requests that it did not.
    pub(super) unanswered: u64,
    /// From the moment a request was due to its answer, median.
    pub(super) p50_us: u64,
    /// The same, 99th percentile.
    pub(super) p99_us: u64,
    /// The longest.
    pub(super) max_us: u64,
    /// For how long the bursty group was throttled, by its `cpu.stat`, summed over CPUs.
    pub(super) throttled_ms: f64,
    /// In how many periods.
    pub(super) throttled_periods: u64,
    /// How often the growing one reached its size.
    pub(super) grown: u64,
    /// How often it was killed for it.
    pub(super) killed: u64,
}

/// A phase that is going on.
#[derive(Debug)]
pub(super) struct Phase {
    pub(super) traffic: Traffic,
    cpu: CpuStat,
    tally: Tally,
}

impl Phase {
    /// Starts traffic, for that long or without an end, and counts from here.
    pub(super) fn start(stage: &Stage, duration: Option<Duration>) -> Result<Self> {
        Ok(Self {
            cpu: stage.bursty.cpu_stat()?,
            tally: stage.grower.tally(),
            traffic: Traffic::start(stage.server.target, duration)?,
        })
    }

    /// What it came to so far.
    pub(super) fn so_far(&self, stage: &Stage) -> Result<Effect> {
        let (latency, unanswered) = self.traffic.so_far();
        let cpu = stage.bursty.cpu_stat()?;
        let tally = stage.grower.tally();
        Ok(Effect {
            seconds: self.traffic.elapsed().as_secs_f64(),
            requests: latency.count,
            unanswered,
            p50_us: latency.p50_us,
            p99_us: latency.p99_us,
            max_us: latency.max_us,
            throttled_ms: millis(cpu.throttled_ns - self.cpu.throttled_ns),
            throttled_periods: cpu.nr_throttled - self.cpu.nr_throttled,
            grown: tally.grown - self.tally.grown,
            killed: tally.killed - self.tally.killed,
        })
    }

    /// What it came to, once its traffic is over; requests without an answer count with the time waited.
    pub(super) fn end(self, stage: &Stage) -> Result<Effect> {
        let effect = self.so_far(stage)?;
        let report = self.traffic.join()?;
        Ok(Effect {
            requests: report.answered,
            unanswered: report.unanswered,
            p50_us: report.latency.p50_us,
            p99_us: report.latency.p99_us,
            max_us: report.latency.max_us,
            ..effect
        })
    }
}

/// Nanoseconds as milliseconds.
#[expect(
    clippy::cast_precision_loss,
    reason = "durations of seconds stay far below 2^53 nanoseconds"
)]
pub(super) fn millis(ns: u64) -> f64 {
    ns as f64 / 1e6
}
