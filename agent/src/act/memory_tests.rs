//! Memory limits on real groups of this host.

use trimtab_core::signal::{Amount, Resource};

use super::backend::{Backend, Range, TargetUnit, Wish};
use super::cgroupfs::{Cgroupfs, Plan};
use super::cgroupfs_tests::{MEMORY, MIB, ledger, memory, soon};
use super::lever::{Lever, LeverError};
use super::limit_file::LimitFile;
use crate::sense::hierarchy::Version;
use crate::sense::testing::{TestGroup, runtime_dir};

/// A group that has both limits; none, with a word, on v1.
fn on_v2() -> Option<TestGroup> {
    let group = TestGroup::make()?;
    if group.version() == Version::V1 {
        eprintln!("SKIP: cgroup v1 has no limit above the one that moves");
        return None;
    }
    Some(group)
}

fn text(mib: u64) -> String {
    (mib * MIB).to_string()
}

fn set(group: &TestGroup, file: &str, mib: u64) {
    group.write(group.path(), Resource::Memory, file, &text(mib));
}

/// `memory.high` and `memory.max`.
fn limits(group: &TestGroup) -> (String, String) {
    let read = |file| group.read(group.path(), Resource::Memory, file);
    (read("memory.high"), read("memory.max"))
}

#[test]
fn memory_moves_below_its_ceiling_and_goes_back() {
    let Some(group) = TestGroup::make() else {
        return;
    };
    let dir = runtime_dir();
    let mut ledger = ledger(&dir);
    let hard = group.hard_limit();
    set(&group, hard, 64);
    let held = memory(&mut ledger, &group);
    assert_eq!(held.adopted, Amount(64 * MIB));
    let read = |name: &str| group.read(group.path(), Resource::Memory, name);
    let is_v2 = group.version() == Version::V2;
    let moved = |to: u64, max: u64| {
        if is_v2 {
            assert_eq!((read("memory.high"), read(hard)), (text(to), text(max)));
        } else {
            assert_eq!(read(hard), text(to));
        }
    };
    // What a runtime sizes its heap by is as its owner set it until a lift needs the room.
    moved(if is_v2 { 60 } else { 64 }, 64);
    assert_eq!(held.limit, held.lever.read().unwrap());
    for (to, max) in [(60, 64), (40, 64), (61, 256), (200, 256)] {
        held.lever.write(Amount(to * MIB)).unwrap();
        moved(to, max);
        held.lever.close(Amount(to * MIB), Amount(MIB)).unwrap();
        moved(to, max);
    }
    held.lever.write(Amount(40 * MIB)).unwrap();
    for (used, max) in [(59, 256), (39, 64)] {
        let used = Amount(used * MIB);
        held.lever.close(Amount(40 * MIB), used).unwrap();
        moved(40, max);
    }
    held.lever.write(Amount(128 * MIB)).unwrap();
    moved(128, 256);
    let report = Cgroupfs.release(&mut ledger, group.path(), soon());
    assert!(report.is_complete(), "{report}");
    assert_eq!(read(hard), text(64));
    if is_v2 {
        assert_eq!(read("memory.high"), "max");
    }
}

#[test]
fn a_hard_limit_that_somebody_else_has_set_is_not_raised() {
    let Some(group) = on_v2() else {
        return;
    };
    let dir = runtime_dir();
    let mut ledger = ledger(&dir);
    let set_max = |mib| set(&group, "memory.max", mib);
    set_max(64);
    let held = memory(&mut ledger, &group);
    set_max(96);
    let refused = held.lever.write(Amount(128 * MIB)).unwrap_err();
    let theirs = matches!(refused, LeverError::Theirs { held, .. } if held == Amount(96 * MIB));
    assert!(theirs, "{refused}");
    assert_eq!(limits(&group), (text(60), text(96)));
    Cgroupfs
        .follow(&mut ledger, group.target(group.path()), MEMORY)
        .unwrap();
    assert_eq!(
        limits(&group),
        ("max".into(), text(96)),
        "ours is not in their way"
    );
    let held = memory(&mut ledger, &group);
    assert_eq!(
        (held.adopted, held.limit),
        (Amount(96 * MIB), Amount(92 * MIB))
    );
    assert_eq!(limits(&group).1, text(96));
    let report = Cgroupfs.release(&mut ledger, group.path(), soon());
    assert!(report.is_complete(), "{report}");
    assert_eq!(limits(&group), ("max".into(), text(96)));
}

