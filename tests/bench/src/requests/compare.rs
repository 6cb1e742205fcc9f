//! One server under one load: the probe's histograms beside the capture.

use std::{thread, time::Duration};

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use trimtab::probe::{Options, Probe, ProbeSet, Probes, State, TcpHist};
use trimtab_ebpf::{bucket, bucket_start};
use trimtab_tests::Group;

use super::{capture::Capture, servers::Server};
use crate::spread::number;

/// How long a server may be at what it was asked last.
const REST: Duration = Duration::from_millis(200);

/// What both said.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) server: &'static str,
    pub(super) connections: usize,
    /// By the probe.
    pub(super) requests: u64,
    /// By the capture.
    pub(super) captured: u64,
    /// p50 and p99.
    pub(super) quantiles: [Quantile; 2],
    /// Sum of all waits for an answer, by the probe, by the capture's.
    pub(super) sum_ratio: f64,
    /// Mean wait to be read, and mean time from the read to the answer.
    pub(super) unread_mean_us: f64,
    pub(super) served_mean_us: f64,
    pub(super) captured_mean_us: f64,
    pub(super) unread_p99_us: f64,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
}

/// One quantile of the waits for an answer.
#[derive(Debug, Serialize)]
pub(super) struct Quantile {
    /// The probe's bucket.
    pub(super) from_us: f64,
    pub(super) to_us: f64,
    pub(super) captured_us: f64,
    /// How many buckets lie between the two; 0 in the same.
    pub(super) buckets_apart: usize,
}

/// The probe alone.
pub(super) fn options() -> Options {
    Options {
        probes: ProbeSet::of(Probe::TcpLatency),
        ..Options::default()
    }
}

/// The probe with histograms for the group.
pub(super) fn probes(group: &Group) -> Result<Probes> {
    let mut probes = Probes::load(&options())?;
    for status in probes.status() {
        ensure!(
            status.probe != Probe::TcpLatency || status.state == State::On,
            "the probe is not all there: {}",
            status.why
        );
    }
    probes.tcp().register(group.cpu_id()?)?;
    Ok(probes)
}

/// Puts a server under load, and looks at it in both ways.
pub(super) fn measure(
    server: &Server<'_>,
    group: &Group,
    connections: usize,
    seconds: u64,
) -> Result<Row> {
    let capture = Capture::start(server.port)?;
    let mut probes = probes(group)?;
    server.load(connections, seconds)?;
    // A load tool leaves in the middle of what it has asked.
    thread::sleep(REST);
    let hist = probes.tcp().read(group.cpu_id()?)?;
    let hist = hist.context("the group is not registered")?;
    let mut answers = capture.answers()?;
    ensure!(!answers.is_empty(), "nothing was captured");
    answers.sort_unstable();
    Ok(row(server, connections, &hist, &answers))
}

fn row(server: &Server<'_>, connections: usize, hist: &TcpHist, answers: &[u64]) -> Row {
    let requests: u64 = hist.answered.iter().sum();
    let captured = answers.len() as u64;
    let sum: u64 = answers.iter().sum();
    let mean_us = |ns, count: u64| number(ns) / number(count.max(1)) / 1e3;
    Row {
        server: server.kind.name(),
        connections,
        requests,
        captured,
        quantiles: [500, 990].map(|per_mille| quantile(hist, answers, per_mille)),
        sum_ratio: number(hist.answered_ns) / number(sum),
        unread_mean_us: mean_us(hist.unread_ns, requests),
        served_mean_us: mean_us(hist.answered_ns.saturating_sub(hist.unread_ns), requests),
        captured_mean_us: mean_us(sum, captured),
        unread_p99_us: number(bucket_start(bucket_of(&hist.unread, 990) + 1)) / 1e3,
        bytes_in: hist.bytes_in,
        bytes_out: hist.bytes_out,
    }
}

fn quantile(hist: &TcpHist, answers: &[u64], per_mille: usize) -> Quantile {
    let ours = bucket_of(&hist.answered, per_mille as u64);
    let rank = (answers.len() * per_mille).div_ceil(1000).max(1);
    let captured = answers[rank - 1];
    Quantile {
        from_us: number(bucket_start(ours)) / 1e3,
        to_us: number(bucket_start(ours + 1)) / 1e3,
        captured_us: number(captured) / 1e3,
        buckets_apart: ours.abs_diff(bucket(captured)),
    }
}

/// The bucket in which a quantile of a histogram lies; the last of an empty one.
fn bucket_of(buckets: &[u64], per_mille: u64) -> usize {
    let count: u64 = buckets.iter().sum();
    let rank = (count * per_mille).div_ceil(1000).max(1);
    let mut below = 0;
    let found = buckets.iter().position(|here| {
        below += here;
        below >= rank
    });
    found.unwrap_or(buckets.len() - 1)
}
