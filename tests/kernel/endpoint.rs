//! A configuration that is read again opens, moves and closes the endpoint, and no count is lost by it.

use std::net::{SocketAddr, TcpListener, TcpStream};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use trimtab_tests::{Group, free_address};

use crate::{
    control::reload,
    metrics::{Stage, TIME, burn, config, path, stage},
    trust::{TIGHT, adopted, group},
};

/// A group, and what tells of it.
struct Told {
    stage: Stage,
    group: Group,
    /// CPU time that it had used before its adoption, in ns.
    before: u64,
}

/// A group that has used some CPU time, all of which has been told; how much that is.
fn told(name: &str) -> Result<Option<(Told, u64)>> {
    let Some(group) = group(name) else {
        return Ok(None);
    };
    group.set_quota_us(Some(TIGHT), 100_000)?;
    let before = group.cpu_stat_at_rest()?.usage_ns;
    let stage = stage(group.path(), 50)?;
    adopted(&stage.agent, &group, TIGHT)?;
    let told = Told {
        stage,
        group,
        before,
    };
    let used = told.burned()?;
    tells(&told.stage, &path(&told.group), used)?;
    Ok(Some((told, used)))
}

impl Told {
    /// Has it use a little CPU time; how much there has been since its adoption.
    fn burned(&self) -> Result<u64> {
        burn(&self.group, "20ms")?;
        Ok(self.group.cpu_stat_at_rest()?.usage_ns - self.before)
    }
}

/// Waits until so much CPU time is told under a label.
fn tells(stage: &Stage, label: &str, used: u64) -> Result<()> {
    stage.comes_to(|scrape| Ok(scrape.nanos(TIME, &[label])? == used))?;
    Ok(())
}

/// Has the agent read this configuration.
fn read(stage: &Stage, config: &str) -> Result<()> {
    stage.agent.configure(config)?;
    reload(&stage.agent)
}

/// What `doctor` says of the endpoint.
fn finding(stage: &Stage) -> Result<Option<Value>> {
    let findings = stage.agent.cli(&["doctor"])?;
    let mut findings = findings.as_array().context("findings")?.iter();
    Ok(findings
        .find(|finding| finding["name"] == "prometheus")
        .cloned())
}

#[test]
fn a_reload_moves_the_endpoint_closes_it_and_opens_it() -> Result<()> {
    let Some((mut told, used)) = told("endpoint")? else {
        return Ok(());
    };
    let own = path(&told.group);
    let before = told.stage.address;
    told.stage.address = free_address()?;
    let stage = &told.stage;
    let here = config(told.group.path(), 50, stage.address);
    read(stage, &here)?;
    ensure!(TcpStream::connect(before).is_err(), "it is still there");
    assert_eq!(stage.scrape()?.nanos(TIME, &[&own])?, used);

    // At all addresses with the same port, it is in its own way.
    let everywhere = SocketAddr::from(([0, 0, 0, 0], stage.address.port()));
    read(stage, &config(told.group.path(), 50, everywhere))?;
    assert_eq!(stage.scrape()?.nanos(TIME, &[&own])?, used);
    let why = finding(stage)?.context("no finding")?["why"].clone();
    let why = why.as_str().unwrap_or_default();
    assert!(why.contains("0.0.0.0"), "{why}");

    read(stage, &here.replace("enabled = true", "enabled = false"))?;
    ensure!(TcpStream::connect(stage.address).is_err(), "it is open");
    assert_eq!(finding(stage)?, None);
    // What is done meanwhile counts.
    let used = told.burned()?;
    read(stage, &here)?;
    tells(stage, &own, used)
}

#[test]
fn an_address_that_is_taken_keeps_all_of_a_configuration_out() -> Result<()> {
    let Some((told, used)) = told("endpoint-taken")? else {
        return Ok(());
    };
    let Told {
        group, mut stage, ..
    } = told;
    let own = path(&group);
    let taken = TcpListener::bind(("127.0.0.1", 0))?;
    let there = taken.local_addr()?;
    let wanted = config(group.path(), 50, there).replace("observe", "recommend");
    read(&stage, &wanted)?;
    let status = stage.agent.cli(&["status"])?;
    let error = status["config_error"].as_str().unwrap_or_default();
    let said = format!("`listen` in [report.prometheus]: {there} cannot be opened: ");
    assert!(error.starts_with(&said), "{error}");
    assert_eq!(status["observed"], 1, "{status}");
    let refused = "trimtab_agent_config_refused";
    let scrape = stage.comes_to(|scrape| Ok(scrape.nanos(refused, &[])? > 0))?;
    assert_eq!(scrape.nanos(TIME, &[&own])?, used);

    drop(taken);
    reload(&stage.agent)?;
    let status = stage.agent.cli(&["status"])?;
    assert_eq!(status["recommended"], 1, "{status}");
    assert!(status["config_error"].is_null(), "{status}");
    stage.address = there;
    // Its mode has changed, so that it was taken up anew: its counters go on all the same.
    tells(&stage, &own, used)
}

#[test]
fn a_reload_changes_how_many_are_told_by_name() -> Result<()> {
    let Some((told, used)) = told("endpoint-names")? else {
        return Ok(());
    };
    let own = path(&told.group);
    let stage = &told.stage;
    let names = |count| read(stage, &config(told.group.path(), count, stage.address));
    names(0)?;
    let more = told.burned()? - used;
    tells(stage, "trimtab_workload_path=\"other\"", more)?;
    ensure!(stage.scrape()?.values(TIME, &[&own]).is_empty());
    names(50)?;
    // It goes on from where it stood.
    tells(stage, &own, used)
}
