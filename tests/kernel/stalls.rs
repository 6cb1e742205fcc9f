//! What `trimtab show` says of a group that stalls on memory and on its disk.

use std::{fs, time::Duration};

use anyhow::{Context as _, Result, ensure};
use rustix::fs::{Advice, fadvise};
use serde_json::Value;
use trimtab_tests::{Agent, Group, Process, Version, disk, eventually, lab_bin, skip};

use crate::trust::{SOON, group, show};

const LIMIT: u64 = 32 << 20;
/// How often the program reads what does not fit.
const ROUNDS: &str = "8";

/// A workload that is only looked at, with a tight memory limit.
fn stage(name: &str, more: &str) -> Result<Option<(Agent, Group)>> {
    let Some(group) = group(name) else {
        return Ok(None);
    };
    group.set_memory_limit(Some(LIMIT))?;
    let agent = Agent::start(&format!(
        "{more}\n[[policy]]\nname = \"stalls\"\nselect = [\"{}\"]\nmode = \"observe\"\n",
        group.path()
    ))?;
    ensure!(
        eventually(SOON, || show(&agent, &group).is_ok()),
        "not adopted: {}",
        agent.log()
    );
    Ok(Some((agent, group)))
}

/// Reads twice as much as the limit holds, again and again.
fn thrash(group: &Group) -> Result<()> {
    let disk = disk()?;
    let file = disk.path().join("cache");
    trimtab_lab::cache::make(&file, 2 * LIMIT)?;
    // What this process has written must not stay in the cache at this process's cost.
    fadvise(fs::File::open(&file)?, 0, None, Advice::DontNeed)?;
    let mut command = group.command(lab_bin()?)?;
    command
        .args(["cache", "--json", "--rounds", ROUNDS, "--file"])
        .arg(&file);
    command.arg("--size").arg((2 * LIMIT).to_string());
    Process::spawn(&mut command)?.json()?;
    Ok(())
}

/// A counter of the group's `memory.stat`, descendants included.
fn kernels(group: &Group, name: &str) -> Result<u64> {
    let text = fs::read_to_string(group.memory_dir().join("memory.stat"))?;
    let key = match group.version() {
        Version::V1 => format!("total_{name} "),
        Version::V2 => format!("{name} "),
    };
    let value = text.lines().find_map(|line| line.strip_prefix(&key));
    Ok(value.context("no such counter")?.parse()?)
}

fn number(value: &Value) -> Result<u64> {
    value
        .as_u64()
        .with_context(|| format!("{value} is no number"))
}

#[test]
fn a_group_that_reads_more_than_it_holds_is_seen_to_stall() -> Result<()> {
    let Some((agent, group)) = stage("stalls", "")? else {
        return Ok(());
    };
    let before = show(&agent, &group)?["stalls"].clone();
    thrash(&group)?;
    let after = show(&agent, &group)?["stalls"].clone();
    eprintln!("{before}\n{after}");

    let refaults = number(&after["memory"]["refaults_file"])?;
    assert_eq!(refaults, kernels(&group, "workingset_refault_file")?);
    // Every round but the first finds gone what it wants, but for what the limit holds.
    assert!(refaults > LIMIT / 4096, "{refaults} refaults");
    let held = number(&after["memory"]["working_set_bytes"])?;
    assert!(held <= LIMIT, "a working set of {held} bytes");
    assert!(number(&after["memory"]["max"])? > 0, "never at its limit");

    if after["reclaim"].is_null() {
        skip("reclaim cannot be probed here");
    } else {
        let limit = &after["reclaim"]["limit"];
        assert!(number(&limit["count"])? > 100, "{limit}");
        assert!(limit["p50_ns"].as_u64() <= limit["p99_ns"].as_u64());
    }
    if after["block"].is_null() {
        skip("block I/O cannot be probed here");
    } else {
        let read = number(&after["block"]["read_bytes"])?;
        assert!(read >= refaults * 4096, "{read} bytes for {refaults} pages");
    }
    let Some(stalled) = after["pressure"]["memory"]["some_ns"].as_u64() else {
        skip("the kernel keeps no pressure information");
        return Ok(());
    };
    assert!(
        stalled > number(&before["pressure"]["memory"]["some_ns"])?,
        "memory pressure does not rise"
    );
    Ok(())
}

#[test]
fn a_probe_that_is_off_is_off_alone_and_says_so() -> Result<()> {
    for (off, lacks, has) in [
        ("reclaim-latency", "reclaim", "block"),
        ("block-latency", "block", "reclaim"),
    ] {
        let probes = format!("[probes]\noff = [\"{off}\"]");
        let Some((agent, group)) = stage("stalls-off", &probes)? else {
            return Ok(());
        };
        let stalls = show(&agent, &group)?["stalls"].clone();
        assert!(stalls[lacks].is_null(), "{off}: {stalls}");
        let findings = agent.cli(&["doctor"])?;
        let findings = findings.as_array().context("no findings")?;
        let said = |name: &str| findings.iter().find(|finding| finding["name"] == name);
        let finding = said(off).context("doctor does not know it")?;
        assert_eq!(finding["state"], "off");
        assert_eq!(finding["why"], "switched off");
        let other = if has == "block" {
            "block-latency"
        } else {
            "reclaim-latency"
        };
        if said(other).context("doctor does not know it")?["state"] == "on" {
            assert!(!stalls[has].is_null(), "without {off}: {stalls}");
        }
    }
    Ok(())
}

#[test]
fn the_nodes_pressure_is_in_the_status() -> Result<()> {
    let Some((agent, _group)) = stage("stalls-node", "")? else {
        return Ok(());
    };
    let status = agent.cli(&["status"])?;
    let Ok(text) = fs::read_to_string("/proc/pressure/memory") else {
        skip("the kernel keeps no pressure information");
        return Ok(());
    };
    let total = text
        .lines()
        .next()
        .and_then(|line| line.rsplit_once("total="));
    let kernels: u64 = total.context("no total")?.1.parse()?;
    let ours = Duration::from_nanos(number(&status["pressure"]["memory"]["some_ns"])?);
    // It was read a moment before.
    let kernels = Duration::from_micros(kernels);
    assert!(
        ours <= kernels && kernels.saturating_sub(ours) < SOON,
        "{ours:?}, {kernels:?}"
    );
    Ok(())
}
