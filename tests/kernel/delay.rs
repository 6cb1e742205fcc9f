//! A loan that keeps a workload waiting which uses no more than its own: it goes back at once, and
//! is not given again for a while.

use std::{thread, time::Duration};

use anyhow::{Context as _, Result};
use serde_json::Value;
use trimtab_tests::{Agent, eventually, skip};

use crate::{
    probe_support::{now, spin_everywhere},
    trust::{SOON, TIGHT, adopted, group, journal, promised},
};

const PERIOD: u64 = 100_000;
/// For how long after a call nothing is lent, in ns; what follows may be in the last tenth of it.
const BAR: u64 = 1_800_000_000;

#[test]
fn a_loan_that_keeps_others_waiting_goes_back_and_is_barred() -> Result<()> {
    let Some(root) = group("delay") else {
        return Ok(());
    };
    // The whole node: whatever it uses is its own.
    let own = PERIOD * u64::try_from(thread::available_parallelism()?.get())?;
    let (spinner, victim) = (root.child("spinner")?, root.child("victim")?);
    spinner.set_quota_us(Some(TIGHT), PERIOD)?;
    victim.set_quota_us(Some(own), PERIOD)?;
    let agent = Agent::start(&format!(
        "[[policy]]\nname = \"delay\"\nselect = [\"{}/*\"]\nmode = \"enforce\"\nresources = [\"cpu\"]\n\
         trim = false\nwarm_up = \"0s\"\ncpu.floor = 0.01\n",
        root.path()
    ))?;
    let doctor = agent.cli(&["status"])?;
    if doctor["probes_on"] == 0 {
        skip("no probe can be loaded here");
        return Ok(());
    }
    adopted(&agent, &spinner, TIGHT)?;
    adopted(&agent, &victim, own)?;
    // The agent's start must be out of the pool's books.
    thread::sleep(Duration::from_secs(3));
    let spinning = spin_everywhere(&spinner);
    let lent = || spinner.quota_us().is_ok_and(|quota| quota > Some(TIGHT));
    assert!(eventually(SOON, lent), "nothing was lent to the spinner");
    let working = spin_everywhere(&victim);
    let mut called = Value::Null;
    let is_called = eventually(promised(promised(SOON)), || {
        let entries = journal(&agent, &spinner).unwrap_or_default();
        let mut calls = entries.into_iter().filter(|entry| {
            entry["rule"] == "call-in" && entry["reason"]["text"].to_string().contains("victim")
        });
        called = calls.next().unwrap_or_default();
        !called.is_null()
    });
    let told = || agent.cli(&["why", victim.path()]).unwrap_or_default();
    assert!(
        is_called,
        "the loan is still out: {:?} of {TIGHT} us; the victim: {}; {}",
        spinner.quota_us(),
        told(),
        agent.cli(&["show", spinner.path()])?,
    );
    // It wants more in every period, and must not get it.
    let end = called["monotonic_ns"].as_u64().context("when")? + BAR;
    let mut looks = 0;
    loop {
        let quota = spinner.quota_us()?;
        if now().0 >= end {
            break;
        }
        assert_eq!(quota, Some(TIGHT));
        looks += 1;
        thread::sleep(Duration::from_millis(100));
    }
    assert!(looks > 0, "the journal tells of it too late");
    drop((spinning, working));
    assert_eq!(called["written"], true);
    let text = called["reason"]["text"].as_str().context("a reason")?;
    assert!(
        text.contains("kept others waiting for ") && text.contains("victim the last"),
        "{text}"
    );
    assert!(text.ends_with("nothing is lent for 2 s"), "{text}");
    let entries = journal(&agent, &spinner)?;
    assert!(
        entries.iter().any(|entry| entry["denial"] == "barred"),
        "{entries:?}"
    );
    assert!(
        journal(&agent, &victim)?
            .iter()
            .all(|entry| entry["rule"] != "share" && entry["rule"] != "recall"),
        "the victim paid for it"
    );
    Ok(())
}
