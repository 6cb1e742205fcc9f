//! What the tests of restoring, foreign writes, churn and access share.

use std::{
    fs,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use trimtab::act::hard::HardLimit;
use trimtab_core::signal::Amount;
use trimtab_tests::{Agent, Group, Version, eventually, lab_bin, skip};

/// How long the agent may take over anything that it does at once; emulation is slow.
pub(crate) const SOON: Duration = Duration::from_secs(5);
/// A quota that every burst outgrows, in microseconds of a period of 100 ms.
pub(crate) const TIGHT: u64 = 10_000;
/// The shortest burst that outgrows it, as `lab` reads it.
const BURST: &str = "60ms";

/// The policy of a test: enforces on `select`, and never waits for the pool below half a CPU.
pub(crate) fn policy(select: &str, mode: &str) -> String {
    format!(
        "[[policy]]\nname = \"trust\"\nselect = [\"{select}\"]\nmode = \"{mode}\"\ncpu = {{ floor = 0.5 }}\n"
    )
}

/// An agent that enforces on this group and everything below it.
pub(crate) fn enforce(group: &Group) -> Result<Agent> {
    Agent::start(&policy(&format!("{}/**", group.path()), "enforce"))
}

/// A group of one's own; `None`, with a loud line, where none can be made or no probe be loaded.
pub(crate) fn group(name: &str) -> Option<Group> {
    match Group::create(name) {
        Ok(group) => Some(group),
        Err(error) => {
            skip(&format!("no cgroup can be made here: {error:#}"));
            None
        }
    }
}

/// What `show` says about a group; an error while it is no workload.
pub(crate) fn show(agent: &Agent, group: &Group) -> Result<Value> {
    agent.cli(&["show", group.path()])
}

/// The journal's entries about a group, oldest first.
pub(crate) fn journal(agent: &Agent, group: &Group) -> Result<Vec<Value>> {
    let entries = agent.cli(&["explain", group.path(), "--last", "100"])?;
    Ok(entries.as_array().context("a list of entries")?.clone())
}

/// Waits until the group is a workload whose original quota is this one, in microseconds.
pub(crate) fn adopted(agent: &Agent, group: &Group, quota_us: u64) -> Result<()> {
    let amount = quota_us * 1_000_000 / group.period_us()?;
    let mut last = None;
    let known = eventually(SOON, || {
        last = show(agent, group).ok();
        last.as_ref()
            .is_some_and(|shown| shown["workload"]["cpu"]["original"]["micro_cpus"] == amount)
    });
    ensure!(
        known,
        "{} is not adopted at {quota_us} us: {last:?}\n{}",
        group.path(),
        agent.log()
    );
    Ok(())
}

/// Uses more than the quota and says to what it was lifted.
pub(crate) fn lift(agent: &Agent, group: &Group) -> Result<u64> {
    let before = group.quota_us()?;
    burst(group)?;
    let lifted = eventually(SOON, || group.quota_us().is_ok_and(|now| now != before));
    ensure!(
        lifted,
        "a burst under {before:?} was not answered\n{}",
        agent.log()
    );
    group.quota_us()?.context("lifted to no limit at all")
}

/// Uses [`BURST`] of CPU time in the group.
pub(crate) fn burst(group: &Group) -> Result<()> {
    let status = group
        .command(lab_bin()?)?
        .args(["burn", "--for", BURST])
        .stdout(Stdio::null())
        .status()?;
    ensure!(status.success(), "the burst ended with {status}");
    Ok(())
}

/// Waits until a group's quota is this one, and says how long that took.
pub(crate) fn quota_returns(
    group: &Group,
    quota: Option<u64>,
    within: Duration,
) -> Result<Duration> {
    let start = Instant::now();
    let back = eventually(within, || group.quota_us().is_ok_and(|now| now == quota));
    ensure!(
        back,
        "{} holds {:?} instead of {quota:?} after {within:?}",
        group.path(),
        group.quota_us()
    );
    Ok(start.elapsed())
}

/// The limit that the agent moves: `memory.high` on v2, the hard limit on v1.
pub(crate) fn moving_memory_limit(group: &Group) -> Result<Option<u64>> {
    match group.version() {
        Version::V1 => group.memory_limit(),
        // Before adoption the hard limit is all there is.
        Version::V2 => Ok(group.memory_high()?.or(group.memory_limit()?)),
    }
}

/// Where the moving limit begins when memory that its owner limits to `owner` is adopted: on v2 below `memory.max`,
/// which stays, unless the group above is as tight.
pub(crate) fn first_memory_limit(group: &Group, owner: u64) -> Result<u64> {
    if group.version() == Version::V1 {
        return Ok(owner);
    }
    ensure!(group.memory_limit()? == Some(owner), "memory.max has moved");
    let dir = group.memory_dir();
    let above = dir.parent().context("the group above")?.join("memory.max");
    // The root of the hierarchy has none.
    let is_bounded = fs::read_to_string(above)
        .unwrap_or_default()
        .trim()
        .parse()
        .is_ok_and(|above: u64| above <= owner);
    let hard = HardLimit::new(Amount(owner), Amount::UNLIMITED).context("a limit")?;
    Ok(if is_bounded { owner } else { hard.slowed().0 })
}

/// Every limit of a group that the agent may touch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    quota_us: Option<u64>,
    period_us: u64,
    memory: Option<u64>,
    /// As text: `memory.high` on v2, nothing on v1, which has none.
    memory_high: String,
}

impl Limits {
    /// What the kernel holds now.
    pub(crate) fn of(group: &Group) -> Result<Self> {
        Ok(Self {
            quota_us: group.quota_us()?,
            period_us: group.period_us()?,
            memory: group.memory_limit()?,
            memory_high: group
                .memory_high()
                .map_or_else(|_| String::new(), |high| format!("{high:?}")),
        })
    }
}

/// Whether every instruction is emulated, as in the guest: what is promised takes longer there.
pub(crate) fn is_emulated() -> bool {
    fs::read_to_string("/proc/cpuinfo").is_ok_and(|cpus| cpus.contains("TCG"))
}

/// What is promised in this time natively may take twice as long in an emulation.
pub(crate) fn promised(time: Duration) -> Duration {
    if is_emulated() { time * 2 } else { time }
}
