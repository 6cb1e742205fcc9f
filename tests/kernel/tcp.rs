//! Requests to a workload's TCP servers, as the agent shows them.

use std::{thread, time::Duration};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use trimtab_lab::answer::{MESSAGE, Manner, ask};
use trimtab_tests::{Agent, Answer, Group, eventually, skip};

use crate::trust::{SOON, adopted, group, journal, show};

const QUOTA: u64 = 100_000;
const MANNER: Manner = Manner {
    late: Duration::from_millis(4),
    service: Duration::from_millis(8),
};
/// Longer than two ticks, so that one lies wholly within.
const WHILE: Duration = Duration::from_millis(2_500);

/// A group that is only looked at, and the agent; `more` goes in front of its policy.
fn stage(name: &str, more: &str) -> Result<Option<(Agent, Group)>> {
    let Some(group) = group(name) else {
        return Ok(None);
    };
    group.set_quota_us(Some(QUOTA), QUOTA)?;
    let agent = Agent::start(&format!(
        "{more}[[policy]]\nname = \"tcp\"\nselect = [\"{}\"]\nmode = \"observe\"\nresources = [\"cpu\"]\n",
        group.path()
    ))?;
    adopted(&agent, &group, QUOTA)?;
    Ok(Some((agent, group)))
}

/// What `doctor` says about the probe.
fn probe(agent: &Agent) -> Result<Value> {
    let findings = agent.cli(&["doctor"])?;
    let findings = findings.as_array().context("a list of findings")?;
    let ours = findings
        .iter()
        .find(|finding| finding["name"] == "tcp-latency");
    ours.cloned().context("doctor does not name the probe")
}

/// What the agent shows of a group's requests.
fn tcp(agent: &Agent, group: &Group) -> Result<Value> {
    Ok(show(agent, group)?["workload"]["signals"]["tcp"].clone())
}

#[test]
fn requests_are_shown() -> Result<()> {
    let Some((agent, group)) = stage("tcp-shown", "")? else {
        return Ok(());
    };
    if probe(&agent)?["state"] != "on" {
        skip(&format!("{}", probe(&agent)?));
        return Ok(());
    }
    let server = Answer::start(&group, MANNER)?;
    let address = server.address;
    let asking = thread::spawn(move || ask(address, 2, WHILE));
    let busy = eventually(SOON, || {
        tcp(&agent, &group).is_ok_and(|tcp| tcp["requests_per_s"].as_u64() > Some(10))
    });
    let answers = asking.join().map_err(|_| anyhow::anyhow!("no client"))??;
    assert!(busy, "no rate: {}", tcp(&agent, &group)?);
    assert!(
        eventually(SOON, || {
            tcp(&agent, &group).is_ok_and(|tcp| tcp["requests"] == answers)
        }),
        "{answers} answers, {}",
        tcp(&agent, &group)?
    );
    let shown = tcp(&agent, &group)?;
    let ns = |field: &str| shown[field].as_u64().unwrap_or_default();
    let bytes = answers * MESSAGE as u64;
    assert_eq!((ns("bytes_in"), ns("bytes_out")), (bytes, bytes), "{shown}");
    let late = u64::try_from(MANNER.late.as_nanos())?;
    let both = u64::try_from((MANNER.late + MANNER.service).as_nanos())?;
    assert!(ns("unread_p99_ns") >= late, "{shown}");
    assert!(ns("answered_p50_ns") >= both, "{shown}");
    assert!(ns("answered_p99_ns") >= ns("answered_p50_ns"), "{shown}");
    // A tick in between changes the rate.
    let is_listed = eventually(SOON, || {
        let listed = agent.cli(&["workloads"]);
        let shown = tcp(&agent, &group);
        listed.is_ok_and(|listed| shown.is_ok_and(|shown| listed[0]["signals"]["tcp"] == shown))
    });
    assert!(is_listed, "{}", agent.cli(&["workloads"])?);
    Ok(())
}

#[test]
fn decisions_know_how_many_requests_were_late() -> Result<()> {
    let Some(group) = group("tcp-late") else {
        return Ok(());
    };
    group.set_quota_us(Some(QUOTA), QUOTA)?;
    let agent = Agent::start(&format!(
        "[[policy]]\nname = \"tcp\"\nselect = [\"{}\"]\nmode = \"recommend\"\nresources = [\"cpu\"]\n\
         kind = \"slo\"\nrequest_p99 = \"1ms\"\nwarm_up = \"0s\"\n",
        group.path()
    ))?;
    adopted(&agent, &group, QUOTA)?;
    if probe(&agent)?["state"] != "on" {
        skip(&format!("{}", probe(&agent)?));
        return Ok(());
    }
    let server = Answer::start(&group, MANNER)?;
    let address = server.address;
    // A trim waits until five ticks are known.
    let asking = thread::spawn(move || ask(address, 2, 3 * SOON));
    let late = || -> Result<Option<(f64, f64)>> {
        let input = |entry: &Value, name| {
            let inputs = entry["reason"]["inputs"].as_array()?;
            let input = inputs.iter().find(|input| input["name"] == name)?;
            input["number"].as_f64()
        };
        let late = |entry| Some((input(entry, "requests-late")?, input(entry, "requests")?));
        Ok(journal(&agent, &group)?.iter().find_map(late))
    };
    let heard = eventually(3 * SOON, || late().is_ok_and(|late| late.is_some()));
    asking.join().map_err(|_| anyhow::anyhow!("no client"))??;
    let entries = journal(&agent, &group)?;
    assert!(heard, "{entries:?}");
    let (late, of) = late()?.context("heard before")?;
    assert!(of > 10.0, "{entries:?}");
    // Each is left unread for longer than it may take.
    assert!((late - of).abs() < 0.5, "{late} of {of}: {entries:?}");
    Ok(())
}

#[test]
fn without_the_probe_nothing_is_claimed() -> Result<()> {
    let off = "[probes]\noff = [\"tcp-latency\"]\n";
    let Some((agent, group)) = stage("tcp-off", off)? else {
        return Ok(());
    };
    let finding = probe(&agent)?;
    assert_eq!(finding["state"], json!("off"));
    assert_eq!(finding["why"], json!("switched off"));
    let server = Answer::start(&group, MANNER)?;
    ask(server.address, 1, Duration::from_millis(200))?;
    assert_eq!(tcp(&agent, &group)?, Value::Null);
    Ok(())
}
