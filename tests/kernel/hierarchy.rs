//! A pod-shaped tree: the level that limits is found, lifted first where it is ours, and named
//! where it is not.

use std::{thread, time::Duration};

use anyhow::Result;
use serde_json::Value;
use trimtab_tests::{Agent, Burst, Group, Process, eventually, lab_bin, skip};

use crate::trust::{SOON, adopted, group, journal};

const PERIOD: u64 = 100_000;
const QUOTA: u64 = 50_000;
const LENGTH: Duration = Duration::from_millis(600);

/// The parent may use 50 ms, and so may each of its children: together they run it dry first.
struct Pod {
    root: Group,
    parent: Group,
    children: [Group; 2],
}

fn pod(name: &str) -> Result<Option<Pod>> {
    let Some(root) = group(name) else {
        return Ok(None);
    };
    let parent = root.child("pod")?;
    let children = [parent.child("a")?, parent.child("b")?];
    // On v1 a child may not have more than its parent.
    for group in [&parent, &children[0], &children[1]] {
        group.set_quota_us(Some(QUOTA), PERIOD)?;
    }
    Ok(Some(Pod {
        root,
        parent,
        children,
    }))
}

impl Pod {
    /// An agent with these policies; `None`, with a loud line, where no probe can be loaded.
    fn agent(&self, policies: &[(&str, &str)]) -> Result<Option<Agent>> {
        let policy = |(index, (select, floor)): (usize, &(&str, &str))| {
            format!(
                "[[policy]]\nname = \"level-{index}\"\nselect = [\"{}{select}\"]\n\
                 mode = \"enforce\"\nresources = [\"cpu\"]\ncpu = {{ floor = {floor} }}\n",
                self.root.path()
            )
        };
        let config: String = policies.iter().enumerate().map(policy).collect();
        let agent = Agent::start(&config)?;
        if agent.cli(&["status"])?["probes_on"] == 0 {
            skip("no probe can be loaded here");
            return Ok(None);
        }
        Ok(Some(agent))
    }

    /// Both children burst at once, with a thread each.
    fn burst(&self) -> Result<()> {
        let mut bursts = [Burst::prepare(1, LENGTH)?, Burst::prepare(1, LENGTH)?];
        for (burst, child) in bursts.iter().zip(&self.children) {
            burst.join(child)?;
        }
        for burst in &mut bursts {
            burst.release()?;
        }
        for burst in bursts {
            burst.finish()?;
        }
        Ok(())
    }
}

/// The places in the journal of the lifts that were written for a group.
fn lifts(agent: &Agent, group: &Group) -> Result<Vec<u64>> {
    let written = |entry: &Value| entry["kind"] == "spend" && entry["written"] == true;
    let entries = journal(agent, group)?;
    let seqs = entries.iter().filter(|entry| written(entry));
    Ok(seqs.filter_map(|entry| entry["seq"].as_u64()).collect())
}

#[test]
fn a_parent_of_ours_is_lifted_before_its_children() -> Result<()> {
    let Some(pod) = pod("ours")? else {
        return Ok(());
    };
    // A floor of a CPU for the pod: a full node must not spoil the test.
    let Some(agent) = pod.agent(&[("/pod", "1.0"), ("/pod/*", "0.1")])? else {
        return Ok(());
    };
    adopted(&agent, &pod.parent, QUOTA)?;
    for child in &pod.children {
        adopted(&agent, child, QUOTA)?;
    }
    pod.burst()?;
    let parent = lifts(&agent, &pod.parent)?;
    assert!(
        !parent.is_empty(),
        "the parent was not lifted\n{}",
        agent.log()
    );
    let above = pod.parent.quota_us()?;
    let mut lifted = 0;
    for child in &pod.children {
        let lifts = lifts(&agent, child)?;
        assert!(
            lifts.first().is_none_or(|first| *first > parent[0]),
            "a child was lifted under a parent that had run dry: {lifts:?}, {parent:?}"
        );
        assert!(child.quota_us()? <= above);
        lifted += usize::from(!lifts.is_empty());
    }
    assert_ne!(lifted, 0, "no child was lifted after its parent");
    Ok(())
}

#[test]
fn a_parent_of_somebody_else_is_named_and_no_child_is_written() -> Result<()> {
    let Some(pod) = pod("theirs")? else {
        return Ok(());
    };
    let Some(agent) = pod.agent(&[("/pod/*", "0.1")])? else {
        return Ok(());
    };
    for child in &pod.children {
        adopted(&agent, child, QUOTA)?;
    }
    pod.burst()?;
    let named = format!("limited by {}", pod.parent.path());
    let told = eventually(SOON, || {
        pod.children.iter().any(|child| {
            journal(&agent, child).is_ok_and(|entries| {
                entries.iter().any(|entry| {
                    let text = entry["reason"]["text"].as_str().unwrap_or_default();
                    entry["denial"] == "limited-above" && text.contains(&named)
                })
            })
        })
    });
    assert!(told, "nobody says `{named}`\n{}", agent.log());
    for child in &pod.children {
        assert_eq!(lifts(&agent, child)?, Vec::<u64>::new());
        assert_eq!(child.quota_us()?, Some(QUOTA));
    }
    assert_eq!(pod.parent.quota_us()?, Some(QUOTA));
    Ok(())
}

#[test]
fn what_children_use_ends_the_rest_of_their_parent() -> Result<()> {
    let Some(pod) = pod("rests")? else {
        return Ok(());
    };
    // The children are nobody's: only the parent's own counters tell of them.
    let Some(agent) = pod.agent(&[("/pod", "0.1")])? else {
        return Ok(());
    };
    adopted(&agent, &pod.parent, QUOTA)?;
    let used = || -> Result<u64> {
        let shown = agent.cli(&["show", pod.parent.path()])?;
        Ok(shown["workload"]["cpu"]["used"]["micro_cpus"]
            .as_u64()
            .unwrap_or_default())
    };
    // Two seconds without any use, and some ticks more.
    thread::sleep(Duration::from_secs(4));
    assert_eq!(used()?, 0, "nobody is there");
    let mut burn = pod.children[0].command(lab_bin()?)?;
    burn.args(["burn", "--threads", "1", "--every", "10ms", "--for", "1ms"]);
    let burning = Process::spawn(&mut burn)?;
    let seen = eventually(SOON, || used().is_ok_and(|used| used > 10_000));
    assert!(seen, "its children use a tenth of a CPU\n{}", agent.log());
    drop(burning);
    Ok(())
}
