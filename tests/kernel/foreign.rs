//! A limit that somebody else writes is theirs: never overwritten, seen at once, and reported.

use std::{
    fs, thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use trimtab_tests::{Agent, Group, Version, eventually};

use crate::{
    ready::Ready,
    trust::{
        SOON, TIGHT, adopted, burst, enforce, group, is_emulated, journal, lift,
        moving_memory_limit, policy, promised, show,
    },
};

const MIB: u64 = 1 << 20;
/// Groups that are there at the same time.
const BATCH: u64 = 25;
/// How long a burst lasts: under every quota used here it runs out of it.
const BURST: Duration = Duration::from_millis(60);

/// An agent that follows nobody silently, not even the owner of a newborn group.
fn strict(root: &Group, foreign: &str) -> Result<Agent> {
    let policy = policy(&format!("{}/**", root.path()), "enforce");
    Agent::start(&format!(
        "[agent.foreign]\nnewborn = \"0s\"\n{foreign}\n{policy}"
    ))
}

/// Entries that report a foreign write.
fn notices(journal: &[Value]) -> Vec<&Value> {
    journal
        .iter()
        .filter(|entry| entry["kind"] == "notice" && entry["cause"] == "foreign-write")
        .collect()
}

/// Entries of events that were answered by leaving the limit alone: because it is not ours, or
/// because somebody has noticed that before.
fn left_alone(journal: &[Value]) -> usize {
    let alone = |entry: &&Value| {
        let denial = &entry["denial"];
        let left = *denial == "foreign" || *denial == "not-enforced";
        entry["kind"] == "spend" && left && entry["cause"] != "twin"
    };
    journal.iter().filter(alone).count()
}

fn unix_ns() -> Result<u64> {
    Ok(u64::try_from(
        SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos(),
    )?)
}

/// One group of the two hundred, its foreign value, and when that was written.
struct Case {
    group: Group,
    quota: u64,
    written_ns: u64,
}

#[test]
fn a_burst_right_after_a_foreign_write_never_overwrites_it() -> Result<()> {
    let Some(root) = group("foreign") else {
        return Ok(());
    };
    let mut agent = strict(&root, "")?;
    let batches = if is_emulated() { 2 } else { 8 };
    let mut cases = Vec::new();
    for batch in 0..batches {
        let groups: Vec<_> = (0..BATCH)
            .map(|number| {
                let group = root.child(&format!("{batch}-{number}"))?;
                group.set_quota_us(Some(TIGHT), 100_000)?;
                Ok(group)
            })
            .collect::<Result<_>>()?;
        for (number, group) in (0..).zip(groups) {
            adopted(&agent, &group, TIGHT)?;
            // Every other limit has been lifted by us before.
            if number % 2 == 1 {
                lift(&agent, &group)?;
            }
            let quota = 15_000 + 100 * number + batch;
            let mut spinner = Ready::spinner(&group)?;
            group.set_quota_us(Some(quota), 100_000)?;
            let written_ns = unix_ns()?;
            spinner.go()?;
            thread::sleep(promised(BURST));
            drop(spinner);
            assert_eq!(
                group.quota_us()?,
                Some(quota),
                "overwritten in a burst\n{}",
                agent.log()
            );
            cases.push(Case {
                group,
                quota,
                written_ns,
            });
        }
    }
    let mut by_event = 0;
    for Case {
        group,
        quota,
        written_ns,
    } in &cases
    {
        adopted(&agent, group, *quota)?;
        let journal = journal(&agent, group)?;
        by_event += usize::from(left_alone(&journal) > 0);
        let [notice] = notices(&journal)[..] else {
            panic!("one notice: {journal:#?}")
        };
        assert_eq!(notice["to"]["micro_cpus"], quota * 10);
        let late = notice["unix_ns"]
            .as_u64()
            .context("a time")?
            .saturating_sub(*written_ns);
        assert!(
            late <= 1_000_000_000,
            "reported after {late} ns: {journal:#?}"
        );
        assert_eq!(show(&agent, group)?["counters"]["foreign_writes"], 1);
    }
    println!("{} of {} events left alone", by_event, cases.len());
    assert!(
        by_event * 10 >= cases.len() * 8,
        "{by_event} of {} events left alone",
        cases.len()
    );
    let stand = |when: &str| -> Result<()> {
        for case in &cases {
            ensure!(
                case.group.quota_us()? == Some(case.quota),
                "overwritten {when}: {}",
                case.group.path()
            );
        }
        Ok(())
    };
    stand("by the slow loop")?;
    agent.stop()?;
    stand("at the end")
}

#[test]
fn a_foreign_write_is_seen_within_a_second_without_any_burst() -> Result<()> {
    let Some(root) = group("quiet") else {
        return Ok(());
    };
    let leaf = root.child("leaf")?;
    leaf.set_quota_us(Some(TIGHT), 100_000)?;
    // No tick comes to help.
    let mut agent = strict(&root, "[agent]\ntick = \"60s\"")?;
    adopted(&agent, &leaf, TIGHT)?;
    for quota in [None, Some(20_000)] {
        let seen = notices(&journal(&agent, &leaf)?).len() + 1;
        leaf.set_quota_us(quota, 100_000)?;
        let written_ns = unix_ns()?;
        assert!(eventually(SOON, || journal(&agent, &leaf)
            .is_ok_and(|journal| notices(&journal).len() == seen)));
        let journal = journal(&agent, &leaf)?;
        let notice = notices(&journal).pop().context("a notice")?;
        let late = notice["unix_ns"]
            .as_u64()
            .context("a time")?
            .saturating_sub(written_ns);
        assert!(
            late <= 1_000_000_000,
            "reported after {late} ns: {journal:#?}"
        );
        assert_eq!(leaf.quota_us()?, quota);
    }
    agent.stop()?;
    assert_eq!(leaf.quota_us()?, Some(20_000));
    Ok(())
}

#[test]
fn a_foreign_writer_is_given_way_to_and_a_stubborn_one_has_the_limit() -> Result<()> {
    let Some(root) = group("war") else {
        return Ok(());
    };
    let leaf = root.child("leaf")?;
    leaf.set_quota_us(Some(TIGHT), 100_000)?;
    let mut agent = strict(&root, "backoff = \"4s\"\nwrites = 3\nwindow = \"10m\"")?;
    adopted(&agent, &leaf, TIGHT)?;
    for (nth, quota) in [(1, 15_000), (2, 16_000)] {
        leaf.set_quota_us(Some(quota), 100_000)?;
        burst(&leaf)?;
        adopted(&agent, &leaf, quota)?;
        burst(&leaf)?;
        assert_eq!(
            leaf.quota_us()?,
            Some(quota),
            "left alone during the back-off\n{}",
            agent.log()
        );
        assert_eq!(notices(&journal(&agent, &leaf)?).len(), nth);
        assert!(
            eventually(2 * SOON, || resumed(&agent, &leaf) == nth),
            "{:#?}",
            journal(&agent, &leaf)?
        );
        let lifted = lift(&agent, &leaf)?;
        assert!(lifted > quota, "what was theirs is the new base");
    }
    leaf.set_quota_us(Some(17_000), 100_000)?;
    burst(&leaf)?;
    adopted(&agent, &leaf, 17_000)?;
    let said = journal(&agent, &leaf)?;
    let last = notices(&said).pop().context("a notice")?;
    assert!(
        last["reason"]["text"]
            .to_string()
            .contains("not managed any more"),
        "{last:#?}"
    );
    thread::sleep(Duration::from_secs(5));
    burst(&leaf)?;
    assert_eq!(
        leaf.quota_us()?,
        Some(17_000),
        "a write war does not end by itself"
    );
    assert_eq!(resumed(&agent, &leaf), 2);

    // Until a person decides anew.
    agent.cli(&["mode", leaf.path(), "recommend"])?;
    agent.cli(&["mode", leaf.path(), "enforce"])?;
    lift(&agent, &leaf)?;
    agent.stop()?;
    assert_eq!(leaf.quota_us()?, Some(17_000));
    Ok(())
}

/// How often management went on after a back-off.
fn resumed(agent: &Agent, group: &Group) -> usize {
    let journal = journal(agent, group).unwrap_or_default();
    journal
        .iter()
        .filter(|entry| entry["cause"] == "resumed")
        .count()
}

#[test]
fn a_newborn_groups_owner_is_followed() -> Result<()> {
    let Some(root) = group("newborn") else {
        return Ok(());
    };
    let mut agent = enforce(&root)?;
    let leaf = root.child("leaf")?;
    assert!(eventually(SOON, || show(&agent, &leaf).is_ok()));
    leaf.set_quota_us(Some(TIGHT), 100_000)?;
    adopted(&agent, &leaf, TIGHT)?;
    lift(&agent, &leaf)?;
    agent.stop()?;
    assert_eq!(leaf.quota_us()?, Some(TIGHT));
    Ok(())
}

#[test]
fn a_foreign_memory_limit_is_never_overwritten() -> Result<()> {
    let Some(root) = group("foreign-memory") else {
        return Ok(());
    };
    let mut agent = strict(&root, "")?;
    let mut cases = Vec::new();
    for number in 0..10 {
        let leaf = root.child(&format!("{number}"))?;
        leaf.set_memory_limit(Some(32 * MIB))?;
        assert!(eventually(SOON, || {
            show(&agent, &leaf)
                .is_ok_and(|shown| shown["workload"]["memory"]["original"]["bytes"] == 32 * MIB)
        }));
        if number % 2 == 1 {
            let mut grow = Ready::lab(&leaf, &["grow", "--to", "40MiB"])?;
            grow.go()?;
            assert!(
                grow.wait()?,
                "growing was not made room for\n{}",
                agent.log()
            );
            assert!(moving_memory_limit(&leaf)?.is_some_and(|limit| limit > 32 * MIB));
        }
        let theirs = (64 + number) * MIB;
        // On v2 either of the two may be set; the hard one limits as long as we have not raised it.
        let file = match leaf.version() {
            Version::V1 => "memory.limit_in_bytes",
            Version::V2 if number % 2 == 1 => "memory.high",
            Version::V2 => "memory.max",
        };
        let file = leaf.memory_dir().join(file);
        let mut grow = Ready::lab(&leaf, &["grow", "--to", "61MiB"])?;
        fs::write(&file, theirs.to_string())?;
        let written_ns = unix_ns()?;
        grow.go()?;
        assert!(grow.wait()?);
        assert_eq!(
            fs::read_to_string(&file)?.trim(),
            theirs.to_string(),
            "overwritten in a burst\n{}",
            agent.log()
        );
        cases.push((leaf, file, theirs, written_ns));
    }
    for (leaf, _, theirs, written_ns) in &cases {
        let seen = eventually(SOON, || {
            show(&agent, leaf)
                .is_ok_and(|shown| shown["workload"]["memory"]["original"]["bytes"] == *theirs)
        });
        assert!(seen, "{:#?}", show(&agent, leaf)?);
        let journal = journal(&agent, leaf)?;
        let [notice] = notices(&journal)[..] else {
            panic!("one notice: {journal:#?}")
        };
        let late = notice["unix_ns"]
            .as_u64()
            .context("a time")?
            .saturating_sub(*written_ns);
        assert!(
            late <= 1_000_000_000,
            "reported after {late} ns: {journal:#?}"
        );
    }
    agent.stop()?;
    for (_, file, theirs, _) in &cases {
        assert_eq!(
            fs::read_to_string(file)?.trim(),
            theirs.to_string(),
            "overwritten at the end"
        );
    }
    Ok(())
}

#[test]
fn a_hard_limit_stays_with_its_owner() -> Result<()> {
    let Some(root) = group("foreign-max") else {
        return Ok(());
    };
    let leaf = root.child("leaf")?;
    if leaf.version() == Version::V1 {
        trimtab_tests::skip("cgroup v1 has one memory limit only");
        return Ok(());
    }
    leaf.set_memory_limit(Some(32 * MIB))?;
    let mut agent = strict(&root, "")?;
    let limits = || anyhow::Ok((leaf.memory_limit()?, leaf.memory_high()?));
    let eventually_is = |max: u64, high: Option<u64>| {
        let wanted = (Some(max * MIB), high.map(|high| high * MIB));
        let is_so = eventually(SOON, || {
            limits().is_ok_and(|limits: (_, _)| limits == wanted)
        });
        ensure!(is_so, "{:?}\n{}", limits()?, agent.log());
        anyhow::Ok(())
    };
    eventually_is(32, Some(28))?;
    // While its owner's holds, ours makes way.
    leaf.set_memory_limit(Some(80 * MIB))?;
    eventually_is(80, None)?;
    assert!(eventually(SOON, || show(&agent, &leaf).is_ok_and(
        |shown| shown["workload"]["memory"]["original"]["bytes"] == 80 * MIB
    )));
    let mut grow = Ready::lab(&leaf, &["grow", "--to", "61MiB"])?;
    grow.go()?;
    assert!(grow.wait()?);
    assert_eq!(limits()?, (Some(80 * MIB), None), "{}", agent.log());
    agent.stop()?;
    assert_eq!(limits()?, (Some(80 * MIB), None));
    Ok(())
}

#[test]
fn a_foreign_period_stands() -> Result<()> {
    let Some(root) = group("period") else {
        return Ok(());
    };
    let mut agent = strict(&root, "backoff = \"1s\"")?;
    // The same share of a CPU in another period, and another share.
    for (number, quota) in [(0, TIGHT / 2), (1, TIGHT)] {
        let leaf = root.child(&format!("{number}"))?;
        leaf.set_quota_us(Some(TIGHT), 100_000)?;
        adopted(&agent, &leaf, TIGHT)?;
        let mut spinner = Ready::spinner(&leaf)?;
        set_quota_and_period(&leaf, quota, 50_000)?;
        spinner.go()?;
        thread::sleep(BURST);
        drop(spinner);
        assert_eq!(leaf.period_us()?, 50_000, "{}", agent.log());
        adopted(&agent, &leaf, quota)?;
        // Later lifts are made in their period.
        let lifted = || burst(&leaf).is_ok() && leaf.quota_us().is_ok_and(|now| now != Some(quota));
        assert!(
            eventually(SOON, lifted),
            "{:#?}\n{}",
            journal(&agent, &leaf)?,
            agent.log()
        );
        let shown = || -> Result<bool> {
            let limit = &show(&agent, &leaf)?["workload"]["cpu"]["limit"]["micro_cpus"];
            Ok(limit.as_u64() == leaf.quota_us()?.map(|quota| quota * 20))
        };
        assert!(
            eventually(SOON, || shown().unwrap_or(false)),
            "{:#?}",
            show(&agent, &leaf)?
        );
        assert_eq!(leaf.period_us()?, 50_000, "{}", agent.log());
        cases(&mut agent, &leaf, quota)?;
    }
    agent.stop()
}

/// Left alone, the group gets its owner's second pair back.
fn cases(agent: &mut Agent, leaf: &Group, quota: u64) -> Result<()> {
    agent.cli(&["mode", leaf.path(), "recommend"])?;
    assert_eq!(
        (leaf.quota_us()?, leaf.period_us()?),
        (Some(quota), 50_000),
        "{}",
        agent.log()
    );
    Ok(())
}

/// On v1 two files, whose order the kernel leaves to their owner.
fn set_quota_and_period(group: &Group, quota: u64, period: u64) -> Result<()> {
    match group.version() {
        Version::V2 => group.set_quota_us(Some(quota), period),
        Version::V1 => {
            fs::write(group.cpu_dir().join("cpu.cfs_quota_us"), quota.to_string())?;
            Ok(fs::write(
                group.cpu_dir().join("cpu.cfs_period_us"),
                period.to_string(),
            )?)
        }
    }
}
