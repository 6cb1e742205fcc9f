//! Groups of our own on this host's hierarchies.

use std::collections::BTreeSet;
use std::{fs, thread};

use trimtab_core::signal::{Amount, Resource};

use super::group::OwnedGroup;
use crate::sense::hierarchy::{Hierarchies, Version};
use crate::sense::testing::TestGroup;

#[test]
fn groups_are_made_where_limits_are_and_removed_with_what_is_inside() {
    let Some(group) = TestGroup::make() else {
        return;
    };
    let path = format!("{}/a/b", group.path());
    let made = OwnedGroup::create(&group.hierarchies, &path).unwrap();
    assert_eq!(made.path(), path);
    for root in group.hierarchies.distinct() {
        assert!(
            root.group(&path).is_dir(),
            "{}",
            root.group(&path).display()
        );
    }
    if group.version() == Version::V2 {
        let enabled = group.read(group.path(), Resource::Cpu, "cgroup.subtree_control");
        assert_eq!(enabled, "cpu memory", "no other controller is switched on");
    }
    let process = group.spawn(&path, "exec sleep 60");
    let member = fs::read_to_string(format!("/proc/{}/cgroup", process.0.id())).unwrap();
    assert!(
        member.matches(&path).count() >= group.hierarchies.distinct().count(),
        "{member}"
    );
    assert!(made.remove().is_err(), "a process is in it");
    drop(process);
    made.remove().unwrap();
    made.remove().unwrap();
    assert!(!group.file(&path, Resource::Cpu, "").exists());
}

#[test]
fn what_is_left_inside_is_moved_out_and_the_group_goes() {
    let Some(group) = TestGroup::make() else {
        return;
    };
    let path = format!("{}/left", group.path());
    let made = OwnedGroup::create(&group.hierarchies, &path).unwrap();
    let inner = group.child("left/a/b");
    // On v2 a group that passes controllers on has no processes of its own.
    let outer = if group.version() == Version::V1 {
        &path
    } else {
        &inner
    };
    let (one, other) = (
        group.spawn(outer, "exec sleep 60"),
        group.spawn(&inner, "exec sleep 60"),
    );
    assert_eq!(made.processes(), BTreeSet::from([one.0.id(), other.0.id()]));
    assert_eq!(made.evacuate(), 2);
    assert_eq!(made.evacuate(), 0);
    made.remove().unwrap();
    assert!(made.dirs().all(|dir| !dir.exists()));
    for process in [&one, &other] {
        let pid = process.0.id();
        let membership = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
        assert!(!membership.contains(&path), "{membership}");
    }
    let parent = fs::read_to_string("/proc/self/cgroup").unwrap();
    let lived_on = fs::read_to_string(format!("/proc/{}/cgroup", one.0.id())).unwrap();
    assert_eq!(lived_on, parent, "they are where we are");
}

#[test]
fn a_parent_goes_with_its_last_group() {
    let Some(group) = TestGroup::make() else {
        return;
    };
    let make = |name: &str| {
        let path = format!("{}/parent/{name}", group.path());
        OwnedGroup::create(&group.hierarchies, &path).unwrap()
    };
    let parent = OwnedGroup::at(&group.hierarchies, &format!("{}/parent", group.path())).unwrap();
    let (one, other) = (make("one"), make("other"));
    one.remove().unwrap();
    one.remove_parent();
    assert!(other.dirs().all(|dir| dir.is_dir()));
    other.remove().unwrap();
    other.remove_parent();
    assert!(parent.dirs().all(|dir| !dir.exists()));
}

#[test]
fn limits_are_what_the_kernel_can_hold() {
    let Some(group) = TestGroup::make() else {
        return;
    };
    let made = &group.group;
    made.limit(Resource::Cpu, Amount(123_456)).unwrap();
    assert_eq!(group.quota_us(group.path()), "12345");
    made.limit(Resource::Memory, Amount((64 << 20) + 17))
        .unwrap();
    let held = group.read(group.path(), Resource::Memory, group.hard_limit());
    assert_eq!(held, (64u64 << 20).to_string());
    made.limit(Resource::Cpu, Amount::UNLIMITED).unwrap();
    assert!(["-1", "max"].contains(&&*group.quota_us(group.path())));
    let gone = OwnedGroup::at(&group.hierarchies, &format!("{}/gone", group.path())).unwrap();
    assert!(
        gone.limit(Resource::Cpu, Amount::CPU)
            .is_err_and(|error| error.is_gone())
    );
}

#[test]
fn groups_come_and_go_beside_each_other() {
    let Some(group) = TestGroup::make() else {
        return;
    };
    // Whoever is last takes the parent along, also when another one is just being made.
    thread::scope(|scope| {
        for worker in 0..4 {
            let path = format!("{}/busy/{worker}", group.path());
            let hierarchies = &group.hierarchies;
            scope.spawn(move || {
                for _ in 0..25 {
                    let made = OwnedGroup::create(hierarchies, &path).unwrap();
                    made.remove().unwrap();
                    made.remove_parent();
                }
            });
        }
    });
    let busy = OwnedGroup::at(&group.hierarchies, &format!("{}/busy", group.path())).unwrap();
    assert!(busy.dirs().all(|dir| !dir.exists()));
}

#[test]
fn paths_out_of_the_tree_are_refused() {
    let Ok(hierarchies) = Hierarchies::detect() else {
        return;
    };
    for path in ["", "/", "..", "a/../b", "a//b", "./a"] {
        let error = OwnedGroup::create(&hierarchies, path).unwrap_err();
        assert!(
            error.to_string().contains("not a path below the root"),
            "{path:?}: {error}"
        );
    }
}
