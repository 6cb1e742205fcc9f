//! What the node has beyond the floors: all of it for one burst, and nothing taken from anybody
//! only because limits sum to more than the node.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use serde_json::Value;
use trimtab_tests::{Agent, Burst, Group, Process, eventually, lab_bin, skip};

use crate::trust::{SOON, TIGHT, adopted, group, journal, show};

const PERIOD: u64 = 100_000;
const IDLE: usize = 20;

fn policy(root: &Group) -> String {
    format!(
        "[[policy]]\nname = \"pool\"\nselect = [\"{}/*\"]\nmode = \"enforce\"\nresources = [\"cpu\"]\n\
         trim = false\nwarm_up = \"0s\"\ncpu = {{ floor = 0.01 }}\n",
        root.path()
    )
}

fn children(root: &Group, count: usize, quota_us: u64) -> Result<Vec<Group>> {
    let child = |number: usize| {
        let child = root.child(&number.to_string())?;
        child.set_quota_us(Some(quota_us), PERIOD)?;
        Ok(child)
    };
    (0..count).map(child).collect()
}

/// An amount among the inputs of a journal entry, in micro-CPUs.
fn input(entry: &Value, name: &str) -> Option<u64> {
    let inputs = entry["reason"]["inputs"].as_array()?;
    let input = inputs.iter().find(|input| input["name"] == name)?;
    input["quantity"]["micro_cpus"].as_u64()
}

#[test]
fn one_burst_gets_the_pool_without_waiting_for_a_tick() -> Result<()> {
    let Some(root) = group("pool") else {
        return Ok(());
    };
    let groups = children(&root, IDLE + 1, TIGHT)?;
    let agent = Agent::start(&policy(&root))?;
    if agent.cli(&["status"])?["probes_on"] == 0 {
        skip("no probe can be loaded here");
        return Ok(());
    }
    let (one, idle) = groups.split_last().context("no group")?;
    adopted(&agent, one, TIGHT)?;
    // Starting an agent uses CPU, and what others use is not lent.
    let roomy = eventually(2 * SOON, || {
        let pool = agent
            .cli(&["status"])
            .map_or(Value::Null, |mut status| status["pools"][0].take());
        let micro = |name: &str| pool[name]["micro_cpus"].as_u64().unwrap_or_default();
        micro("size") * 2 > micro("capacity")
    });
    assert!(roomy, "this node is too busy to have a pool");
    let mut burst = Burst::prepare(1, Duration::from_millis(300))?;
    burst.join(one)?;
    burst.release()?;
    burst.finish()?;
    let entries = journal(&agent, one)?;
    let lifts: Vec<_> = entries
        .iter()
        .filter(|entry| entry["written"] == true)
        .collect();
    let (first, last) = (lifts.first(), lifts.last());
    let (first, last) = (first.context("no lift")?, last.context("no lift")?);
    assert!(
        lifts
            .iter()
            .all(|lift| lift["kind"] == "spend" && lift["cause"] != "twin"),
        "a tick was waited for: {lifts:?}"
    );
    let granted: u64 = lifts.iter().filter_map(|lift| input(lift, "granted")).sum();
    let pool = input(first, "granted").zip(input(first, "pool-left"));
    let (by_first, left) = pool.with_context(|| format!("no pool in {first}"))?;
    assert!(
        granted * 100 >= (by_first + left) * 95,
        "{granted} of {} were lent: {lifts:?}",
        by_first + left
    );
    let took = last["monotonic_ns"]
        .as_u64()
        .zip(first["monotonic_ns"].as_u64());
    let took = took.map(|(last, first)| Duration::from_nanos(last - first));
    assert!(took < Some(Duration::from_secs(1)), "{took:?}");
    for group in idle {
        assert_eq!(group.quota_us()?, Some(TIGHT), "{}", group.path());
    }
    Ok(())
}

#[test]
fn limits_that_sum_to_five_nodes_are_left_as_they_are() -> Result<()> {
    let Some(root) = group("overcommitted") else {
        return Ok(());
    };
    let cpus = u64::try_from(thread::available_parallelism()?.get())?;
    let quota = 5 * cpus * PERIOD / u64::try_from(IDLE)?;
    let groups = children(&root, IDLE, quota)?;
    let agent = Agent::start(&format!("[agent]\ntick = \"100ms\"\n{}", policy(&root)))?;
    for group in &groups {
        adopted(&agent, group, quota)?;
    }
    let end = Instant::now() + Duration::from_secs(2);
    while Instant::now() < end {
        for group in &groups {
            assert_eq!(group.quota_us()?, Some(quota), "{}", group.path());
        }
        thread::sleep(Duration::from_millis(50));
    }
    for group in &groups {
        let shown = show(&agent, group)?;
        assert_eq!(shown["counters"]["trims"], 0, "{shown}");
        assert_eq!(shown["workload"]["cpu"]["lent"]["micro_cpus"], 0, "{shown}");
    }
    Ok(())
}

#[test]
fn cpu_that_nobody_manages_is_not_lent_whoever_uses_it() -> Result<()> {
    let Some(root) = group("memory-only") else {
        return Ok(());
    };
    let one = root.child("one")?;
    one.set_memory_limit(Some(64 << 20))?;
    let policy = format!(
        "[agent]\ntick = \"100ms\"\n[[policy]]\nname = \"memory\"\nselect = [\"{}/*\"]\n\
         mode = \"enforce\"\nresources = [\"memory\"]\n",
        root.path()
    );
    let agent = Agent::start(&policy)?;
    let unmanaged = || {
        let status = agent.cli(&["status"]).unwrap_or_default();
        status["pools"][0]["unmanaged"]["micro_cpus"].as_u64()
    };
    let idle = || unmanaged().is_some_and(|used| used < 500_000);
    assert!(
        eventually(2 * SOON, idle),
        "this node is too busy: {:?}",
        unmanaged()
    );
    let mut burn = one.command(lab_bin()?)?;
    let _burning = Process::spawn(burn.args(["burn", "--threads", "1", "--for", "1day"]))?;
    let counted = || unmanaged().is_some_and(|used| used > 800_000);
    assert!(eventually(SOON, counted), "{:?}", unmanaged());
    Ok(())
}

#[test]
fn a_floor_that_nobody_asked_for_is_no_more_than_its_owner_gave() -> Result<()> {
    let Some(root) = group("floors") else {
        return Ok(());
    };
    let (small, large) = (root.child("small")?, root.child("large")?);
    small.set_quota_us(Some(2_000), PERIOD)?;
    large.set_quota_us(Some(PERIOD), PERIOD)?;
    let floors = |keys: &str| -> Result<[Value; 2]> {
        let agent = Agent::start(&format!(
            "[[policy]]\nname = \"floors\"\nselect = [\"{}/*\"]\nresources = [\"cpu\"]\n{keys}",
            root.path()
        ))?;
        adopted(&agent, &small, 2_000)?;
        adopted(&agent, &large, PERIOD)?;
        let floor = |group| -> Result<Value> {
            Ok(show(&agent, group)?["workload"]["cpu"]["floor"]["micro_cpus"].take())
        };
        Ok([floor(&small)?, floor(&large)?])
    };
    assert_eq!(floors("")?, [20_000, 100_000]);
    assert_eq!(floors("cpu.floor = 0.05\n")?, [50_000, 50_000], "asked for");
    Ok(())
}
