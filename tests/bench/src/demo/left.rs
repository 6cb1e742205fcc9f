//! What is left on a host where no cgroup can be made: Trimtab looks, and says what it would do.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Error, Result};
use trimtab::api::view::{Finding, Quantity, ResourceState, Workload};
use trimtab_tests::trimtab_bin;

use super::{agent::Agent, live::Times, show::Show, summary::Summary, words};
use crate::stop::Stop;

/// Every group there is, and nothing written.
const POLICY: &str =
    "[[policy]]\nname = \"look\"\nselect = [\"/**\"]\nmode = \"MODE\"\nwarm_up = \"0s\"\n";
/// Between two looks.
const LOOK: Duration = Duration::from_secs(2);
/// Workloads that are shown at a time.
const BUSIEST: usize = 5;

/// Shows it, for as long as the live demonstration would have taken.
pub(super) async fn run(
    times: Times,
    error: &Error,
    show: &mut Show,
    stop: &Stop,
) -> Result<Summary> {
    show.close();
    let why = format!("{error:#}");
    show.say(format!("No limit can be written here: {why}"))?;
    let mut summary = Summary {
        why_not: Some(why),
        restored: true,
        ..Summary::default()
    };
    match Agent::start(stop, &[], POLICY).await {
        Ok(agent) => {
            summary.findings = agent.client().doctor().await?;
            say_findings(&summary.findings, show)?;
            show.say(
                "What is left: signals, and what would be done about them (mode recommend).".into(),
            )?;
            look(&agent, times, show, stop).await?;
            agent.stop()?;
        }
        Err(error) if !stop.is_set() => {
            show.say(format!("An agent cannot run here either: {error:#}"))?;
            summary.findings = findings()?;
            say_findings(&summary.findings, show)?;
            show.say("What is left: `trimtab check-config`, and `cargo xtask test`, which brings a guest of its own.".into())?;
        }
        Err(_) => {}
    }
    Ok(summary)
}

/// The busiest workloads every few seconds, and the journal as it comes.
async fn look(agent: &Agent, times: Times, show: &mut Show, stop: &Stop) -> Result<()> {
    let start = Instant::now();
    let mut client = agent.client();
    let mut journal = agent.journal();
    let mut looked = start;
    while !stop.is_set() && times.all.is_none_or(|all| start.elapsed() < all) {
        stop.sleep(LOOK / 20).await;
        while let Ok(entry) = journal.try_recv() {
            show.say(words::entry(&entry))?;
        }
        if looked.elapsed() < LOOK {
            continue;
        }
        looked = Instant::now();
        let mut workloads = client.workloads().await?;
        workloads.sort_by_key(|workload| std::cmp::Reverse(used(workload.cpu.as_ref())));
        show.say(format!(
            "[{:2} s] the busiest of {} groups:",
            start.elapsed().as_secs(),
            workloads.len()
        ))?;
        for workload in workloads.iter().take(BUSIEST) {
            show.say(line(workload))?;
        }
    }
    Ok(())
}

fn line(workload: &Workload) -> String {
    let amount = |state: Option<&ResourceState>| {
        state.map_or_else(
            || "-".into(),
            |state| {
                format!(
                    "{} of {}",
                    words::quantity(state.used),
                    words::quantity(state.limit)
                )
            },
        )
    };
    let signals = &workload.signals;
    let wait = signals
        .waiting_p99_ns
        .map_or_else(|| "-".into(), |ns| words::micros(ns / 1_000));
    let throttled = signals
        .throttled_ns
        .map_or_else(|| "-".into(), |ns| words::micros(ns / 1_000));
    format!(
        "  {}: cpu {}, memory {}, waits for a CPU P99 {wait}, throttled {throttled}",
        workload.path,
        amount(workload.cpu.as_ref()),
        amount(workload.memory.as_ref()),
    )
}

fn used(state: Option<&ResourceState>) -> u64 {
    match state.map(|state| state.used) {
        Some(Quantity::MicroCpus(amount) | Quantity::Bytes(amount)) => amount,
        _ => 0,
    }
}

fn say_findings(findings: &[Finding], show: &mut Show) -> Result<()> {
    for finding in findings {
        show.say(words::finding(finding))?;
    }
    Ok(())
}

/// What `trimtab doctor` finds out without an agent.
fn findings() -> Result<Vec<Finding>> {
    let mut command = Command::new(trimtab_bin()?);
    command.args(["doctor", "--json", "--socket", "/nonexistent"]);
    let output = command.stdin(Stdio::null()).output()?;
    Ok(serde_json::from_slice(&output.stdout).unwrap_or_default())
}
