//! Memory limits are lifted before a group is full of what it needs, and for nothing else.

use std::{
    fs,
    os::unix::process::ExitStatusExt as _,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use trimtab::sense::node::Available;
use trimtab_tests::{Agent, Group, Process, Version, disk, eventually, lab_bin, skip};

use crate::trust::{first_memory_limit, group, journal, moving_memory_limit, show};

pub(crate) const MIB: u64 = 1 << 20;
const LIMIT: u64 = 64 * MIB;
/// How long a growth may take; emulation is slow, and busy loops beside it take their share.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long the agent may take over anything that it does at once.
const SOON: Duration = Duration::from_secs(10);

/// An agent that manages nothing but the memory of this group.
pub(crate) fn enforce(group: &Group, more: &str) -> Result<Agent> {
    Agent::start(&format!(
        "[[policy]]\nname = \"memory\"\nselect = [\"{}\"]\nmode = \"enforce\"\nresources = [\"memory\"]\n{more}",
        group.path()
    ))
}

/// Waits until the group is a workload whose original is this limit, and which has just been adopted.
pub(crate) fn adopted(agent: &Agent, group: &Group, limit: u64) -> Result<()> {
    let mut last = None;
    let known = eventually(SOON, || {
        last = show(agent, group).ok();
        last.as_ref().is_some_and(|shown| {
            let memory = &shown["workload"]["memory"];
            let first = first_memory_limit(group, limit).ok();
            memory["original"]["bytes"] == limit && memory["limit"]["bytes"].as_u64() == first
        })
    });
    ensure!(
        known,
        "{} is not adopted at {limit}: {last:?}\n{}",
        group.path(),
        agent.log()
    );
    Ok(())
}

/// A managed group of 64 MiB and its agent, which is dropped first.
fn managed(name: &str, more: &str) -> Result<Option<(Agent, Group)>> {
    let Some(group) = group(name) else {
        return Ok(None);
    };
    group.set_memory_limit(Some(LIMIT))?;
    let agent = enforce(&group, more)?;
    adopted(&agent, &group, LIMIT)?;
    Ok(Some((agent, group)))
}

/// Grows to 400 MB at full speed; whether it lived.
pub(crate) fn grows(group: &Group, more: &[&str]) -> Result<bool> {
    let mut command = group.command(lab_bin()?)?;
    command.args(["grow", "--to", "400MB", "--json"]).args(more);
    let mut growth = Process::spawn(&mut command)?;
    let end = Instant::now() + PATIENCE;
    let status = loop {
        if let Some(status) = growth.try_wait()? {
            break status;
        }
        ensure!(Instant::now() < end, "it still grows after {PATIENCE:?}");
        thread::sleep(Duration::from_millis(2));
    };
    if status.signal() == Some(libc::SIGKILL) {
        ensure!(group.oom_kills()? > 0, "killed, but not for want of memory");
        return Ok(false);
    }
    ensure!(status.success(), "the growth failed: {status}");
    Ok(true)
}

/// Nothing was written: the limit is what it was.
fn keeps_its_limit(agent: &Agent, group: &Group, limit: u64) -> Result<()> {
    let entries = journal(agent, group)?;
    let written: Vec<_> = entries
        .iter()
        .filter(|entry| entry["written"] == true)
        .collect();
    ensure!(written.is_empty(), "{written:#?}");
    assert_eq!(
        moving_memory_limit(group)?,
        Some(first_memory_limit(group, limit)?)
    );
    Ok(())
}

fn denied<'a>(entries: &'a [Value], why: &str) -> Option<&'a Value> {
    entries.iter().find(|entry| entry["denial"] == why)
}

#[test]
fn growth_at_full_speed_is_killed_alone_and_lives_with_an_agent() -> Result<()> {
    let Some(alone) = group("memory-alone") else {
        return Ok(());
    };
    alone.set_memory_limit(Some(LIMIT))?;
    ensure!(!grows(&alone, &[])?, "400 MB fit into 64 MiB");
    for round in 0..3 {
        let Some((agent, group)) = managed(&format!("memory-grow-{round}"), "")? else {
            return Ok(());
        };
        // Each lift at least doubles the limit, of which three quarters are to suffice in the end.
        let first = first_memory_limit(&group, LIMIT)?;
        let doublings = (1..9_usize).find(|lifts| (first << lifts) / 4 * 3 >= 400_000_000);
        let doublings = doublings.context("so many")?;
        ensure!(grows(&group, &[])?, "killed\n{}", agent.log());
        let entries = journal(&agent, &group)?;
        let writes = entries.iter().filter(|entry| entry["written"] == true);
        ensure!(writes.count() <= doublings, "{entries:#?}");
    }
    Ok(())
}

