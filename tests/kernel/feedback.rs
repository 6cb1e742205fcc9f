//! What became of a change is said: in the journal, in `explain`, to who watches, and in `show`.

use std::{
    io::{BufRead as _, BufReader},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use trimtab_tests::{Agent, Burst, Group, Process, eventually, skip};

use crate::trust::{TIGHT, adopted, group, journal, show};

/// Long enough that several ticks see more use than the quota would have let it.
const LENGTH: Duration = Duration::from_secs(1);
/// Ten ticks, and as much again.
const JUDGED: Duration = Duration::from_secs(10);

fn agent(root: &Group) -> Result<Option<Agent>> {
    let agent = Agent::start(&format!(
        "[agent]\ntick = \"200ms\"\n[[policy]]\nname = \"bursts\"\nselect = [\"{}/*\"]\n\
         mode = \"enforce\"\nresources = [\"cpu\"]\ncpu = {{ floor = 0.5 }}\n",
        root.path()
    ))?;
    if agent.cli(&["status"])?["probes_on"] == 0 {
        skip("no probe can be loaded here");
        return Ok(None);
    }
    Ok(Some(agent))
}

/// The first entry of which it is known what became of it.
fn judged(agent: &Agent, group: &Group) -> Result<Value> {
    let mut found = None;
    let said = eventually(JUDGED, || {
        let entries = journal(agent, group).unwrap_or_default();
        found = entries
            .into_iter()
            .find(|entry| !entry["outcome"].is_null());
        found.is_some()
    });
    ensure!(said, "nothing was judged\n{}", agent.log());
    found.context("nothing was judged")
}

#[test]
fn a_burst_that_was_lifted_is_said_to_be_helped() -> Result<()> {
    let Some(root) = group("helped") else {
        return Ok(());
    };
    let leaf = root.child("leaf")?;
    leaf.set_quota_us(Some(TIGHT), 100_000)?;
    let Some(agent) = agent(&root)? else {
        return Ok(());
    };
    let mut watch = Process::spawn(&mut agent.command(&["watch", "--json"])?)?;
    let mut seen = BufReader::new(watch.stdout.take().context("no output")?).lines();
    let mut burst = Burst::prepare(1, LENGTH)?;
    burst.join(&leaf)?;
    adopted(&agent, &leaf, TIGHT)?;
    burst.release()?;
    burst.finish()?;

    let entry = judged(&agent, &leaf)?;
    let outcome = &entry["outcome"];
    ensure!(
        outcome["verdict"] == "helped" && outcome["ground"] == "beyond",
        "{entry:#}\n{}",
        agent.log()
    );
    assert_eq!(outcome["from"]["micro_cpus"], 100_000);
    let text = agent.command(&["explain", leaf.path()])?.output()?.stdout;
    let text = String::from_utf8(text)?;
    assert!(
        text.contains("it helped: it used more than 0.10 CPU"),
        "{text}"
    );

    let shown = show(&agent, &leaf)?;
    let feedback = &shown["workload"]["cpu"]["feedback"];
    assert!(feedback["helped"].as_u64() >= Some(1), "{feedback}");
    // Who watches is told twice: of the change, and of what became of it.
    let told = |line: String| -> Result<Option<bool>> {
        let told: Value = serde_json::from_str(&line)?;
        let same = told["seq"] == entry["seq"];
        Ok(same.then(|| !told["outcome"].is_null()))
    };
    let mut news = Vec::new();
    while news.len() < 2 {
        news.extend(told(seen.next().context("watch has ended")??)?);
    }
    assert_eq!(news, [false, true]);
    Ok(())
}
