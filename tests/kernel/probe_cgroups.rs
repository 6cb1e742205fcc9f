//! Groups that are created and removed.
//!
//! They are made below a group of the harness, which has a directory in every hierarchy, but in
//! one hierarchy alone: each gives the same ids out again.

#![expect(clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::{fs, os::unix::fs::MetadataExt as _, path::Path, time::Duration};

use trimtab::probe::{Event, Probe, kind};

use crate::probe_support::{collect, group, load, turn};

/// Makes a group; its id.
fn make(directory: &Path) -> u64 {
    fs::create_dir(directory).expect("a new group");
    fs::metadata(directory).expect("the group").ino()
}

/// Removes a group.
fn remove(directory: &Path) {
    fs::remove_dir(directory).expect("an empty group");
}

#[test]
fn creation_and_removal_are_seen_with_their_parent() {
    let _turn = turn();
    let Some(group) = group() else {
        return;
    };
    let Some((_loaded, mut ring)) = load(&[Probe::CgroupLifecycle], &[]) else {
        return;
    };
    let parent = group.cpu_dir().join("parent");
    let child = parent.join("child");
    let (parent_id, child_id) = (make(&parent), make(&child));
    remove(&child);
    remove(&parent);
    let of = |events: &[Event], kind: u32, id: u64| -> Vec<Event> {
        events
            .iter()
            .copied()
            .filter(|event| event.kind == kind && event.lowest.id == id)
            .collect()
    };
    let events = collect(&mut ring, Duration::from_secs(2), |events| {
        !of(events, kind::CGROUP_REMOVED, parent_id).is_empty()
    });
    for id in [parent_id, child_id] {
        assert_eq!(
            of(&events, kind::CGROUP_CREATED, id).len(),
            1,
            "creation of {id}: {events:?}"
        );
        assert_eq!(
            of(&events, kind::CGROUP_REMOVED, id).len(),
            1,
            "removal of {id}: {events:?}"
        );
    }
    let created = of(&events, kind::CGROUP_CREATED, child_id)[0];
    assert_eq!(created.used, parent_id);
    assert_eq!(created.pid, std::process::id());
}

#[test]
fn without_its_hooks_nothing_is_seen() {
    let _turn = turn();
    let Some(group) = group() else {
        return;
    };
    let Some((_loaded, mut ring)) =
        load(&[Probe::CgroupLifecycle], &["cgroup_mkdir", "cgroup_rmdir"])
    else {
        return;
    };
    let child = group.cpu_dir().join("child");
    make(&child);
    remove(&child);
    assert_eq!(
        collect(&mut ring, Duration::from_millis(200), |events| !events
            .is_empty()),
        []
    );
}

#[test]
fn a_thousand_groups_are_all_seen_and_nothing_is_lost() {
    let _turn = turn();
    let Some(group) = group() else {
        return;
    };
    let Some((loaded, mut ring)) = load(&[Probe::CgroupLifecycle], &[]) else {
        return;
    };
    let child = group.cpu_dir().join("child");
    let parent_id = group.cpu_id().expect("the group");
    let (mut created, mut removed) = (0, 0);
    for _ in 0..1000 {
        make(&child);
        remove(&child);
        ring.for_each(|event| match event.kind {
            kind::CGROUP_CREATED if event.used == parent_id => created += 1,
            kind::CGROUP_REMOVED if event.used == parent_id => removed += 1,
            _ => {}
        });
    }
    assert_eq!((created, removed), (1000, 1000));
    assert_eq!(loaded.lost().read().ring_full, 0);
}

#[test]
fn a_full_ring_is_counted_and_recovers() {
    let _turn = turn();
    let Some(group) = group() else {
        return;
    };
    let child = group.cpu_dir().join("child");
    let options = trimtab::probe::Options {
        probes: trimtab::probe::ProbeSet::of(Probe::CgroupLifecycle),
        ring_bytes: 4096,
        ..trimtab::probe::Options::default()
    };
    let Ok(mut loaded) = trimtab::probe::Probes::load(&options) else {
        println!("SKIP: no probes here");
        return;
    };
    let mut ring = loaded.take_ring().expect("the ring is there once");
    for _ in 0..100 {
        make(&child);
        remove(&child);
    }
    let kept = ring.for_each(|_| {});
    assert!(kept > 0 && kept < 200, "{kept} events in a page");
    assert!(loaded.lost().read().ring_full > 0);
    make(&child);
    remove(&child);
    assert_eq!(ring.for_each(|_| {}), 2, "the ring has room again");
}
