//! Whatever ends the management of a group, its owner's limits are back afterwards.

use std::{
    fs, io,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;
use serde_json::Value;
use trimtab_tests::{Agent, Group, Process, eventually, lab_bin};

use crate::trust::{
    Limits, SOON, TIGHT, adopted, burst, enforce, group, lift, moving_memory_limit, policy,
    promised, quota_returns, show,
};

/// What a stop may take, and what a killed agent's guardian may.
const STOPPED: Duration = Duration::from_secs(1);
const KILLED: Duration = Duration::from_secs(2);
const MIB: u64 = 1 << 20;

/// A small tree of groups whose limits an agent has lifted.
struct Lifted {
    // Dropped in this order: the agent first, then the inner groups.
    agent: Agent,
    groups: Vec<Group>,
    originals: Vec<Limits>,
}

/// One group with a tight quota, one inside a pod, and one that outgrew its memory limit.
fn lifted(name: &str) -> Result<Option<Lifted>> {
    let Some(root) = group(name) else {
        return Ok(None);
    };
    let (alone, pod, hungry) = (
        root.child("alone")?,
        root.child("pod")?,
        root.child("hungry")?,
    );
    let inner = pod.child("inner")?;
    for (group, quota) in [(&alone, TIGHT), (&pod, 5 * TIGHT), (&inner, TIGHT)] {
        group.set_quota_us(Some(quota), 100_000)?;
    }
    hungry.set_memory_limit(Some(32 * MIB))?;
    let groups = vec![alone, inner, pod, hungry, root];
    // Before there is an agent: on v2 adoption itself moves memory limits.
    let originals: Vec<_> = groups.iter().map(Limits::of).collect::<Result<_>>()?;
    let agent = enforce(&groups[4])?;
    adopted(&agent, &groups[0], TIGHT)?;
    adopted(&agent, &groups[1], TIGHT)?;
    for group in &groups[..2] {
        lift(&agent, group)?;
    }
    let grown = groups[3]
        .command(lab_bin()?)?
        .args(["grow", "--to", "48MiB", "--json"])
        .output()?;
    ensure!(
        grown.status.success(),
        "growing was not made room for\n{}",
        agent.log()
    );
    let limit = moving_memory_limit(&groups[3])?.context("a limit")?;
    ensure!(limit > 32 * MIB, "memory is still limited to {limit}");
    Ok(Some(Lifted {
        agent,
        groups,
        originals,
    }))
}

impl Lifted {
    fn held(&self) -> Result<Vec<Limits>> {
        self.groups.iter().map(Limits::of).collect()
    }

    /// Waits until every limit is what its owner had set.
    fn back(&self, since: Instant, within: Duration) -> Result<()> {
        let left = promised(within).saturating_sub(since.elapsed());
        let back = eventually(left, || {
            self.held().is_ok_and(|held| held == self.originals)
        });
        ensure!(
            back,
            "after {within:?} the limits are {:#?} instead of {:#?}\n{}",
            self.held()?,
            self.originals,
            self.agent.log()
        );
        println!("back after {:?}", since.elapsed());
        Ok(())
    }

    fn ledger(&self) -> Result<Vec<Value>> {
        ledger(&self.agent)
    }
}

/// What the ledger says is to be put back.
pub(crate) fn ledger(agent: &Agent) -> Result<Vec<Value>> {
    let file = agent.runtime_directory().join("ledger.json");
    let text = match fs::read_to_string(file) {
        // An agent that has changed nothing has none.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        text => text?,
    };
    let stored: Value = serde_json::from_str(&text)?;
    Ok(stored["entries"].as_array().context("entries")?.clone())
}

#[test]
fn a_stop_puts_everything_back_within_a_second() -> Result<()> {
    for signal in [Signal::TERM, Signal::INT] {
        let Some(mut lifted) = lifted("stop")? else {
            return Ok(());
        };
        let start = Instant::now();
        lifted.agent.signal(signal)?;
        lifted.back(start, STOPPED)?;
        assert!(
            lifted.agent.wait(SOON)?,
            "a stop is no failure\n{}",
            lifted.agent.log()
        );
        assert_eq!(lifted.ledger()?, Vec::<Value>::new());
    }
    Ok(())
}

#[test]
fn the_guardian_puts_everything_back_when_the_agent_is_killed() -> Result<()> {
    let Some(mut lifted) = lifted("killed")? else {
        return Ok(());
    };
    let start = Instant::now();
    lifted.agent.kill_worker()?;
    lifted.back(start, KILLED)?;
    assert!(!lifted.agent.wait(SOON)?, "a killed agent is a failure");
    assert_eq!(lifted.ledger()?, Vec::<Value>::new());
    Ok(())
}

#[test]
fn the_agent_puts_everything_back_when_its_guardian_is_killed() -> Result<()> {
    let Some(mut lifted) = lifted("orphan")? else {
        return Ok(());
    };
    let start = Instant::now();
    lifted.agent.signal(Signal::KILL)?;
    lifted.back(start, KILLED)?;
    assert!(!lifted.agent.wait(SOON)?);
    Ok(())
}

#[test]
fn the_next_start_puts_back_what_nobody_could() -> Result<()> {
    let Some(mut lifted) = lifted("both")? else {
        return Ok(());
    };
    let before = lifted.held()?;
    lifted.agent.kill_all()?;
    assert_eq!(
        lifted.held()?,
        before,
        "nobody was left to put anything back"
    );
    // It finds every original, although it does not manage these groups any more.
    lifted.agent.configure(&policy("/nothing", "enforce"))?;
    let start = Instant::now();
    lifted.agent.restart()?;
    assert_eq!(
        lifted.held()?,
        lifted.originals,
        "when it answers, all is done\n{}",
        lifted.agent.log()
    );
    println!("back after {:?}, start included", start.elapsed());
    lifted.agent.stop()
}

#[test]
fn a_new_agent_takes_the_old_originals_over() -> Result<()> {
    let Some(mut lifted) = lifted("again")? else {
        return Ok(());
    };
    lifted.agent.kill_all()?;
    lifted.agent.restart()?;
    adopted(&lifted.agent, &lifted.groups[0], TIGHT)?;
    lift(&lifted.agent, &lifted.groups[0])?;
    let start = Instant::now();
    lifted.agent.signal(Signal::TERM)?;
    lifted.back(start, STOPPED)?;
    assert!(lifted.agent.wait(SOON)?);
    Ok(())
}

#[test]
fn restore_by_hand_puts_back_what_nobody_could() -> Result<()> {
    let Some(mut lifted) = lifted("hand")? else {
        return Ok(());
    };
    let refused = lifted
        .agent
        .cli(&["restore"])
        .expect_err("the agent still runs");
    assert!(
        refused.to_string().contains("stop the agent first"),
        "{refused:#}"
    );
    lifted.agent.kill_all()?;
    let restored = lifted.agent.cli(&["restore"])?;
    assert_eq!(lifted.held()?, lifted.originals, "{restored:#}");
    let restored = restored.as_array().context("a list")?;
    assert!(
        restored.iter().all(|one| one["done"] == true),
        "{restored:#?}"
    );
    for group in [&lifted.groups[0], &lifted.groups[1], &lifted.groups[3]] {
        assert!(
            restored.iter().any(|one| one["path"] == group.path()),
            "{restored:#?}"
        );
    }
    assert_eq!(
        lifted.agent.cli(&["restore"])?,
        Value::Array(Vec::new()),
        "nothing is left"
    );
    Ok(())
}

#[test]
fn a_group_made_again_never_gets_an_old_value() -> Result<()> {
    let Some(root) = group("remade") else {
        return Ok(());
    };
    let first = root.child("group")?;
    first.set_quota_us(Some(TIGHT), 100_000)?;
    let mut agent = enforce(&root)?;
    adopted(&agent, &first, TIGHT)?;
    lift(&agent, &first)?;

    // While the agent runs: taken up with its own value, which is the one that it gets back.
    drop(first);
    let second = root.child("group")?;
    second.set_quota_us(Some(15_000), 100_000)?;
    adopted(&agent, &second, 15_000)?;
    lift(&agent, &second)?;

    // While nobody runs: the ledger's entry is for a group that is no more.
    agent.kill_all()?;
    drop(second);
    let third = root.child("group")?;
    third.set_quota_us(Some(12_000), 100_000)?;
    agent.restart()?;
    adopted(&agent, &third, 12_000)?;
    assert_eq!(third.quota_us()?, Some(12_000), "{}", agent.log());
    lift(&agent, &third)?;
    agent.stop()?;
    assert_eq!(third.quota_us()?, Some(12_000));
    assert_eq!(ledger(&agent)?, Vec::<Value>::new());
    Ok(())
}

#[test]
fn a_group_made_again_at_once_is_put_back_at_the_end() -> Result<()> {
    let Some(root) = group("swap") else {
        return Ok(());
    };
    let agent = &mut enforce(&root)?;
    let mut last = None;
    for round in 0..20 {
        // Removed and made again before the agent can look: both at one path in one batch.
        drop(last.take());
        let group = root.child("group")?;
        group.set_quota_us(Some(TIGHT + 100 * round), 100_000)?;
        last = Some(group);
    }
    let group = last.context("the last one")?;
    adopted(agent, &group, TIGHT + 1_900)?;
    lift(agent, &group)?;
    agent.stop()?;
    assert_eq!(group.quota_us()?, Some(TIGHT + 1_900), "{}", agent.log());
    Ok(())
}

/// A group that holds 100 MiB, far beyond its owner's limit of 32.
fn full(name: &str) -> Result<Option<(Agent, Group, Process, Group)>> {
    let Some(root) = group(name) else {
        return Ok(None);
    };
    let full = root.child("full")?;
    full.set_memory_limit(Some(32 * MIB))?;
    let agent = enforce(&root)?;
    assert!(eventually(SOON, || show(&agent, &full).is_ok()));
    let grow = ["grow", "--to", "100MiB", "--hold", "60s"];
    let process = Process::spawn(full.command(lab_bin()?)?.args(grow))?;
    let grown = eventually(SOON, || {
        full.memory_usage().is_ok_and(|used| used >= 100 * MIB)
    });
    ensure!(grown, "growing was not made room for\n{}", agent.log());
    Ok(Some((agent, full, process, root)))
}

/// The limit is low, and kills nobody.
fn is_lowest_safe(group: &Group) -> Result<()> {
    let used = group.memory_usage()?;
    let limit = moving_memory_limit(group)?.context("a limit")?;
    assert!(
        limit >= used && limit <= used + used / 8 + 8 * MIB,
        "{used} bytes used, limit {limit}"
    );
    assert_eq!(group.oom_kills()?, 0);
    Ok(())
}

#[test]
fn memory_below_present_use_stays_at_the_lowest_safe_value_until_it_can_go_back() -> Result<()> {
    let Some((mut agent, full, process, _root)) = full("safe")? else {
        return Ok(());
    };
    agent.signal(Signal::TERM)?;
    assert!(
        !agent.wait(SOON)?,
        "not everything could go back, and the exit code says so"
    );
    is_lowest_safe(&full)?;
    assert!(agent.log().contains("bytes are in use"), "{}", agent.log());
    assert!(!ledger(&agent)?.is_empty());

    let restored = agent.cli(&["restore"])?;
    assert!(
        restored[0]["done"] == false && restored[0]["note"].to_string().contains("in use"),
        "{restored:#}"
    );
    is_lowest_safe(&full)?;

    drop(process);
    let restored = agent.cli(&["restore"])?;
    assert_eq!(full.memory_limit()?, Some(32 * MIB), "{restored:#}");
    assert_eq!(Limits::of(&full)?, limits_without_agent(&full)?);
    assert_eq!(ledger(&agent)?, Vec::<Value>::new());
    Ok(())
}

/// What the limits of [`full`] were at first.
fn limits_without_agent(full: &Group) -> Result<Limits> {
    full.set_memory_limit(Some(32 * MIB))?;
    if full.memory_high().is_ok() {
        full.set_memory_high(None)?;
    }
    Limits::of(full)
}

#[test]
fn memory_goes_back_under_a_running_agent_when_its_use_has_fallen() -> Result<()> {
    let Some((mut agent, full, process, root)) = full("falls")? else {
        return Ok(());
    };
    agent.cli(&["mode", full.path(), "recommend"])?;
    is_lowest_safe(&full)?;
    drop(process);
    let back = eventually(Duration::from_secs(15), || {
        full.memory_limit()
            .is_ok_and(|limit| limit == Some(32 * MIB))
    });
    assert!(back, "{:?}\n{}", Limits::of(&full)?, agent.log());
    let forgotten = eventually(SOON, || {
        ledger(&agent)
            .is_ok_and(|entries| entries.iter().all(|entry| entry["original"] != "33554432"))
    });
    assert!(forgotten, "{:#?}", ledger(&agent)?);
    drop(root);
    agent.stop()
}

#[test]
fn leaving_enforce_puts_originals_back_at_once() -> Result<()> {
    let Some(root) = group("mode") else {
        return Ok(());
    };
    let leaf = root.child("leaf")?;
    leaf.set_quota_us(Some(TIGHT), 100_000)?;
    let mut agent = enforce(&root)?;
    adopted(&agent, &leaf, TIGHT)?;
    lift(&agent, &leaf)?;
    for mode in ["recommend", "observe"] {
        agent.cli(&["mode", leaf.path(), mode])?;
        assert_eq!(
            leaf.quota_us()?,
            Some(TIGHT),
            "when the command ends, it is back"
        );
        burst(&leaf)?;
        assert_eq!(
            leaf.quota_us()?,
            Some(TIGHT),
            "in mode {mode} nothing is written"
        );
        assert_eq!(show(&agent, &leaf)?["workload"]["mode"], mode);
        agent.cli(&["mode", leaf.path(), "enforce"])?;
        lift(&agent, &leaf)?;
    }
    agent.stop()?;
    assert_eq!(leaf.quota_us()?, Some(TIGHT));
    Ok(())
}

#[test]
fn a_configuration_that_drops_a_workload_puts_it_back() -> Result<()> {
    let Some(root) = group("reload") else {
        return Ok(());
    };
    let (kept, dropped) = (root.child("kept")?, root.child("dropped")?);
    for group in [&kept, &dropped] {
        group.set_quota_us(Some(TIGHT), 100_000)?;
    }
    let mut agent = enforce(&root)?;
    for group in [&kept, &dropped] {
        adopted(&agent, group, TIGHT)?;
        lift(&agent, group)?;
    }
    let held = kept.quota_us()?;

    // A bad configuration changes nothing and is reported.
    agent.configure(
        "[[policy]]\nname = \"trust\"\nselect = [\"/trimtab-test-none\"]\nmode = \"enforced\"\n",
    )?;
    agent.signal(Signal::HUP)?;
    assert!(
        eventually(SOON, || agent
            .log()
            .contains("the configuration stays as it is")),
        "{}",
        agent.log()
    );
    assert!(
        agent.log().contains("enforced"),
        "it says what is wrong\n{}",
        agent.log()
    );
    assert_eq!(
        (kept.quota_us()?, show(&agent, &dropped).is_ok()),
        (held, true)
    );
    assert_ne!(dropped.quota_us()?, Some(TIGHT));

    agent.configure(&policy(kept.path(), "enforce"))?;
    agent.signal(Signal::HUP)?;
    quota_returns(&dropped, Some(TIGHT), SOON)?;
    assert!(eventually(SOON, || show(&agent, &dropped).is_err()));
    assert_eq!(
        kept.quota_us()?,
        held,
        "what is still selected stays lifted"
    );

    // From enforce to recommend by configuration, and back.
    agent.configure(&policy(kept.path(), "recommend"))?;
    agent.signal(Signal::HUP)?;
    quota_returns(&kept, Some(TIGHT), SOON)?;
    agent.configure(&policy(kept.path(), "enforce"))?;
    agent.signal(Signal::HUP)?;
    assert!(eventually(SOON, || {
        show(&agent, &kept).is_ok_and(|shown| shown["workload"]["mode"] == "enforce")
    }));
    lift(&agent, &kept)?;
    agent.stop()?;
    assert_eq!(kept.quota_us()?, Some(TIGHT));
    Ok(())
}
