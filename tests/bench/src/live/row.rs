//! How a contender fared.

use anyhow::Result;
use serde::Serialize;
use trimtab_lab::{load::Account, summary::Durations};

use super::{
    contender::Contender,
    trial::Setting,
    watch::{Counted, Watch},
};
use crate::spread::number;

/// One contender. Amounts are in CPUs, averaged over time.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    pub(super) contender: String,
    pub(super) seconds: f64,
    /// What could be promised to nobody else.
    pub(super) held_cpus: f64,
    pub(super) limit_cpus: f64,
    pub(super) used_cpus: f64,
    /// `(held - used) / held`; below zero for one that lives on loans.
    pub(super) slack_percent: f64,
    pub(super) requests: u64,
    /// Without an answer when patience ended; they count as having waited until then.
    pub(super) unanswered: u64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) p999_ms: f64,
    /// Requests that took longer than the objective.
    pub(super) late_percent: f64,
    /// Summed over CPUs, as `cpu.stat` has it.
    pub(super) throttled_ms: f64,
    /// Of the periods in which something wanted to run.
    pub(super) throttled_periods_percent: f64,
    pub(super) writes: u64,
    /// CPU time of whoever steers, in percent of one CPU; eBPF programs run on the account of others.
    pub(super) controller_cpu_percent: f64,
    /// Requests that were sent more than a millisecond late, over the whole run: the load's own fault.
    pub(super) sent_late: u64,
}

/// How it fared, of what became of each request and what was seen between the two counts.
pub(super) fn of(
    contender: &Contender,
    setting: &Setting,
    account: &Account,
    watch: &Watch,
    [before, after]: [&Counted; 2],
) -> Result<Row> {
    let mut latencies = Durations::new()?;
    let (mut unanswered, mut late) = (0, 0);
    let scored = setting.settle..setting.length();
    for request in &account.requests {
        if scored.contains(&request.due) {
            let waited = account.waited(request);
            latencies.record(waited);
            late += u64::from(waited > setting.slo);
            unanswered += u64::from(request.answered.is_none());
        }
    }
    let latency = latencies.summary();
    let seconds = after.at.duration_since(before.at).as_secs_f64();
    let (then, now) = (&before.cpu, &after.cpu);
    let held = watch.held();
    let used = number(now.usage_ns - then.usage_ns) / 1e9 / seconds;
    Ok(Row {
        contender: contender.to_string(),
        seconds,
        held_cpus: held,
        limit_cpus: watch.limit(),
        used_cpus: used,
        slack_percent: (held - used) / held * 100.0,
        requests: latency.count,
        unanswered,
        p50_ms: number(latency.p50_us) / 1e3,
        p99_ms: number(latency.p99_us) / 1e3,
        p999_ms: number(latency.p999_us) / 1e3,
        late_percent: number(late) / number(latency.count.max(1)) * 100.0,
        throttled_ms: number(now.throttled_ns - then.throttled_ns) / 1e6,
        throttled_periods_percent: number(now.nr_throttled - then.nr_throttled)
            / number((now.nr_periods - then.nr_periods).max(1))
            * 100.0,
        writes: after.writes - before.writes,
        controller_cpu_percent: (after.steering_s - before.steering_s) / seconds * 100.0,
        sent_late: account.late,
    })
}