#[test]
fn growth_beside_busy_loops_lives() -> Result<()> {
    let Some((agent, group)) = managed("memory-busy", "")? else {
        return Ok(());
    };
    let _loops = Process::spawn(Command::new(lab_bin()?).args(["burn", "--threads", "4"]))?;
    ensure!(grows(&group, &[])?, "killed\n{}", agent.log());
    Ok(())
}

#[test]
fn growth_within_one_system_call_lives() -> Result<()> {
    let Some((agent, group)) = managed("memory-populate", "")? else {
        return Ok(());
    };
    let whole = ["--populate", "--chunk", "400MB"];
    ensure!(grows(&group, &whole)?, "killed\n{}", agent.log());
    Ok(())
}

#[test]
fn a_limit_that_its_owner_sets_after_adoption_is_lifted_like_any_other() -> Result<()> {
    let Some(group) = group("memory-late") else {
        return Ok(());
    };
    let agent = enforce(&group, "")?;
    let known = eventually(SOON, || show(&agent, &group).is_ok());
    ensure!(known, "not adopted\n{}", agent.log());
    group.set_memory_limit(Some(LIMIT))?;
    adopted(&agent, &group, LIMIT)?;
    let moved = eventually(SOON, || {
        first_memory_limit(&group, LIMIT).ok() == moving_memory_limit(&group).ok().flatten()
    });
    ensure!(moved, "{:?}\n{}", moving_memory_limit(&group)?, agent.log());
    ensure!(grows(&group, &[])?, "killed\n{}", agent.log());
    Ok(())
}

#[test]
fn page_cache_alone_keeps_its_limit() -> Result<()> {
    let Ok(directory) = disk() else {
        skip("no directory on a disk, so no page cache");
        return Ok(());
    };
    let Some((agent, group)) = managed("memory-cache", "")? else {
        return Ok(());
    };
    let mut command = group.command(lab_bin()?)?;
    command.args([
        "cache", "--size", "192MiB", "--rounds", "4", "--json", "--file",
    ]);
    Process::spawn(command.arg(directory.path().join("cache")))?.json()?;
    let used = group.memory_usage()?;
    ensure!(used > LIMIT / 4 * 3, "the cache holds only {used} bytes");
    keeps_its_limit(&agent, &group, LIMIT)
}

#[test]
fn reclaim_that_somebody_asks_for_keeps_the_limit() -> Result<()> {
    let Some(group) = group("memory-reclaim") else {
        return Ok(());
    };
    group.set_memory_limit(Some(LIMIT))?;
    let mut command = group.command(lab_bin()?)?;
    command.args(["grow", "--to", "40MiB", "--hold", "1h"]);
    let _held = Process::spawn(&mut command)?;
    let grown = eventually(SOON, || {
        group.memory_usage().is_ok_and(|used| used >= 40 * MIB)
    });
    ensure!(grown, "{} bytes in use", group.memory_usage()?);
    // Only now: growth so fast that it would not fit for another second is reason for a lift.
    let agent = enforce(&group, "")?;
    adopted(&agent, &group, LIMIT)?;
    let (file, value) = match group.version() {
        Version::V1 => ("memory.force_empty", "0"),
        Version::V2 => ("memory.reclaim", "32M"),
    };
    for _ in 0..5 {
        // Without swap there is nothing to be had, which the kernel calls an error.
        let _ = fs::write(group.memory_dir().join(file), value);
    }
    thread::sleep(Duration::from_secs(1));
    keeps_its_limit(&agent, &group, LIMIT)
}

