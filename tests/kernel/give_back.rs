//! Memory that a workload has freed is given back, and is there again when it grows.

use std::{process::Command, time::Duration};

use anyhow::{Result, ensure};
use trimtab_tests::{Agent, Group, Process, eventually, lab_bin};

use crate::{
    memory::{MIB, adopted, enforce, grows},
    trust::{group, journal, moving_memory_limit},
};

/// What its owner gave it.
const LIMIT: u64 = 512 * MIB;

/// Trims sooner than by default, and forgets sooner what was needed, so that the test need not wait for minutes.
const SOONER: &str = "window = \"5s\"\nwarm_up = \"0s\"\ncooldown = \"1s\"\ncut_interval = \"1s\"\nchanges_per_minute = 60\n\
    memory.policy = \"pressure\"\nmemory.window = \"5s\"\n";

/// How long the trims may take: each round counts as a trim that hurt, after which the next waits for up to 32 s.
const PATIENCE: Duration = Duration::from_secs(90);

/// Waits until the limit stands below `most`.
fn trimmed(agent: &Agent, group: &Group, most: u64) -> Result<()> {
    let low = eventually(PATIENCE, || {
        moving_memory_limit(group).is_ok_and(|limit| limit.is_some_and(|limit| limit < most))
    });
    let limit = moving_memory_limit(group)?;
    ensure!(low, "it stays at {limit:?}\n{}", agent.log());
    Ok(())
}

/// A process of the group that holds so much for good.
fn holds(group: &Group, size: &str) -> Result<Process> {
    let mut command: Command = group.command(lab_bin()?)?;
    command.args(["grow", "--to", size, "--hold", "1h"]);
    Process::spawn(&mut command)
}

#[test]
fn what_was_freed_is_given_back_and_growth_from_there_lives() -> Result<()> {
    let Some(group) = group("give-back") else {
        return Ok(());
    };
    group.set_memory_limit(Some(LIMIT))?;
    let _held = holds(&group, "40MiB")?;
    let agent = enforce(&group, SOONER)?;
    adopted(&agent, &group, LIMIT)?;
    for round in 0..3 {
        trimmed(&agent, &group, 160 * MIB)?;
        let used = group.memory_usage()?;
        let limit = moving_memory_limit(&group)?;
        ensure!(
            limit.is_some_and(|limit| limit >= used + used / 64),
            "{limit:?} for {used}"
        );
        ensure!(
            grows(&group, &[])?,
            "killed in round {round}\n{}",
            agent.log()
        );
    }
    ensure!(group.oom_kills()? == 0, "somebody was killed");
    let entries = journal(&agent, &group)?;
    let trims = entries.iter().filter(|entry| entry["rule"] == "trim");
    ensure!(trims.count() >= 3, "{entries:#?}");
    Ok(())
}
