//! One growth: a fresh group, a process that outgrows it, and what became of both.

use std::{
    fs,
    os::unix::process::ExitStatusExt as _,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use trimtab_tests::{Agent, Group, eventually, lab_bin};

/// What the group may hold at first.
pub(super) const LIMIT: u64 = 64 << 20;
/// What the process wants.
pub(super) const GOAL: u64 = 400_000_000;
/// Names of groups that the agent's policy selects begin so; others are left alone.
pub(super) const MANAGED: &str = "managed-";

/// How long the agent may take to adopt a group; emulation is slow.
const ADOPTION: Duration = Duration::from_secs(20);
/// A growth that takes longer hangs.
const PATIENCE: Duration = Duration::from_mins(1);

/// How memory is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taking {
    /// Page by page, each touched by the process.
    Touched,
    /// All in one system call that the process sleeps or runs in until the kernel has filled it.
    Populated,
}

/// How one growth went.
#[derive(Clone, Debug, Default)]
pub(super) struct Growth {
    /// The OOM killer ended it.
    pub(super) killed: bool,
    /// From the first page to the last; `None` when it was killed.
    pub(super) took: Option<Duration>,
    /// The longest that one MiB took; `None` when it was killed or taken in one piece.
    pub(super) stall: Option<Duration>,
    /// How long the kernel says that the group waited for memory; `None` without PSI.
    pub(super) pressure: Option<Duration>,
    /// From each event in the kernel to the limit written, in ns.
    pub(super) latencies: Vec<u64>,
}

/// Grows in a fresh group of [`LIMIT`] bytes that `agent`, if there is one, manages.
pub(super) fn limited(agent: Option<&Agent>, name: &str, taking: Taking) -> Result<Growth> {
    let group = Group::create(&format!("{MANAGED}{name}"))?;
    group.set_memory_limit(Some(LIMIT))?;
    if let Some(agent) = agent {
        adopted(agent, &group)?;
    }
    let mut growth = grow(&group, taking)?;
    if let Some(agent) = agent {
        let entries = agent.cli(&["explain", group.path(), "-n", "100"])?;
        let written = entries.as_array().into_iter().flatten();
        growth.latencies = written
            .filter(|entry| entry["written"] == true && entry["kind"] == "spend")
            .filter(|entry| entry["cause"] != "twin")
            .filter_map(|entry| entry["latency_ns"].as_u64())
            .collect();
    }
    Ok(growth)
}

/// Grows in a fresh group without a limit.
pub(super) fn unlimited(name: &str, taking: Taking) -> Result<Growth> {
    grow(&Group::create(&format!("free-{name}"))?, taking)
}

/// Waits until the agent manages the group's limit as its owner has set it.
pub(super) fn adopted(agent: &Agent, group: &Group) -> Result<()> {
    let mut seen = Value::Null;
    let done = eventually(ADOPTION, || {
        seen = agent.cli(&["show", group.path()]).unwrap_or_default();
        let memory = &seen["workload"]["memory"];
        // On v2 the limit that moves begins a little below.
        let limit = memory["limit"]["bytes"].as_u64();
        memory["original"]["bytes"] == LIMIT && limit.is_some_and(|limit| limit <= LIMIT)
    });
    ensure!(
        done,
        "{} is not managed: {seen}\n{}",
        group.path(),
        agent.log()
    );
    Ok(())
}

fn grow(group: &Group, taking: Taking) -> Result<Growth> {
    let mut command = group.command(lab_bin()?)?;
    command.args(["grow", "--json", "--to", &GOAL.to_string()]);
    if taking == Taking::Populated {
        command.args(["--populate", "--chunk", &GOAL.to_string()]);
    }
    let before = pressure(group);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {command:?}"))?;
    let end = Instant::now() + PATIENCE;
    while child.try_wait()?.is_none() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(2));
    }
    if child.try_wait()?.is_none() {
        child.kill()?;
        child.wait()?;
        bail!(
            "{}: the growth has not ended after {PATIENCE:?}",
            group.path()
        );
    }
    let output = child.wait_with_output()?;
    let pressure = pressure(group)
        .zip(before)
        .map(|(after, before)| after.saturating_sub(before));
    if output.status.signal() == Some(libc::SIGKILL) {
        ensure!(group.oom_kills()? > 0, "killed, but not for want of memory");
        return Ok(Growth {
            killed: true,
            pressure,
            ..Growth::default()
        });
    }
    ensure!(
        output.status.success(),
        "the growth failed: {}",
        output.status
    );
    let report: Value = serde_json::from_slice(&output.stdout)?;
    let us = |name: &str| report[name].as_u64().map(Duration::from_micros);
    Ok(Growth {
        killed: false,
        took: us("total_us"),
        stall: us("stall_max_us").filter(|_| taking == Taking::Touched),
        pressure,
        latencies: Vec::new(),
    })
}

/// Time in which some task of the group waited for memory.
fn pressure(group: &Group) -> Option<Duration> {
    let file = group.unified_dir()?.join("memory.pressure");
    let text = fs::read_to_string(file).ok()?;
    let total = text.lines().next()?.split("total=").nth(1)?;
    Some(Duration::from_micros(total.trim().parse().ok()?))
}

/// Four busy loops beside the growth.
pub(super) fn busy() -> Result<trimtab_tests::Process> {
    let mut command = Command::new(lab_bin()?);
    trimtab_tests::Process::spawn(command.args(["burn", "--threads", "4"]))
}
