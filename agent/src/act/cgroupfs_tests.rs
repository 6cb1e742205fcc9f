//! Adoption on real groups of this host.

use std::time::{Duration, Instant};

use trimtab_core::signal::{Amount, Resource};

use super::backend::{Adopted, Backend, Held, Range, Wish};
use super::cgroupfs::{Cgroupfs, Plan};
use super::error::ActError;
use super::files::present;
use super::ledger::Ledger;
use super::limit_file::LimitFile;
use super::set::{Wrote, replace, set};
use crate::sense::hierarchy::Version;
use crate::sense::testing::{PATIENCE, TestGroup, runtime_dir};

pub(super) const MIB: u64 = 1 << 20;

pub(super) fn ledger(dir: &tempfile::TempDir) -> Ledger {
    Ledger::open(dir.path(), PATIENCE).unwrap().0
}

pub(super) fn adopt(
    ledger: &mut Ledger,
    group: &TestGroup,
    path: &str,
    wish: Wish,
) -> Result<Adopted, ActError> {
    Cgroupfs
        .adopt(ledger, vec![(group.target(path), wish)])
        .pop()
        .unwrap()
}

fn cpu(ledger: &mut Ledger, group: &TestGroup) -> Held {
    let adopted = adopt(ledger, group, group.path(), CPU).unwrap();
    adopted.cpu.unwrap()
}

pub(super) fn memory(ledger: &mut Ledger, group: &TestGroup) -> Held {
    let adopted = adopt(ledger, group, group.path(), MEMORY).unwrap();
    adopted.memory.unwrap()
}

pub(super) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

const CPU: Wish = Wish {
    cpu: Some(Range {
        floor: Amount(50_000),
        ceiling: Amount(2_000_000),
    }),
    memory: None,
    weight: None,
};
pub(super) const MEMORY: Wish = Wish {
    cpu: None,
    memory: Some(Range {
        floor: Amount(16 * MIB),
        ceiling: Amount(256 * MIB),
    }),
    weight: None,
};

#[test]
fn a_quota_is_kept_moved_and_put_back() {
    let Some(group) = TestGroup::make() else {
        return;
    };
    let dir = runtime_dir();
    let mut ledger = ledger(&dir);
    group.set_quota(group.path(), "10000");
    let before = group.quota(group.path());
    let held = cpu(&mut ledger, &group);
    assert_eq!(
        (held.adopted, held.limit),
        (Amount(100_000), Amount(100_000))
    );
    assert_eq!(
        group.quota(group.path()),
        before,
        "adoption itself changes no quota"
    );
    held.lever.write(Amount(2_000_000)).unwrap();
    let report = Cgroupfs.release(&mut ledger, group.path(), soon());
    assert_eq!(
        (report.restored.len(), report.is_complete()),
        (1, true),
        "{report}"
    );
    assert_eq!(group.quota(group.path()), before);
    assert!(ledger.is_empty());
}

#[test]
fn a_burst_makes_room_for_the_lowest_quota() {
    let Some(group) = TestGroup::make() else {
        return;
    };
    let file = if group.version() == Version::V2 {
        "cpu.max.burst"
    } else {
        "cpu.cfs_burst_us"
    };
    if !group.file(group.path(), Resource::Cpu, file).exists() {
        eprintln!("SKIP: this kernel has no {file}");
        return;
    }
    let dir = runtime_dir();
    let mut ledger = ledger(&dir);
    group.set_quota(group.path(), "20000");
    group.write(group.path(), Resource::Cpu, file, "15000");
    let held = cpu(&mut ledger, &group);
    assert_eq!(
        group.read(group.path(), Resource::Cpu, file),
        "5000",
        "the floor's quota"
    );
    held.lever.write(Amount(50_000)).unwrap();
    let report = Cgroupfs.release(&mut ledger, group.path(), soon());
    assert!(report.is_complete(), "{report}");
    assert_eq!(group.read(group.path(), Resource::Cpu, file), "15000");
    assert_eq!(group.quota_us(group.path()), "20000");
}

