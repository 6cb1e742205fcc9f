//! A load in a group of this kernel.

use std::{
    fs,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use trimtab_core::signal::Nanos;
use trimtab_lab::{burst::now_ns, load};
use trimtab_tests::{CpuStat, Group, Process, Version, lab_bin};

use super::case::{Case, Figures, Load, PERIOD_US};
use crate::{server::Server, spread::number};

/// Connections over which requests are sent.
const CONNECTIONS: usize = 8;
/// How long the last answers are waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// From the start of a program to the load: the pool is full again by then.
const PAUSE: Duration = Duration::from_secs(1);

/// What the load has come to, and by how much periods come after whole multiples of the period since the
/// load began.
pub(super) fn run(case: &Case, duration: Duration) -> Result<(Figures, Nanos)> {
    let group = Group::create("simulator")?;
    group.set_quota_us(Some(case.quota_us), PERIOD_US)?;
    set_burst(&group, case.burst_us)?;
    let boundary = boundary(&group)?;
    thread::sleep(PAUSE);
    match case.load {
        Load::Wave {
            threads,
            every,
            burst,
        } => {
            let bursts = Case::bursts(every, duration);
            let mut command = group.command(lab_bin()?)?;
            command.args(["burn", "--json"]);
            command.args(["--threads", &threads.to_string()]);
            command.args(["--every", &humantime::format_duration(every).to_string()]);
            command.args(["--for", &humantime::format_duration(burst).to_string()]);
            command.args(["--bursts", &bursts.to_string()]);
            command.args([
                "--after",
                &humantime::format_duration(2 * PAUSE).to_string(),
            ]);
            let process = Process::spawn(&mut command)?;
            thread::sleep(PAUSE);
            let before = group.cpu_stat()?;
            let report = process.json()?;
            let after = group.cpu_stat()?;
            let of = |name: &str| report["burst"][name].as_f64().unwrap_or_default();
            let cpu_s = report["cpu_s"].as_f64().unwrap_or_default();
            let began = report["began_ns"].as_u64().context("no beginning")?;
            let figures = Figures {
                demand_ms: cpu_s * 1e3 / of("count").max(1.0),
                mean_ms: of("mean_us") / 1e3,
                p50_ms: of("p50_us") / 1e3,
                p99_ms: of("p99_us") / 1e3,
                ..counted(&before, &after)
            };
            Ok((figures, phase(boundary, began)))
        }
        Load::Requests {
            threads,
            service,
            rate,
            pattern,
        } => {
            let cpu = humantime::format_duration(service).to_string();
            let mut command = Server::command_of(&group, threads, &cpu)?;
            let server = Server::start(&mut command)?;
            thread::sleep(PAUSE);
            let before = group.cpu_stat()?;
            let load = load::Load {
                target: server.target,
                plan: Case::plan(rate, pattern, duration),
                connections: CONNECTIONS,
                patience: PATIENCE,
            };
            let report = load.run()?;
            let after = group.cpu_stat()?;
            let counted = counted(&before, &after);
            let figures = Figures {
                demand_ms: counted.used_ms / number(report.answered.max(1)),
                mean_ms: report.latency.mean_us / 1e3,
                p50_ms: number(report.latency.p50_us) / 1e3,
                p99_ms: number(report.latency.p99_us) / 1e3,
                ..counted
            };
            Ok((figures, phase(boundary, report.began_ns)))
        }
    }
}

/// A moment at which one of the group's periods ends, in ns of `CLOCK_MONOTONIC`: the timer keeps its
/// phase as long as the group lives.
fn boundary(group: &Group) -> Result<u64> {
    /// A look that took longer does not tell the moment.
    const SHARP: u64 = 1_000_000;
    let mut command = group.command(lab_bin()?)?;
    let _busy = Process::spawn(command.arg("burn"))?;
    let (begun, mut last, mut seen) = (Instant::now(), now_ns(), None);
    loop {
        let periods = group.cpu_stat()?.nr_periods;
        let now = now_ns();
        if seen.is_some_and(|seen| periods > seen) && now - last < SHARP {
            return Ok(now - (now - last) / 2);
        }
        (last, seen) = (now, Some(periods));
        ensure!(begun.elapsed() < PATIENCE, "the group's periods do not end");
    }
}

fn phase(boundary: u64, began: u64) -> Nanos {
    let period = PERIOD_US * 1_000;
    Nanos((boundary % period + period - began % period) % period)
}

fn counted(before: &CpuStat, after: &CpuStat) -> Figures {
    Figures {
        periods: number(after.nr_periods - before.nr_periods),
        throttled_periods: number(after.nr_throttled - before.nr_throttled),
        throttled_ms: number(after.throttled_ns - before.throttled_ns) / 1e6,
        used_ms: number(after.usage_ns - before.usage_ns) / 1e6,
        ..Figures::default()
    }
}

/// What may be carried over; kernels before 5.14 have no file for it.
fn set_burst(group: &Group, us: u64) -> Result<()> {
    if us == 0 {
        return Ok(());
    }
    let file: PathBuf = group.cpu_dir().join(match group.version() {
        Version::V1 => "cpu.cfs_burst_us",
        Version::V2 => "cpu.max.burst",
    });
    fs::write(&file, us.to_string())
        .with_context(|| format!("cannot write {}: a burst needs kernel 5.14", file.display()))
}
