//! A thousand groups come and go under a running agent: none that stays is missed, and nothing is
//! kept of those that have gone.

use std::{collections::HashSet, fs, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, ensure};
use aya::maps::{HashMap, Map, MapData, MapInfo};
use trimtab_ebpf::Watch;
use trimtab_tests::{Agent, Group, eventually, skip};

use crate::{
    restore::ledger,
    trust::{SOON, TIGHT, adopted, group, lift, policy},
};

const BATCHES: usize = 10;
/// Groups of a batch that are there together, until the agent has them.
const STAYING: usize = 50;
/// Groups of a batch that are gone again before anybody can look.
const BRIEF: usize = 50;
/// What a lost event is made good within: a tick and a margin.
const RESCAN: Duration = Duration::from_secs(5);
/// What the agent may grow by in the second half of the churn, in bytes.
const GROWTH: u64 = 4 << 20;

/// What the agent holds, in its process, in the kernel and on disk.
#[derive(Debug, PartialEq, Eq)]
struct Held {
    descriptors: usize,
    watched: usize,
    workloads: usize,
    originals: usize,
}

impl Held {
    fn by(agent: &Agent) -> Result<Self> {
        Ok(Self {
            descriptors: fs::read_dir(proc(agent)?.join("fd"))?.count(),
            watched: watched(agent)?,
            workloads: listed(agent)?.len(),
            originals: ledger(agent)?.len(),
        })
    }
}

fn proc(agent: &Agent) -> Result<PathBuf> {
    let pid = agent.worker().context("the agent has no worker")?;
    Ok(PathBuf::from(format!("/proc/{pid}")))
}

/// Entries in the agent's two watch maps, which are found among its open files.
fn watched(agent: &Agent) -> Result<usize> {
    let mut maps = HashSet::new();
    for info in fs::read_dir(proc(agent)?.join("fdinfo"))? {
        // A connection may have been closed since the directory was read.
        let text = fs::read_to_string(info?.path()).unwrap_or_default();
        let id = text.lines().find_map(|line| line.strip_prefix("map_id:"));
        maps.extend(id.map(|id| id.trim().parse::<u32>()).transpose()?);
    }
    let mut entries = 0;
    let mut found = 0;
    for id in maps {
        let info = MapInfo::from_id(id)?;
        if !matches!(info.name_as_str(), Some("CPU_WATCH" | "MEMORY_WATCH")) {
            continue;
        }
        let map = Map::from_map_data(MapData::from_id(id)?)?;
        let map = HashMap::<_, u64, [u8; size_of::<Watch>()]>::try_from(map)?;
        entries += map.keys().count();
        found += 1;
    }
    ensure!(found == 2, "{found} watch maps are open instead of two");
    Ok(entries)
}

/// The paths that `trimtab workloads` lists.
fn listed(agent: &Agent) -> Result<HashSet<String>> {
    let workloads = agent.cli(&["workloads"])?;
    let paths = workloads.as_array().context("a list")?.iter();
    Ok(paths
        .filter_map(|workload| Some(workload["path"].as_str()?.to_owned()))
        .collect())
}

/// Resident memory in bytes.
fn resident(agent: &Agent) -> Result<u64> {
    let bytes = agent.cli(&["status"])?["resident_bytes"].as_u64();
    bytes.context("no resident memory")
}

fn tight(root: &Group, name: &str) -> Result<Group> {
    let group = root.child(name)?;
    group.set_quota_us(Some(TIGHT), 100_000)?;
    Ok(group)
}

#[test]
fn a_thousand_groups_come_and_go_and_nothing_of_them_stays() -> Result<()> {
    let Some(root) = group("churn") else {
        return Ok(());
    };
    let agent = Agent::start(&policy(&format!("{}/*", root.path()), "enforce"))?;
    if agent.cli(&["status"])?["probes_on"] == 0 {
        skip("no probe can be loaded here");
        return Ok(());
    }
    let before = Held::by(&agent)?;
    assert_eq!((before.watched, before.workloads), (0, 0));
    let mut half = 0;
    for batch in 0..BATCHES {
        if batch == BATCHES / 2 {
            half = resident(&agent)?;
        }
        let groups = (0..STAYING)
            .map(|number| tight(&root, &format!("{batch}-{number}")))
            .collect::<Result<Vec<_>>>()?;
        let all = || {
            listed(&agent).is_ok_and(|paths| groups.iter().all(|one| paths.contains(one.path())))
        };
        let lost = || {
            agent
                .cli(&["status"])
                .map(|status| status["fast_loop"]["lost"] != 0)
        };
        assert!(
            eventually(SOON, all) || (lost()? && eventually(RESCAN, all)),
            "a group of batch {batch} was missed\n{}",
            agent.log()
        );
        assert!(watched(&agent)? >= STAYING);
        for number in 0..BRIEF {
            drop(tight(&root, &format!("brief-{batch}-{number}"))?);
        }
    }
    let mut after = None;
    let forgotten = eventually(RESCAN, || {
        after = Held::by(&agent).ok();
        after.as_ref() == Some(&before)
    });
    assert!(
        forgotten,
        "{before:?} before, {after:?} after\n{}",
        agent.log()
    );
    let grown = resident(&agent)?.saturating_sub(half);
    assert!(grown < GROWTH, "it has grown by {grown} bytes");

    let log = agent.log();
    assert!(!log.contains("cannot be taken over"), "no news:\n{log}");

    let fresh = tight(&root, "fresh")?;
    adopted(&agent, &fresh, TIGHT)?;
    assert!(lift(&agent, &fresh)? > TIGHT);
    Ok(())
}
