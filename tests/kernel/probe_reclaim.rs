//! Direct reclaim: a group that reads more than its limit holds.

use std::{collections::HashMap, fs};

use anyhow::{Context as _, Result};
use rustix::fs::{Advice, fadvise};
use trimtab::probe::{Probe, ReclaimHist};
use trimtab_tests::{Group, Process, Traced, Tracing, disk, lab_bin, skip};

use crate::probe_support::{agree, group, load, samples, turn};

const LIMIT: u64 = 32 << 20;

const HOOKS: [&str; 2] = [
    "mm_vmscan_memcg_reclaim_begin",
    "mm_vmscan_memcg_reclaim_end",
];

/// Reads twice as much as the limit holds, again and again, so that the kernel has to drop what was
/// read before. Its pid.
fn read(group: &Group) -> Result<u32> {
    let disk = disk()?;
    let file = disk.path().join("cache");
    trimtab_lab::cache::make(&file, 2 * LIMIT)?;
    // What this process has written must not stay in the cache at this process's cost.
    fadvise(fs::File::open(&file)?, 0, None, Advice::DontNeed)?;
    let mut command = group.command(lab_bin()?)?;
    command
        .args(["cache", "--json", "--rounds", "4", "--file"])
        .arg(&file);
    command.arg("--size").arg((2 * LIMIT).to_string());
    let process = Process::spawn(&mut command)?;
    let pid = process.id();
    process.json()?;
    Ok(pid)
}

/// What the group's histogram shows while a program in it reads, and the program's pid.
fn seen(detached: &[&str]) -> Result<Option<(ReclaimHist, u32)>> {
    let Some(group) = group() else {
        return Ok(None);
    };
    group.set_memory_limit(Some(LIMIT))?;
    let Some((mut loaded, _ring)) = load(&[Probe::ReclaimLatency], detached) else {
        return Ok(None);
    };
    let id = group.memory_id()?;
    loaded.reclaim_mut().register(id)?;
    let pid = read(&group)?;
    let hist = loaded.reclaim().read(id)?.context("registered")?;
    assert_eq!(loaded.lost().read().no_room, 0);
    Ok(Some((hist, pid)))
}

/// How long each turn of a process took.
fn durations(events: &[Traced], pid: u32) -> Vec<u64> {
    let mut since = HashMap::new();
    let mut took = Vec::new();
    for event in events.iter().filter(|event| event.pid == pid) {
        if event.event == HOOKS[0] {
            since.insert(event.pid, event.time);
        } else if let Some(since) = since.remove(&event.pid) {
            took.push(event.time - since);
        }
    }
    took
}

#[test]
fn reclaim_adds_up_to_what_the_kernel_traces() -> Result<()> {
    let _turn = turn();
    let trace = match Tracing::start(
        &HOOKS
            .map(|hook| format!("vmscan/{hook}"))
            .each_ref()
            .map(String::as_str),
    ) {
        Ok(trace) => trace,
        Err(error) => {
            skip(&format!("the kernel's own trace cannot be had: {error:#}"));
            return Ok(());
        }
    };
    let Some((hist, pid)) = seen(&[])? else {
        return Ok(());
    };
    let mut took = durations(&trace.events()?, pid);
    let (turns, traced_ns) = (samples(&hist.group), took.iter().sum::<u64>());
    eprintln!(
        "{turns} turns in {} ns; the kernel traced {} in {traced_ns} ns",
        hist.group_ns,
        took.len()
    );
    assert!(turns > 100, "{turns} turns");
    assert_eq!(turns, took.len() as u64);
    assert!(hist.group_ns.abs_diff(traced_ns) < traced_ns / 10);
    assert_eq!(samples(&hist.node), 0, "the node has memory enough");
    agree("a turn", &hist.group, &mut took);
    Ok(())
}

#[test]
fn without_its_hooks_there_is_nothing() -> Result<()> {
    let _turn = turn();
    for hook in HOOKS {
        let Some((hist, _)) = seen(&[hook])? else {
            return Ok(());
        };
        assert_eq!(hist, ReclaimHist::default(), "without {hook}");
    }
    Ok(())
}
