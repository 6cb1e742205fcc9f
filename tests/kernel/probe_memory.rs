//! Memory: nearly full, reclaim that finds nothing, and the OOM killer's victims.
#![expect(clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use trimtab::probe::{Event, Probe, Probes, Ring, kind};
use trimtab_core::signal::Resource;
use trimtab_ebpf::NO_SLOT;
use trimtab_tests::{Group, Process, Version};

use crate::probe_support::{collect, group, id, load, of_kind, shell, turn, watch};
use crate::trust::promised;

const SLOT: u32 = 3;
const MIB: u64 = 1 << 20;
const LIMIT: u64 = 64 * MIB;

/// Reads zeros in search of a line's end, and keeps them all: grows at full speed until killed.
const GROW: &str = "exec tail /dev/zero";

fn has(kind: u32) -> impl FnMut(&[Event]) -> bool {
    move |events| events.iter().any(|event| event.kind == kind)
}

/// A group of 64 MiB that is watched, with these probes.
fn watched(probes: &[Probe], detached: &[&str]) -> Option<(Group, Probes, Ring)> {
    let group = group()?;
    group.set_memory_limit(Some(LIMIT)).expect("a limit");
    let (mut loaded, ring) = load(probes, detached)?;
    watch(&mut loaded, Resource::Memory, &group, SLOT);
    Some((group, loaded, ring))
}

#[test]
fn growth_is_warned_of_before_the_limit() {
    let _turn = turn();
    let Some((group, _loaded, mut ring)) = watched(&[Probe::MemoryNear, Probe::OomKill], &[])
    else {
        return;
    };
    let _growing = shell(&group, GROW);
    let events = collect(&mut ring, Duration::from_secs(10), has(kind::OOM_KILL));
    let event = events.first().expect("neither a warning nor a kill");
    assert_eq!(event.kind, kind::MEMORY_NEAR, "killed without a warning");
    assert_eq!(
        (event.lowest.id, event.lowest.slot, event.lowest.limit),
        (id(Resource::Memory, &group), SLOT, LIMIT)
    );
    assert!(
        event.lowest.used > LIMIT * 3 / 4 && event.lowest.used <= LIMIT,
        "{event:?}"
    );
    assert_eq!(event.lowest, event.highest);
}

#[test]
fn without_its_hook_growth_is_not_warned_of() {
    let _turn = turn();
    let probes = [Probe::MemoryNear, Probe::OomKill];
    let Some((group, _loaded, mut ring)) = watched(&probes, &["sched_stat_runtime"]) else {
        return;
    };
    let _growing = shell(&group, GROW);
    let events = collect(&mut ring, Duration::from_secs(10), has(kind::OOM_KILL));
    assert_eq!(
        of_kind(&events, kind::MEMORY_NEAR),
        [],
        "a warning without a hook"
    );
    assert!(!events.is_empty(), "not even killed");
}

#[test]
fn an_oom_kill_names_its_victim_and_the_level_that_ran_out() {
    let _turn = turn();
    let Some((parent, mut loaded, mut ring)) = watched(&[Probe::OomKill], &[]) else {
        return;
    };
    let child = parent.child("child").expect("a child group");
    watch(&mut loaded, Resource::Memory, &child, SLOT + 1);
    let growing = shell(&child, GROW);
    let victim = growing.id();
    let events = collect(&mut ring, Duration::from_secs(10), has(kind::OOM_KILL));
    let event = events.first().expect("no kill was seen");
    assert_eq!((event.used, event.pid), (u64::from(victim), victim));
    assert_eq!(
        (event.lowest.id, event.lowest.slot, event.lowest.depth),
        (id(Resource::Memory, &child), SLOT + 1, 0)
    );
    assert_eq!(
        (event.highest.id, event.highest.slot, event.highest.limit),
        (id(Resource::Memory, &parent), SLOT, LIMIT),
        "{event:?}"
    );
}

#[test]
fn without_its_hook_an_oom_kill_is_not_seen() {
    let _turn = turn();
    let Some((group, _loaded, mut ring)) = watched(&[Probe::OomKill], &["mark_victim"]) else {
        return;
    };
    let _growing = shell(&group, GROW);
    assert_eq!(
        collect(&mut ring, Duration::from_secs(3), has(kind::OOM_KILL)),
        []
    );
}

#[test]
fn reclaim_that_finds_nothing_raises_an_alarm() {
    let _turn = turn();
    let probes = [Probe::ReclaimFailing, Probe::OomKill];
    let Some((group, _loaded, mut ring)) = watched(&probes, &[]) else {
        return;
    };
    let _growing = shell(&group, GROW);
    let events = collect(&mut ring, Duration::from_secs(10), has(kind::OOM_KILL));
    let event = events.first().expect("neither an alarm nor a kill");
    assert_eq!(event.kind, kind::RECLAIM_FAILING, "killed without an alarm");
    assert_eq!(
        (event.lowest.id, event.lowest.slot, event.lowest.limit),
        (id(Resource::Memory, &group), SLOT, LIMIT)
    );
}

