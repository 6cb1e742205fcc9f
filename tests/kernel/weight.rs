//! Weight alone shares a CPU out: priorities hold, nobody is throttled, and all is put back at the end.

use std::{thread, time::Duration};

use anyhow::{Result, ensure};
use rustix::process::Signal;
use trimtab_tests::{Agent, Group, Process, eventually};

use crate::{
    probe_support::shell,
    trust::{SOON, TIGHT, group, quota_returns, show},
};

/// Long enough that scheduling slices are a small part of it.
const WHILE: Duration = Duration::from_secs(3);

/// A policy that shares one group's CPU out by weight alone.
fn policy(group: &Group, name: &str, keys: &str) -> String {
    format!(
        "[[policy]]\nname = \"{name}\"\nselect = [\"{}\"]\nmode = \"enforce\"\nresources = [\"cpu\"]\n\
         cpu.policy = \"weight\"\n{keys}\n",
        group.path()
    )
}

/// Never stops running, on a CPU that others of its kind share.
fn spin(group: &Group) -> Process {
    shell(group, "exec taskset -c 0 sh -c 'while :; do :; done'")
}

/// CPU time that each group gets in a while, in ns.
fn shares<const GROUPS: usize>(groups: [&Group; GROUPS]) -> Result<[u64; GROUPS]> {
    let used = || -> Result<Vec<u64>> {
        let stats = groups.iter().map(|group| Ok(group.cpu_stat()?.usage_ns));
        stats.collect()
    };
    let before = used()?;
    thread::sleep(WHILE);
    let after = used()?;
    let mut shares = [0; GROUPS];
    for (share, (after, before)) in shares.iter_mut().zip(after.iter().zip(before)) {
        *share = after - before;
    }
    Ok(shares)
}

#[test]
fn who_goes_first_gets_the_cpu_and_nobody_is_throttled() -> Result<()> {
    let Some(root) = group("weight") else {
        return Ok(());
    };
    let [high, even, low] = ["high", "even", "low"].map(|name| root.child(name));
    let (high, even, low) = (high?, even?, low?);
    let groups = [&high, &even, &low];
    for group in groups {
        group.set_quota_us(Some(TIGHT), 100_000)?;
    }
    let config = [
        policy(&high, "first", "priority = \"high\"\nweight = 300"),
        policy(&even, "even", "priority = \"high\"\nweight = 100"),
        policy(&low, "last", "priority = \"low\""),
    ];
    let mut agent = Agent::start(&config.concat())?;
    for (group, weight) in groups.into_iter().zip([3_000, 1_000, 1]) {
        let mut seen = None;
        let weighed = eventually(SOON, || {
            seen = show(&agent, group).ok();
            let shown = seen.as_ref();
            shown.is_some_and(|shown| shown["workload"]["cpu_weight"] == weight)
        });
        ensure!(weighed, "{}: {seen:?}\n{}", group.path(), agent.log());
        ensure!(group.quota_us()?.is_none(), "{} has one", group.path());
    }
    let throttled = || -> Result<u64> {
        let stats = groups
            .iter()
            .map(|group| Ok(group.cpu_stat()?.nr_throttled));
        stats.sum()
    };
    let before = throttled()?;
    let spinners = groups.map(spin);
    thread::sleep(Duration::from_millis(200));
    let [first, second, last] = shares(groups)?;
    let all = first + second + last;
    ensure!(
        first > 2 * second && first < 4 * second,
        "3 to 1: {first} and {second}"
    );
    ensure!(last * 20 < all, "the last has {last} of {all}");
    ensure!(throttled()? == before, "throttled without a quota");
    drop(spinners);
    agent.signal(Signal::TERM)?;
    for group in groups {
        quota_returns(group, Some(TIGHT), SOON)?;
    }
    ensure!(agent.wait(SOON)?, "it has not ended");
    for group in groups {
        let weight = group.cpu_weight()?;
        ensure!(weight == 100, "{} keeps a weight of {weight}", group.path());
    }
    Ok(())
}
