//! What people change while the agent runs is said where they will look, and stays as they wanted it.

use std::io::{BufRead as _, BufReader};

use anyhow::{Context as _, Result};
use rustix::process::Signal;
use serde_json::Value;
use trimtab_tests::{Agent, Group, Process, eventually};

use crate::trust::{
    SOON, TIGHT, adopted, burst, enforce, group, journal, lift, policy, quota_returns, show,
};

fn tight(root: &Group) -> Result<Group> {
    let leaf = root.child("leaf")?;
    leaf.set_quota_us(Some(TIGHT), 100_000)?;
    Ok(leaf)
}

fn mode(agent: &Agent, group: &Group) -> Result<Value> {
    Ok(show(agent, group)?["workload"]["mode"].clone())
}

/// What the journal says about a group's modes, oldest first.
fn told(agent: &Agent, group: &Group) -> Result<Vec<String>> {
    let entries = journal(agent, group)?.into_iter();
    let entries = entries.filter(|entry| entry["cause"] == "mode");
    Ok(entries
        .map(|entry| {
            entry["reason"]["text"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        })
        .collect())
}

/// Sends SIGHUP and waits until the configuration has been read.
pub(crate) fn reload(agent: &Agent) -> Result<()> {
    let seq =
        |agent: &Agent| Ok::<_, anyhow::Error>(agent.cli(&["status"])?["journal_seq"].clone());
    let before = seq(agent)?;
    agent.signal(Signal::HUP)?;
    let read = eventually(SOON, || seq(agent).is_ok_and(|now| now != before));
    anyhow::ensure!(read, "nothing was said of a reload\n{}", agent.log());
    Ok(())
}

#[test]
fn explain_tells_of_every_change_of_mode() -> Result<()> {
    let Some(root) = group("modes") else {
        return Ok(());
    };
    let leaf = tight(&root)?;
    let agent = enforce(&root)?;
    adopted(&agent, &leaf, TIGHT)?;
    lift(&agent, &leaf)?;
    for word in ["observe", "recommend", "enforce"] {
        assert_eq!(agent.cli(&["mode", leaf.path(), word])?["mode"], word);
        // Again is no change.
        agent.cli(&["mode", leaf.path(), word])?;
    }
    let told = told(&agent, &leaf)?;
    let expected = [
        "mode enforce -> observe: its owner's limits go back, and no limit is written any more",
        "mode observe -> recommend: decisions are made and told, not written",
        "mode recommend -> enforce: its owner's limits are noted, and it is lifted and trimmed from here on",
    ];
    assert_eq!(told, expected);
    let text = agent.command(&["explain", leaf.path()])?.output()?.stdout;
    let text = String::from_utf8(text)?;
    for words in expected {
        assert!(text.contains(words), "{text}");
    }
    Ok(())
}

#[test]
fn a_mode_and_a_pin_outlive_a_reload() -> Result<()> {
    let Some(root) = group("asked") else {
        return Ok(());
    };
    let leaf = tight(&root)?;
    let agent = enforce(&root)?;
    adopted(&agent, &leaf, TIGHT)?;
    lift(&agent, &leaf)?;
    agent.cli(&["mode", leaf.path(), "observe"])?;
    reload(&agent)?;
    assert_eq!(mode(&agent, &leaf)?, "observe");
    burst(&leaf)?;
    assert_eq!(leaf.quota_us()?, Some(TIGHT), "nothing may be written");

    agent.cli(&["mode", leaf.path(), "enforce"])?;
    agent.cli(&["pin", leaf.path()])?;
    // Its limits cannot be taken over anew without letting it go.
    let select = format!("{}/**", root.path());
    agent.configure(&format!(
        "{}resources = [\"cpu\"]\n",
        policy(&select, "enforce")
    ))?;
    reload(&agent)?;
    let shown = show(&agent, &leaf)?;
    assert_eq!(
        (&shown["workload"]["pinned"], &shown["workload"]["memory"]),
        (&true.into(), &Value::Null)
    );
    quota_returns(&leaf, Some(TIGHT), SOON)?;
    burst(&leaf)?;
    assert_eq!(leaf.quota_us()?, Some(TIGHT), "it is pinned");
    Ok(())
}

#[test]
fn a_bad_configuration_is_told_until_a_good_one_comes() -> Result<()> {
    let Some(root) = group("bad") else {
        return Ok(());
    };
    let leaf = tight(&root)?;
    let agent = enforce(&root)?;
    adopted(&agent, &leaf, TIGHT)?;
    assert_eq!(agent.cli(&["status"])?["config_error"], Value::Null);
    let mut watch = Process::spawn(&mut agent.command(&["watch", "--json"])?)?;
    let mut seen = BufReader::new(watch.stdout.take().context("no output")?).lines();

    agent.configure(&policy(root.path(), "enforced"))?;
    reload(&agent)?;
    let error = agent.cli(&["status"])?["config_error"].clone();
    let error = error.as_str().context("status tells nothing")?.to_owned();
    assert!(
        error.contains("trimtab.toml:") && error.contains("enforced"),
        "{error}"
    );
    let text = agent.command(&["status"])?.output()?.stdout;
    let text = String::from_utf8(text)?;
    assert!(
        text.contains("the earlier one stays") && text.contains(&error),
        "{text}"
    );
    assert_eq!(
        mode(&agent, &leaf)?,
        "enforce",
        "the earlier one is in force"
    );
    lift(&agent, &leaf)?;

    agent.configure(&policy(&format!("{}/**", root.path()), "enforce"))?;
    reload(&agent)?;
    assert_eq!(agent.cli(&["status"])?["config_error"], Value::Null);

    let mut told = Vec::new();
    while told.len() < 2 {
        let entry: Value = serde_json::from_str(&seen.next().context("watch has ended")??)?;
        if entry["cause"] == "reload" {
            told.push(
                entry["reason"]["text"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned(),
            );
        }
    }
    assert!(told[0].contains(&error), "{told:?}");
    assert_eq!(told[1], "the configuration has been read again");
    Ok(())
}
