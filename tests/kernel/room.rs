//! More groups than there is room for: they wait their turn, share what is left, and are counted.

use std::{thread, time::Duration};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use trimtab::probe::{Options, Probe, ProbeSet, Probes, Waits};
use trimtab_tests::{Agent, Group, eventually, skip};

use crate::{
    probe_support::turn,
    ready::{contenders, go, run_delay},
    trust::{SOON, group},
};

/// A slot rests for three seconds, then comes the next tick.
const TURN: Duration = Duration::from_secs(10);

fn config(root: &Group, workloads: u32, histograms: u32) -> String {
    format!(
        "[agent.room]\nworkloads = {workloads}\nhistograms = {histograms}\n\
         [[policy]]\nname = \"room\"\nselect = [\"{}/*\"]\nmode = \"observe\"\n",
        root.path()
    )
}

fn children(root: &Group, count: u32) -> Result<Vec<Group>> {
    (0..count)
        .map(|number| root.child(&format!("c{number}")))
        .collect()
}

/// Workloads, those that wait, and those that share a histogram.
fn counted(agent: &Agent) -> Result<[u64; 3]> {
    let status = agent.cli(&["status"])?;
    let of = |value: &Value| value.as_u64().context("a number");
    let room = &status["room"];
    Ok([
        of(&status["observed"])?,
        of(&room["waiting"])?,
        of(&room["sharing"])?,
    ])
}

fn comes_to(agent: &Agent, wanted: [u64; 3], within: Duration) -> Result<()> {
    let mut last = None;
    let came = eventually(within, || {
        last = counted(agent).ok();
        last == Some(wanted)
    });
    ensure!(came, "{last:?} instead of {wanted:?}\n{}", agent.log());
    Ok(())
}

fn room_finding(agent: &Agent) -> Result<Value> {
    let findings = agent.cli(&["doctor"])?;
    let findings = findings.as_array().context("findings")?;
    let room = findings.iter().find(|finding| finding["name"] == "room");
    Ok(room.context("nothing about room")?.clone())
}

#[test]
fn groups_beyond_the_room_wait_until_a_workload_goes() -> Result<()> {
    let Some(root) = group("room") else {
        return Ok(());
    };
    let mut groups = children(&root, 6)?;
    let agent = Agent::start(&config(&root, 4, 4))?;
    comes_to(&agent, [4, 2, 0], SOON)?;
    assert_eq!(room_finding(&agent)?["state"], "degraded");
    let text = agent.command(&["status"])?.output()?.stdout;
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(
        text.contains("2 groups waiting for room beyond 4 workloads"),
        "{text}"
    );

    // One that waits goes, and nobody takes its place.
    groups.pop();
    comes_to(&agent, [4, 1, 0], SOON)?;
    // A workload goes, and the one that waits takes its place.
    let last = groups[4].path().to_owned();
    groups.remove(0);
    comes_to(&agent, [4, 0, 0], TURN)?;
    agent.cli(&["show", &last])?;
    assert_eq!(room_finding(&agent)?["state"], "on");

    let log = agent.log();
    let said = |text: &str| log.matches(text).count();
    assert_eq!(said("wait until one goes"), 1, "{log}");
    assert_eq!(said("there is room for every workload again"), 1, "{log}");
    Ok(())
}

#[test]
fn workloads_beyond_the_histograms_share_one_until_another_is_free() -> Result<()> {
    let Some(root) = group("share") else {
        return Ok(());
    };
    let mut groups = children(&root, 3)?;
    let agent = Agent::start(&config(&root, 8, 1))?;
    if agent.cli(&["status"])?["probes_on"] == 0 {
        skip("no probe can be loaded here");
        return Ok(());
    }
    comes_to(&agent, [3, 0, 2], SOON)?;
    let mut running = contenders(&groups[1..])?;
    go(&mut running)?;
    let shared = || -> Result<Option<u64>> {
        Ok(agent.cli(&["status"])?["room"]["shared_waited_ns"].as_u64())
    };
    let waited = eventually(SOON, || shared().is_ok_and(|ns| ns > Some(10_000_000)));
    assert!(waited, "two loops on one CPU wait for each other");
    let sharing = groups[1].path().to_owned();
    assert!(
        agent.cli(&["why", &sharing]).is_err(),
        "what is counted together cannot be told apart"
    );

    groups.remove(0);
    comes_to(&agent, [2, 0, 1], SOON)?;
    let told = eventually(SOON, || {
        agent
            .cli(&["why", &sharing])
            .is_ok_and(|why| why["waited_ns"].as_u64() > Some(0))
    });
    assert!(told, "it has a histogram of its own now\n{}", agent.log());
    groups.pop();
    comes_to(&agent, [1, 0, 0], SOON)?;
    // What can be asked at once is said at the next tick.
    let again = "histograms of its own again";
    assert!(eventually(SOON, || agent.log().contains(again)));
    let log = agent.log();
    assert_eq!(log.matches("more share one").count(), 1, "{log}");
    assert_eq!(log.matches(again).count(), 1, "{log}");
    Ok(())
}

#[test]
fn what_is_shared_and_what_is_not_add_up() -> Result<()> {
    let _turn = turn();
    let Some(root) = group("sum") else {
        return Ok(());
    };
    let groups = children(&root, 3)?;
    let options = Options {
        probes: ProbeSet::of(Probe::RunqLatency),
        max_watches: 8,
        max_groups: 1,
        ..Options::default()
    };
    let Ok(mut loaded) = Probes::load(&options) else {
        skip("no probes here");
        return Ok(());
    };
    for group in &groups {
        loaded.runq().register(group.cpu_id()?)?;
    }
    assert_eq!(loaded.runq().others(), 2);
    let mut running = contenders(&groups)?;
    let before = run_delay(&running)?;
    go(&mut running)?;
    thread::sleep(Duration::from_secs(1));
    let delay = run_delay(&running)? - before;
    let own = loaded
        .runq()
        .read(groups[0].cpu_id()?)?
        .context("its own")?;
    let others = loaded.runq().read_others()?;
    assert_eq!(loaded.runq().read(groups[1].cpu_id()?)?, None);
    let ns = |waits: &Waits| waits.hist.waiting_ns;
    assert!(
        ns(&own) > 0 && ns(&others) > ns(&own),
        "{} of {delay}",
        ns(&others)
    );
    // The last wait of each is still going on.
    let sum = ns(&own) + ns(&others);
    assert!(sum.abs_diff(delay) < delay / 5, "{sum} of {delay}");
    drop(running);
    // The one that has its own goes: the first of the others gets it, and begins with nothing.
    groups.iter().try_for_each(Group::kill_all)?;
    assert!(loaded.runq().unregister(groups[0].cpu_id()?)?);
    assert_eq!(loaded.runq().others(), 1);
    let mut ids = [groups[1].cpu_id()?, groups[2].cpu_id()?];
    ids.sort_unstable();
    assert_eq!(loaded.runq().read(ids[0])?, Some(Waits::default()));
    assert_eq!(loaded.runq().read(ids[1])?, None);
    assert!(loaded.runq().unregister(ids[1])?);
    assert_eq!(loaded.runq().others(), 0);
    Ok(())
}