#[test]
fn a_hard_limit_that_comes_back_below_ours_is_its_owners() {
    let Some(group) = on_v2() else {
        return;
    };
    let set_max = |mib| set(&group, "memory.max", mib);
    // Another one, and the very same.
    for (theirs, slowed) in [(100, 96), (64, 60)] {
        let dir = runtime_dir();
        let mut ledger = ledger(&dir);
        set_max(64);
        let held = memory(&mut ledger, &group);
        held.lever.write(Amount(128 * MIB)).unwrap();
        set_max(theirs);
        let target = group.target(group.path());
        Cgroupfs.follow(&mut ledger, target, MEMORY).unwrap();
        let refused = held.lever.write(Amount(200 * MIB));
        let same = theirs == 64;
        assert_eq!(refused.is_ok(), same, "{refused:?}");
        if same {
            set_max(theirs);
        }
        let held = memory(&mut ledger, &group);
        assert_eq!(
            (held.adopted, held.limit),
            (Amount(theirs * MIB), Amount(slowed * MIB))
        );
        assert_eq!(limits(&group), (text(slowed), text(theirs)));
        let report = Cgroupfs.release(&mut ledger, group.path(), soon());
        assert!(report.is_complete(), "{report}");
        assert_eq!(limits(&group), ("max".into(), text(theirs)));
    }
}

#[test]
fn a_ceiling_that_stands_is_known_until_another_one_does() {
    let Some(group) = on_v2() else {
        return;
    };
    let dir = runtime_dir();
    let mut ledger = ledger(&dir);
    set(&group, "memory.max", 64);
    let held = memory(&mut ledger, &group);
    held.lever.write(Amount(128 * MIB)).unwrap();
    let more = Wish {
        memory: Some(Range {
            floor: Amount(16 * MIB),
            ceiling: Amount(512 * MIB),
        }),
        ..MEMORY
    };
    // As far as a crash before anything is written.
    let plan = Plan::make(&ledger, group.target(group.path()), more).unwrap();
    ledger.record(plan.entries.clone()).unwrap();
    let report = Cgroupfs.release(&mut ledger, group.path(), soon());
    assert!(
        report.is_complete() && report.foreign.is_empty(),
        "{report}"
    );
    assert_eq!(limits(&group), ("max".into(), text(64)));
}

#[test]
fn what_a_unit_has_of_both_limits_is_an_echo_and_ours_comes_back() {
    let Some(group) = on_v2() else {
        return;
    };
    let dir = runtime_dir();
    let mut ledger = ledger(&dir);
    set(&group, "memory.max", 64);
    let originals = [
        (LimitFile::MemoryHigh, (u64::MAX, false)),
        (LimitFile::MemoryMax, (64 * MIB, false)),
    ];
    let mut target = group.target(group.path());
    target.unit = Some(TargetUnit {
        name: "a.service".into(),
        bus: "/nonexistent/bus".into(),
        originals: originals.into(),
    });
    let mut adopted = Cgroupfs.adopt(&mut ledger, vec![(target, MEMORY)]);
    let lever = adopted.pop().unwrap().unwrap().memory.unwrap().lever;
    lever.write(Amount(128 * MIB)).unwrap();
    // systemd has heard of nothing yet, and writes what it has.
    group.write(group.path(), Resource::Memory, "memory.high", "max");
    set(&group, "memory.max", 64);
    let [theirs, nobodys] = [64, 32].map(|mib| Amount(mib * MIB));
    assert!(lever.echoes(lever.read().unwrap()));
    assert!(lever.echoes_both(theirs) && !lever.echoes(theirs));
    assert!(!lever.echoes_both(nobodys));
    lever.make_room(Amount(40 * MIB)).unwrap();
    assert_eq!(limits(&group), ("max".into(), text(64)), "room enough");
    lever.write(Amount(128 * MIB)).unwrap();
    assert_eq!(limits(&group), (text(128), text(256)));
    set(&group, "memory.max", 64);
    lever.make_room(Amount(128 * MIB)).unwrap();
    assert_eq!(limits(&group), (text(128), text(256)));
    // Without a unit nobody repeats anything.
    let plain = group.target(&group.child("plain"));
    let (dir, version) = plain.of(Resource::Memory).unwrap();
    let plain = Lever::open(dir, *version, Resource::Memory).unwrap();
    assert!(!plain.echoes_both(theirs));
}