#[test]
fn without_its_hook_failing_reclaim_is_not_seen() {
    let _turn = turn();
    let probes = [Probe::ReclaimFailing, Probe::OomKill];
    let Some((group, _loaded, mut ring)) = watched(&probes, &["mm_vmscan_memcg_reclaim_end"])
    else {
        return;
    };
    let _growing = shell(&group, GROW);
    let events = collect(&mut ring, Duration::from_secs(10), has(kind::OOM_KILL));
    assert_eq!(
        of_kind(&events, kind::RECLAIM_FAILING),
        [],
        "an alarm without a hook"
    );
}

#[test]
fn failing_reclaim_in_a_watched_child_names_the_full_parent_that_nobody_watches() {
    let _turn = turn();
    let Some(parent) = group() else {
        return;
    };
    let Some((mut loaded, mut ring)) = load(&[Probe::ReclaimFailing], &[]) else {
        return;
    };
    parent.set_memory_limit(Some(LIMIT)).expect("a limit");
    let child = parent.child("child").expect("a child group");
    watch(&mut loaded, Resource::Memory, &child, SLOT);
    let _growing = shell(&child, GROW);
    let events = collect(
        &mut ring,
        Duration::from_secs(10),
        has(kind::RECLAIM_FAILING),
    );
    let event = events.first().expect("no alarm");
    assert_eq!(
        (event.lowest.id, event.lowest.slot, event.lowest.depth),
        (id(Resource::Memory, &parent), NO_SLOT, 1),
        "{event:?}"
    );
}

/// Fills the group with the page cache of a file, reading it again and again; `None`, with a loud
/// line, where files themselves are nothing but memory.
fn fill_with_cache(group: &Group) -> Option<(Process, tempfile::TempDir)> {
    let directory = match trimtab_tests::disk() {
        Ok(directory) => directory,
        Err(error) => {
            trimtab_tests::skip(&format!("{error:#}"));
            return None;
        }
    };
    let file = directory.path().join("cache");
    let name = file.display();
    let reading = shell(
        group,
        &format!(
            "head -c {} /dev/zero > {name}; while :; do cat {name} > /dev/null; done",
            3 * LIMIT
        ),
    );
    Some((reading, directory))
}

#[test]
fn page_cache_alone_raises_few_warnings_and_no_alarm() {
    let _turn = turn();
    let probes = [Probe::MemoryNear, Probe::ReclaimFailing];
    let Some((group, _loaded, mut ring)) = watched(&probes, &[]) else {
        return;
    };
    let Some(_reading) = fill_with_cache(&group) else {
        return;
    };
    // An emulated CPU reads so slowly that the cache takes its time to fill up.
    let patience = promised(Duration::from_secs(15));
    let full = collect(&mut ring, patience, |events| {
        !of_kind(events, kind::MEMORY_NEAR).is_empty()
    });
    assert_ne!(of_kind(&full, kind::MEMORY_NEAR), [], "never nearly full");
    let events = collect(&mut ring, Duration::from_secs(3), |_| false);
    for events in [&full, &events] {
        assert_eq!(
            of_kind(events, kind::RECLAIM_FAILING),
            [],
            "reclaim of page cache works"
        );
    }
    let warnings = of_kind(&events, kind::MEMORY_NEAR).len();
    // The gaps double from 4 to 32 ms: 3 s hold some 95 of them.
    assert!(warnings <= 110, "{warnings} warnings in 3 s");
}

#[test]
fn reclaim_that_somebody_else_asks_for_raises_no_alarm() {
    let _turn = turn();
    let Some((group, _loaded, mut ring)) = watched(&[Probe::ReclaimFailing], &[]) else {
        return;
    };
    let Some(_reading) = fill_with_cache(&group) else {
        return;
    };
    let (file, value) = if group.version() == Version::V2 {
        ("memory.reclaim", "16M")
    } else {
        ("memory.force_empty", "0")
    };
    let asks = format!(
        "for i in 1 2 3 4 5 6 7 8; do echo {value} > {}; sleep 0.1; done",
        group.memory_dir().join(file).display()
    );
    let _ = Command::new("sh")
        .args(["-c", &asks])
        .stderr(Stdio::null())
        .status()
        .expect("sh");
    assert_eq!(
        collect(&mut ring, Duration::from_millis(500), |_| false),
        []
    );
}

#[test]
fn an_unlimited_group_and_one_below_what_is_usual_raise_nothing() {
    let _turn = turn();
    let Some((group, mut loaded, mut ring)) = watched(&[Probe::MemoryNear], &[]) else {
        return;
    };
    assert!(
        loaded
            .watches()
            .set_thresholds(Resource::Memory, id(Resource::Memory, &group), 2 * LIMIT, 0)
            .expect("set")
    );
    let _growing = shell(&group, GROW);
    assert_eq!(
        collect(&mut ring, Duration::from_secs(2), |events| !events
            .is_empty()),
        []
    );
}