#[test]
fn a_weight_takes_the_place_of_the_quota_and_both_are_put_back() {
    let Some(group) = TestGroup::make() else {
        return;
    };
    let dir = runtime_dir();
    let mut ledger = ledger(&dir);
    let (file, weight) = match group.version() {
        Version::V2 => ("cpu.weight", "500"),
        Version::V1 => ("cpu.shares", "5120"),
    };
    let share = || group.read(group.path(), Resource::Cpu, file);
    let before = share();
    group.set_quota(group.path(), "20000");
    let wish = Wish {
        weight: Some(500),
        ..Wish::default()
    };
    for _ in 0..2 {
        let adopted = adopt(&mut ledger, &group, group.path(), wish).unwrap();
        assert!(adopted.cpu.is_none(), "nothing to move");
        assert_eq!(share(), weight);
        let unlimited = ["max", "-1"].contains(&group.quota_us(group.path()).as_str());
        assert!(unlimited, "{}", group.quota_us(group.path()));
    }
    let report = Cgroupfs.release(&mut ledger, group.path(), soon());
    assert!(report.is_complete(), "{report}");
    assert_eq!(share(), before);
    assert_eq!(group.quota_us(group.path()), "20000");
}

#[test]
fn swap_accounting_does_not_stop_growth() {
    let Some(group) = TestGroup::make() else {
        return;
    };
    let memsw = "memory.memsw.limit_in_bytes";
    if !group.file(group.path(), Resource::Memory, memsw).exists() {
        eprintln!("SKIP: no {memsw} here");
        return;
    }
    let dir = runtime_dir();
    let mut ledger = ledger(&dir);
    group.write(
        group.path(),
        Resource::Memory,
        "memory.limit_in_bytes",
        &(64 * MIB).to_string(),
    );
    group.write(
        group.path(),
        Resource::Memory,
        memsw,
        &(80 * MIB).to_string(),
    );
    let held = memory(&mut ledger, &group);
    held.lever.write(Amount(256 * MIB)).unwrap();
    let report = Cgroupfs.release(&mut ledger, group.path(), soon());
    assert!(report.is_complete(), "{report}");
    assert_eq!(
        group.read(group.path(), Resource::Memory, "memory.limit_in_bytes"),
        (64 * MIB).to_string()
    );
    assert_eq!(
        group.read(group.path(), Resource::Memory, memsw),
        (80 * MIB).to_string()
    );
}

#[test]
fn adopting_again_keeps_originals_and_takes_foreign_values_as_new_ones() {
    let Some(group) = TestGroup::make() else {
        return;
    };
    let dir = runtime_dir();
    let mut ledger = ledger(&dir);
    group.set_quota(group.path(), "10000");
    let held = cpu(&mut ledger, &group);
    held.lever.write(Amount(1_000_000)).unwrap();
    let again = cpu(&mut ledger, &group);
    assert_eq!(
        (again.adopted, again.limit),
        (Amount(100_000), Amount(1_000_000)),
        "still ours"
    );
    group.set_quota(group.path(), "70000");
    let foreign = cpu(&mut ledger, &group);
    assert_eq!(
        (foreign.adopted, foreign.limit),
        (Amount(700_000), Amount(700_000))
    );
    foreign.lever.write(Amount(1_500_000)).unwrap();
    Cgroupfs.release(&mut ledger, group.path(), soon());
    assert_eq!(group.quota_us(group.path()), "70000");
}

#[test]
fn what_an_owner_writes_during_adoption_is_the_original() {
    let Some(group) = TestGroup::make() else {
        return;
    };
    let dir = runtime_dir();
    let mut ledger = ledger(&dir);
    let plan = Plan::make(&ledger, group.target(group.path()), CPU).unwrap();
    ledger.record(plan.entries.clone()).unwrap();
    group.set_quota(group.path(), "10000");
    let held = plan.carry_out(&mut ledger).unwrap().cpu.unwrap();
    assert_eq!(
        (held.adopted, held.limit),
        (Amount(100_000), Amount(100_000))
    );
    held.lever.write(Amount(1_500_000)).unwrap();
    Cgroupfs.release(&mut ledger, group.path(), soon());
    assert_eq!(group.quota_us(group.path()), "10000");
}

