//! Causes of waiting that are injected, and what `trimtab why` says of them.

use std::{fs, thread, time::Duration};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use trimtab_tests::{Agent, Group, Process, eventually, lab_bin, skip};

use crate::{
    probe_support::{interrupt, shell},
    trust::{SOON, adopted, group},
};

const PERIOD: u64 = 100_000;

/// All of them on one CPU, whichever that is for the rest of the node.
fn spin(group: &Group) -> Process {
    shell(group, "exec taskset -c 0 sh -c 'while :; do :; done'")
}

/// Two groups that are only looked at, and the agent.
fn stage(name: &str, quota_us: u64) -> Result<Option<(Agent, [Group; 3])>> {
    let Some(root) = group(name) else {
        return Ok(None);
    };
    let (victim, other) = (root.child("victim")?, root.child("other")?);
    victim.set_quota_us(Some(quota_us), PERIOD)?;
    other.set_quota_us(Some(PERIOD), PERIOD)?;
    let agent = Agent::start(&format!(
        "[[policy]]\nname = \"why\"\nselect = [\"{}/*\"]\nmode = \"observe\"\nresources = [\"cpu\"]\n",
        root.path()
    ))?;
    if agent.cli(&["status"])?["probes_on"] == 0 {
        skip("no probe can be loaded here");
        return Ok(None);
    }
    adopted(&agent, &victim, quota_us)?;
    adopted(&agent, &other, PERIOD)?;
    Ok(Some((agent, [root, victim, other])))
}

/// The share of the victim's waiting that is blamed on each cause, and how much of the time in
/// which it could run it waited.
fn blamed(agent: &Agent, victim: &Group, cause: &str, behind: Option<&str>) -> Result<(f64, f64)> {
    let why = agent.cli(&["why", victim.path(), "--window", "3s"])?;
    let ns = |value: &Value| value.as_f64().context("no number");
    let (ran, waited) = (ns(&why["ran_ns"])?, ns(&why["waited_ns"])?);
    let mut share = 0.0;
    for one in why["causes"].as_array().context("no causes")? {
        let name = one["behind"].as_str();
        let is_named = behind.is_none_or(|behind| name.is_some_and(|name| name.ends_with(behind)));
        if one["cause"] == cause && is_named {
            share += ns(&one["ns"])? / waited;
        }
    }
    eprintln!("{why}");
    Ok((share, waited / (ran + waited)))
}

/// Waits until all of them run, so that whatever is later is as it will be.
fn begin(groups: &[&Group]) -> Result<()> {
    for group in groups {
        let before = group.cpu_stat()?.usage_ns;
        let runs = eventually(SOON, || {
            group
                .cpu_stat()
                .is_ok_and(|stat| stat.usage_ns >= before + 100_000_000)
        });
        ensure!(runs, "nothing runs in {}", group.path());
    }
    thread::sleep(Duration::from_secs(1));
    Ok(())
}

/// Lets them go on for long enough to fill the window.
fn go_on(groups: &[&Group]) -> Result<()> {
    begin(groups)?;
    thread::sleep(Duration::from_secs(3));
    Ok(())
}

#[test]
fn a_neighbour_is_named() -> Result<()> {
    let Some((agent, [_root, victim, other])) = stage("why-neighbour", PERIOD)? else {
        return Ok(());
    };
    let _running = [spin(&victim), spin(&other)];
    go_on(&[&victim, &other])?;
    let (share, waited) = blamed(&agent, &victim, "workload", Some("other"))?;
    assert!(share >= 0.9, "{share}");
    assert!(
        (0.3..0.7).contains(&waited),
        "one of two on a CPU: {waited}"
    );
    Ok(())
}

#[test]
fn siblings_are_told_from_others() -> Result<()> {
    let Some((agent, [_root, victim, _other])) = stage("why-siblings", 2 * PERIOD)? else {
        return Ok(());
    };
    let _running = [spin(&victim), spin(&victim)];
    go_on(&[&victim])?;
    let (share, waited) = blamed(&agent, &victim, "siblings", None)?;
    assert!(share >= 0.9, "{share}");
    assert!(
        (0.3..0.7).contains(&waited),
        "one of two on a CPU: {waited}"
    );
    Ok(())
}

