//! What a process costs, by the kernel's account of it.

use std::fs;

use anyhow::{Context, Result};

use crate::spread::number;

/// Ticks of `/proc/PID/stat` a second (`USER_HZ`).
const TICKS: f64 = 100.0;

/// CPU time of a process since its start, in seconds.
pub(crate) fn cpu_s(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields = stat.rsplit_once(')').context("no name in stat")?.1;
    let mut times = fields.split_whitespace().skip(11);
    let mut next = || {
        times
            .next()
            .and_then(|time| time.parse::<u64>().ok())
            .context("no time in stat")
    };
    Ok(number(next()? + next()?) / TICKS)
}

/// Resident memory of a process, in MiB.
pub(crate) fn rss_mib(pid: u32) -> Result<f64> {
    status_mib(pid, "VmRSS:")
}

/// The most resident memory that a process has had, in MiB.
pub(crate) fn peak_mib(pid: u32) -> Result<f64> {
    status_mib(pid, "VmHWM:")
}

fn status_mib(pid: u32, field: &str) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    Ok(number(kib.with_context(|| format!("no {field}"))?) / 1024.0)
}
