//! A burst in a small group is lifted: by the warning before it is throttled, by either throttle
//! event at once, and by the tick when no event comes through.

use std::{
    ffi::OsString,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use trimtab_tests::{Agent, Burst, Group, Process, eventually, lab_bin, skip};

use crate::{
    ready::Ready,
    trust::{SOON, TIGHT, adopted, group, is_emulated, journal},
};

const PERIOD: u64 = 100_000;
/// Less than the floor gives, so that a full node cannot spoil the test.
const LENGTH: Duration = Duration::from_millis(40);
const QUOTA_PROBES: &str = r#""quota-near", "throttled-running", "throttled-waking""#;

/// An agent with these probes off that enforces on what lies below the group; `None`, with a loud
/// line, where no probe can be loaded.
fn agent(root: &Group, off: &str, rest: &str) -> Result<Option<Agent>> {
    agent_by(&[], root, off, rest)
}

/// The same, started by way of another program.
fn agent_by(wrapper: &[&str], root: &Group, off: &str, rest: &str) -> Result<Option<Agent>> {
    let wrapper = wrapper.iter().map(OsString::from).collect();
    let config = format!(
        "{rest}\n[probes]\noff = [{off}]\n[[policy]]\nname = \"bursts\"\nselect = [\"{}/*\"]\n\
         mode = \"enforce\"\nresources = [\"cpu\"]\ncpu = {{ floor = 0.5 }}\n",
        root.path()
    );
    let agent = Agent::start_by(wrapper, &config)?;
    if agent.cli(&["status"])?["probes_on"] == 0 {
        skip("no probe can be loaded here");
        return Ok(None);
    }
    Ok(Some(agent))
}

/// No tick comes to help within a test.
const NO_TICK: &str = "[agent]\ntick = \"60s\"";

fn tight(root: &Group, name: &str) -> Result<Group> {
    let group = root.child(name)?;
    group.set_quota_us(Some(TIGHT), PERIOD)?;
    Ok(group)
}

/// Lets a burst of one thread run in the group; how often the kernel throttled it.
fn run(agent: &Agent, group: &Group, length: Duration) -> Result<u64> {
    let mut burst = Burst::prepare(1, length)?;
    burst.join(group)?;
    adopted(agent, group, TIGHT)?;
    ensure!(
        group.quota_us()? == Some(TIGHT),
        "lifted before it had begun"
    );
    let before = group.cpu_stat()?.nr_throttled;
    burst.release()?;
    burst.finish()?;
    Ok(group.cpu_stat()?.nr_throttled - before)
}

/// What raised the lifts that were written, oldest first.
fn causes(agent: &Agent, group: &Group) -> Result<Vec<String>> {
    let written = |entry: &Value| entry["kind"] == "spend" && entry["written"] == true;
    let cause = |entry: Value| entry["cause"].as_str().unwrap_or_default().to_owned();
    let entries = journal(agent, group)?.into_iter();
    Ok(entries.filter(written).map(cause).collect())
}

#[test]
fn a_burst_is_lifted_before_it_is_throttled() -> Result<()> {
    let Some(root) = group("warned") else {
        return Ok(());
    };
    let groups = (0..10)
        .map(|number| tight(&root, &number.to_string()))
        .collect::<Result<Vec<_>>>()?;
    let Some(agent) = agent(&root, "", NO_TICK)? else {
        return Ok(());
    };
    let mut clean = 0;
    for group in &groups {
        clean += u32::from(run(&agent, group, LENGTH)? == 0);
        let causes = causes(&agent, group)?;
        assert!(!causes.is_empty(), "never lifted\n{}", agent.log());
        assert!(group.quota_us()? > Some(TIGHT));
    }
    // An emulated CPU may be away for longer than any warning is ahead.
    assert!(
        clean > 5 || is_emulated(),
        "only {clean} of 10 bursts were lifted before they were throttled"
    );
    Ok(())
}

#[test]
fn a_burst_is_lifted_where_no_thread_stays_on_its_cpu() -> Result<()> {
    for (wrapper, per_cpu) in [(&["taskset", "-c", "1"][..], true), (&[], false)] {
        let Some(root) = group("elsewhere") else {
            return Ok(());
        };
        let child = tight(&root, "one")?;
        let rest = format!("{NO_TICK}\n[fast]\nper_cpu = {per_cpu}");
        let Some(agent) = agent_by(wrapper, &root, "", &rest)? else {
            return Ok(());
        };
        let mut running = Ready::spinner(&child)?;
        running.pin()?;
        adopted(&agent, &child, TIGHT)?;
        running.go()?;
        let lifted = eventually(SOON, || child.quota_us().is_ok_and(|now| now > Some(TIGHT)));
        ensure!(lifted, "{wrapper:?} {per_cpu}: no lift\n{}", agent.log());
    }
    Ok(())
}

#[test]
fn without_the_warning_a_burst_is_lifted_by_its_throttling() -> Result<()> {
    let Some(root) = group("throttled") else {
        return Ok(());
    };
    let child = tight(&root, "one")?;
    let Some(agent) = agent(&root, r#""quota-near", "throttled-waking""#, NO_TICK)? else {
        return Ok(());
    };
    // A throttled period is counted when it ends, and the lift may come before that.
    run(&agent, &child, LENGTH)?;
    let causes = causes(&agent, &child)?;
    assert_eq!(
        causes.first().map(String::as_str),
        Some("throttled-running"),
        "{causes:?}"
    );
    Ok(())
}

#[test]
fn a_wake_into_a_spent_group_lifts_it() -> Result<()> {
    let Some(root) = group("waking") else {
        return Ok(());
    };
    let child = tight(&root, "one")?;
    let Some(agent) = agent(&root, r#""quota-near", "throttled-running""#, NO_TICK)? else {
        return Ok(());
    };
    let mut burst = Burst::prepare(2, Duration::from_secs(2))?;
    // It sleeps most of the time, and so wakes up when the others have spent the quota.
    let mut sleeper = child.command(lab_bin()?)?;
    sleeper.args(["burn", "--for", "100us", "--every", "7ms"]);
    adopted(&agent, &child, TIGHT)?;
    let _sleeper = Process::spawn(&mut sleeper)?;
    burst.join(&child)?;
    burst.release()?;
    let lifted = eventually(SOON, || {
        causes(&agent, &child).is_ok_and(|causes| !causes.is_empty())
    });
    assert!(lifted, "never lifted\n{}", agent.log());
    let causes = causes(&agent, &child)?;
    assert!(
        causes.iter().all(|cause| cause == "throttled-waking"),
        "{causes:?}"
    );
    Ok(())
}

#[test]
fn without_any_hook_no_event_lifts() -> Result<()> {
    let Some(root) = group("deaf") else {
        return Ok(());
    };
    let child = tight(&root, "one")?;
    let Some(agent) = agent(&root, QUOTA_PROBES, NO_TICK)? else {
        return Ok(());
    };
    assert_ne!(run(&agent, &child, LENGTH)?, 0, "not even throttled");
    assert_eq!(causes(&agent, &child)?, Vec::<String>::new());
    assert_eq!(child.quota_us()?, Some(TIGHT));
    Ok(())
}

#[test]
fn without_any_hook_the_tick_lifts() -> Result<()> {
    let Some(root) = group("twin") else {
        return Ok(());
    };
    let groups = [tight(&root, "one")?, tight(&root, "two")?];
    let Some(agent) = agent(&root, QUOTA_PROBES, "")? else {
        return Ok(());
    };
    // Twice, since the first time must leave nothing stuck.
    for group in &groups {
        let start = Instant::now();
        assert_ne!(run(&agent, group, Duration::from_millis(2500))?, 0);
        assert!(start.elapsed() < 2 * SOON);
        let causes = causes(&agent, group)?;
        assert_eq!(
            causes.first().map(String::as_str),
            Some("twin"),
            "{causes:?}\n{}",
            agent.log()
        );
    }
    Ok(())
}

fn signal(pid: Option<u32>, signal: Signal) -> Result<()> {
    let pid = pid.and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
    Ok(kill_process(
        pid.ok_or_else(|| anyhow::anyhow!("the agent has no worker"))?,
        signal,
    )?)
}

/// More groups come and go than the smallest ring has room for, while nobody reads it.
#[test]
fn what_a_full_ring_loses_is_counted_and_made_good() -> Result<()> {
    let Some(root) = group("flood") else {
        return Ok(());
    };
    let child = tight(&root, "one")?;
    let Some(agent) = agent(&root, "", "[fast]\nring_size = \"4KiB\"")? else {
        return Ok(());
    };
    adopted(&agent, &child, TIGHT)?;
    let mut burst = Burst::prepare(1, Duration::from_secs(4))?;
    burst.join(&child)?;
    signal(agent.worker(), Signal::STOP)?;
    let flooded =
        (0..60).try_for_each(|number| Group::create(&format!("flood-{number}")).map(drop));
    let released = flooded.and_then(|()| burst.release());
    // The burst's first periods fall into the time in which every event is lost.
    thread::sleep(Duration::from_millis(300));
    signal(agent.worker(), Signal::CONT)?;
    released?;
    let lifted = eventually(SOON, || {
        child.quota_us().is_ok_and(|quota| quota > Some(TIGHT))
    });
    assert!(lifted, "stuck after a loss\n{}", agent.log());
    let lost = agent.cli(&["status"])?["fast_loop"]["lost"].clone();
    assert!(lost.as_u64() > Some(0), "nothing was counted: {lost}");
    burst.finish()?;
    Ok(())
}