#[test]
fn a_full_ancestor_that_is_not_managed_is_named_and_the_child_keeps_its_limit() -> Result<()> {
    let Some(parent) = group("memory-pod") else {
        return Ok(());
    };
    parent.set_memory_limit(Some(LIMIT))?;
    let child = parent.child("child")?;
    child.set_memory_limit(Some(LIMIT))?;
    let agent = enforce(&child, "")?;
    adopted(&agent, &child, LIMIT)?;
    ensure!(!grows(&child, &[])?, "400 MB fit into 64 MiB");
    keeps_its_limit(&agent, &child, LIMIT)?;
    let entries = journal(&agent, &child)?;
    let denied = denied(&entries, "limited-above");
    let text = denied.and_then(|entry| entry["reason"]["text"].as_str());
    ensure!(
        text.is_some_and(|text| text.contains(parent.path())),
        "{entries:#?}"
    );
    Ok(())
}

#[test]
fn the_ceiling_ends_a_growth_and_explain_says_so() -> Result<()> {
    let ceiling = "memory = { ceiling = \"128MiB\" }";
    let Some((agent, group)) = managed("memory-ceiling", ceiling)? else {
        return Ok(());
    };
    ensure!(
        !grows(&group, &[])?,
        "400 MB fit under a ceiling of 128 MiB"
    );
    assert_eq!(moving_memory_limit(&group)?, Some(128 * MIB));
    let mut entries = Vec::new();
    let told = eventually(SOON, || {
        entries = journal(&agent, &group).unwrap_or_default();
        let killed = entries.iter().find(|entry| entry["cause"] == "oom-kill");
        let text = killed.and_then(|entry| entry["reason"]["text"].as_str());
        denied(&entries, "ceiling").is_some()
            && text.is_some_and(|text| text.contains("ceiling is 128 MiB"))
    });
    ensure!(told, "{entries:#?}");
    Ok(())
}

#[test]
fn what_is_lent_and_not_used_goes_back_when_the_node_runs_short() -> Result<()> {
    let Some(group) = group("memory-short") else {
        return Ok(());
    };
    group.set_memory_limit(Some(2 * LIMIT))?;
    let keep = Available::open()?.read()?.checked_sub(300 * MIB);
    let keep = keep.context("the node has less than 300 MiB")?;
    let agent = Agent::start(&format!(
        "[agent.reserve]\nmemory = \"{keep}B\"\n\n[[policy]]\nname = \"memory\"\nselect = [\"{}\"]\nmode = \"enforce\"\nresources = [\"memory\"]\n",
        group.path()
    ))?;
    adopted(&agent, &group, 2 * LIMIT)?;
    let first = first_memory_limit(&group, 2 * LIMIT)?;
    let mut command = group.command(lab_bin()?)?;
    command.args(["grow", "--to", "108MiB", "--hold", "1h"]);
    let mut held = Process::spawn(&mut command)?;
    let lifted = eventually(SOON, || {
        moving_memory_limit(&group).is_ok_and(|limit| limit > Some(first))
    });
    ensure!(lifted, "{:#?}", journal(&agent, &group)?);
    // Others who ask nobody take what has been promised, and again while memory of processes that have ended comes back.
    let mut others = Vec::new();
    let recalled = eventually(SOON, || {
        let left = Available::open().and_then(|available| available.read());
        let left = left.map_or(0, |available| available.saturating_sub(keep));
        if left > 0 {
            let mut command = Command::new(lab_bin().unwrap_or_default());
            let all = format!("{}B", left + 100 * MIB);
            others.extend(Process::spawn(
                command.args(["grow", "--to", &all, "--hold", "1h"]),
            ));
            thread::sleep(Duration::from_millis(500));
        }
        journal(&agent, &group).is_ok_and(|entries| {
            let mut recalls = entries.iter().filter(|entry| entry["rule"] == "recall");
            recalls.any(|entry| entry["written"] == true && entry["cause"] == "node-short")
        })
    });
    ensure!(recalled, "{:#?}", journal(&agent, &group)?);
    // The hard limit, too.
    assert_eq!(group.memory_limit()?, Some(2 * LIMIT));
    assert_eq!(moving_memory_limit(&group)?, Some(first));
    ensure!(held.try_wait()?.is_none(), "what was in use was taken");
    Ok(())
}
