//! A load in a group of this kernel.

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result};
use trimtab_lab::load;
use trimtab_tests::{CpuStat, Group, Process, Version, lab_bin};

use super::case::{Case, Figures, Load, PERIOD_US};
use crate::{server::Server, spread::number};

/// Connections over which requests are sent.
const CONNECTIONS: usize = 8;
/// How long the last answers are waited for.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) fn run(case: &Case, duration: Duration) -> Result<Figures> {
    let group = Group::create("simulator")?;
    group.set_quota_us(Some(case.quota_us), PERIOD_US)?;
    set_burst(&group, case.burst_us)?;
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
            let before = group.cpu_stat()?;
            let report = Process::spawn(&mut command)?.json()?;
            let after = group.cpu_stat()?;
            let ms = |name: &str| report["burst"][name].as_f64().unwrap_or_default() / 1e3;
            Ok(figures(&before, &after, ms("p50_us"), ms("p99_us")))
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
            let before = group.cpu_stat()?;
            let load = load::Load {
                target: server.target,
                plan: Case::plan(rate, pattern, duration),
                connections: CONNECTIONS,
                patience: PATIENCE,
            };
            let report = load.run()?;
            let after = group.cpu_stat()?;
            let ms = |us: u64| number(us) / 1e3;
            Ok(figures(
                &before,
                &after,
                ms(report.latency.p50_us),
                ms(report.latency.p99_us),
            ))
        }
    }
}

fn figures(before: &CpuStat, after: &CpuStat, p50_ms: f64, p99_ms: f64) -> Figures {
    Figures {
        periods: number(after.nr_periods - before.nr_periods),
        throttled_periods: number(after.nr_throttled - before.nr_throttled),
        throttled_ms: number(after.throttled_ns - before.throttled_ns) / 1e6,
        used_ms: number(after.usage_ns - before.usage_ns) / 1e6,
        p50_ms,
        p99_ms,
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