#[test]
fn a_hard_limit_that_an_owner_writes_during_adoption_is_kept() {
    let Some(group) = TestGroup::make() else {
        return;
    };
    let dir = runtime_dir();
    let mut ledger = ledger(&dir);
    let plan = Plan::make(&ledger, group.target(group.path()), MEMORY).unwrap();
    ledger.record(plan.entries.clone()).unwrap();
    let hard = group.hard_limit();
    let text = (64 * MIB).to_string();
    group.write(group.path(), Resource::Memory, hard, &text);
    let held = plan.carry_out(&mut ledger).unwrap().memory.unwrap();
    let limit = match group.version() {
        Version::V1 => 64,
        Version::V2 => 60,
    };
    assert_eq!(
        (held.adopted, held.limit),
        (Amount(64 * MIB), Amount(limit * MIB))
    );
    held.lever.write(Amount(96 * MIB)).unwrap();
    Cgroupfs.release(&mut ledger, group.path(), soon());
    assert_eq!(group.read(group.path(), Resource::Memory, hard), text);
}

#[test]
fn what_an_owner_writes_at_the_last_moment_is_left_alone() {
    let Some(group) = TestGroup::make() else {
        return;
    };
    let target = group.target(group.path());
    let (dir, version) = target.memory.unwrap();
    let file = match version {
        Version::V2 => LimitFile::MemoryMax,
        Version::V1 => LimitFile::LimitInBytes,
    };
    let text = |mib: u64| (mib * MIB).to_string();
    let from = |held: u64, to: u64| replace(&dir, file, text(held), text(to), soon());
    set(&dir, file, &text(64)).unwrap();
    for to in [32, 128] {
        let refused = from(96, to).unwrap_err();
        assert!(matches!(refused, ActError::Unsteady { .. }), "{refused}");
        assert_eq!(present(&dir, file).unwrap(), text(64));
    }
    assert_eq!(from(96, 64).unwrap(), Wrote::Same, "the very same");
    assert_eq!(from(64, 128).unwrap(), Wrote::Changed);
    assert_eq!(present(&dir, file).unwrap(), text(128));
}

#[test]
fn a_ledger_that_cannot_be_written_stops_adoption_of_all() {
    let Some(group) = TestGroup::make() else {
        return;
    };
    let dir = runtime_dir();
    let mut ledger = ledger(&dir);
    std::os::unix::fs::symlink("/dev/full", dir.path().join("ledger.json.new")).unwrap();
    let hard = group.hard_limit();
    group.write(
        group.path(),
        Resource::Memory,
        hard,
        &(64 * MIB).to_string(),
    );
    let child = group.child("c");
    let jobs = vec![
        (group.target(group.path()), MEMORY),
        (group.target(&child), MEMORY),
    ];
    let results = Cgroupfs.adopt(&mut ledger, jobs);
    assert!(
        results
            .iter()
            .all(|result| matches!(result, Err(ActError::Ledger(_)))),
        "{results:?}"
    );
    let said = results[0].as_ref().unwrap_err().to_string();
    assert!(said.contains("No space left"), "{said}");
    assert_eq!(
        group.read(group.path(), Resource::Memory, hard),
        (64 * MIB).to_string()
    );
}

#[test]
fn a_group_without_the_controller_or_gone_is_an_error_of_its_own() {
    let Some(group) = TestGroup::make() else {
        return;
    };
    let dir = runtime_dir();
    let mut ledger = ledger(&dir);
    let child = group.child("c");
    let target = group.target(&child);
    for root in group.hierarchies.distinct() {
        let _ = std::fs::remove_dir(root.group(&child));
    }
    let results = Cgroupfs.adopt(
        &mut ledger,
        vec![(target, CPU), (group.target(group.path()), CPU)],
    );
    assert!(
        results[0].as_ref().unwrap_err().is_gone(),
        "{:?}",
        results[0]
    );
    assert!(
        results[1].is_ok(),
        "one that fails does not stop the others"
    );
}