#[test]
fn an_own_quota_is_nobody_elses_fault() -> Result<()> {
    let Some((agent, [_root, victim, _other])) = stage("why-quota", PERIOD / 5)? else {
        return Ok(());
    };
    let _running = spin(&victim);
    go_on(&[&victim])?;
    let (share, waited) = blamed(&agent, &victim, "quota", None)?;
    assert!(share >= 0.9, "{share}");
    assert!((0.7..0.9).contains(&waited), "four fifths: {waited}");
    Ok(())
}

#[test]
fn a_group_that_is_no_workload_is_named_by_its_path() -> Result<()> {
    let Some((agent, [_root, victim, _other])) = stage("why-group", PERIOD)? else {
        return Ok(());
    };
    let Some(stranger) = group("stranger") else {
        return Ok(());
    };
    let _running = [spin(&victim), spin(&stranger)];
    go_on(&[&victim, &stranger])?;
    let (share, _) = blamed(&agent, &victim, "group", Some("/stranger"))?;
    assert!(share >= 0.9, "{share}");
    Ok(())
}

#[test]
fn a_group_below_a_workload_is_that_workload() -> Result<()> {
    let Some((agent, [_root, victim, other])) = stage("why-below", PERIOD)? else {
        return Ok(());
    };
    let below = other.child("below")?;
    let _running = [spin(&victim), spin(&below)];
    go_on(&[&victim, &below])?;
    let (share, _) = blamed(&agent, &victim, "workload", Some("other"))?;
    assert!(share >= 0.9, "{share}");
    Ok(())
}

#[test]
fn a_short_task_in_between_is_not_blamed() -> Result<()> {
    let Some((agent, [_root, victim, other])) = stage("why-between", PERIOD)? else {
        return Ok(());
    };
    let between = interrupt(0);
    let _running = [spin(&victim), spin(&other)];
    let ran = || -> Result<(u64, u64)> {
        let threads = fs::read_dir(format!("/proc/{}/task", between.id()))?;
        let mut ns = 0;
        for thread in threads {
            let text = fs::read_to_string(thread?.path().join("schedstat"))?;
            ns += text.split(' ').next().context("empty")?.parse::<u64>()?;
        }
        Ok((ns, other.cpu_stat()?.usage_ns))
    };
    // Who is not yet spinning would be missing in the truth, which is to be of the window alone.
    begin(&[&victim, &other])?;
    let before = ran()?;
    thread::sleep(Duration::from_secs(3));
    let after = ran()?;
    let (between, other) = (after.0 - before.0, after.1 - before.1);
    #[expect(clippy::cast_precision_loss, reason = "ns of some seconds")]
    let truth = other as f64 / (between + other) as f64;
    let (share, waited) = blamed(&agent, &victim, "workload", Some("other"))?;
    let (between, _) = blamed(&agent, &victim, "system", None)?;
    assert!(share + between >= 0.98, "{share} and {between}");
    let right = share.min(truth);
    assert!(
        right >= 0.9 * truth && right >= 0.9 * share,
        "{share} behind the other one, which had {truth} of the CPU"
    );
    assert!(between > 0.0, "nothing in between");
    assert!(
        (0.3..0.7).contains(&waited),
        "one of two on a CPU: {waited}"
    );
    Ok(())
}

#[test]
fn softirqs_are_told_from_tasks() -> Result<()> {
    if !fs::exists("/sys/class/net/lo/queues/rx-0/rps_cpus")? {
        skip("this kernel cannot steer packets to a CPU");
        return Ok(());
    }
    let Some((agent, [root, victim, _other])) = stage("why-softirqs", PERIOD)? else {
        return Ok(());
    };
    if thread::available_parallelism()?.get() < 2 {
        skip("it takes a CPU beside the one that receives");
        return Ok(());
    }
    // A loopback of its own, whose packets are received on CPU 0 while they are sent on another one.
    let storm = root.child("storm")?;
    let script = format!(
        "exec busybox unshare -n -m sh -c 'busybox ip link set lo up && \
         busybox mount -t sysfs none /sys && echo 1 > /sys/class/net/lo/queues/rx-0/rps_cpus && \
         exec taskset -c 1 {} flood'",
        lab_bin()?.display()
    );
    let _running = [spin(&victim), shell(&storm, &script)];
    go_on(&[&victim, &storm])?;
    let (share, waited) = blamed(&agent, &victim, "interrupts", None)?;
    assert!(share >= 0.9, "{share}");
    assert!(waited >= 0.2, "a storm without a wait: {waited}");
    Ok(())
}
