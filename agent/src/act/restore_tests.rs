//! Restoring on real groups of this host.

use std::collections::BTreeMap;
use std::io::Read;
use std::time::{Duration, Instant};

use trimtab_core::signal::{Amount, Resource};

use super::backend::{Adopted, Backend, Held, Range, Wish};
use super::cgroupfs::Cgroupfs;
use super::files::padded;
use super::guardian::restore_leftovers;
use super::ledger::Ledger;
use super::restore::restore;
use crate::sense::hierarchy::Version;
use crate::sense::testing::{PATIENCE, Process, TestGroup, runtime_dir};

const MIB: u64 = 1 << 20;

fn adopt(ledger: &mut Ledger, group: &TestGroup, path: &str, wish: Wish) -> Adopted {
    Cgroupfs
        .adopt(ledger, vec![(group.target(path), wish)])
        .pop()
        .unwrap()
        .unwrap()
}

fn cpu(ledger: &mut Ledger, group: &TestGroup, path: &str) -> Held {
    let range = Range {
        floor: Amount(10_000),
        ceiling: Amount(8_000_000),
    };
    let wish = Wish {
        cpu: Some(range),
        ..Wish::default()
    };
    adopt(ledger, group, path, wish).cpu.unwrap()
}

fn memory(ledger: &mut Ledger, group: &TestGroup, path: &str) -> Held {
    let range = Range {
        floor: Amount(4 * MIB),
        ceiling: Amount(512 * MIB),
    };
    let wish = Wish {
        memory: Some(range),
        ..Wish::default()
    };
    adopt(ledger, group, path, wish).memory.unwrap()
}

fn open(dir: &tempfile::TempDir) -> Ledger {
    Ledger::open(dir.path(), PATIENCE).unwrap().0
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

/// A process that holds `mib` of memory that cannot be dropped, once it says so.
fn hog(group: &TestGroup, path: &str, mib: u64) -> Process {
    // A shell variable is anonymous memory. The shell stops itself, since a child would have that memory,
    // too, until it has become another program.
    let script = format!(
        "x=$(head -c {} /dev/zero | tr '\\0' x); echo ready; kill -STOP $$; :",
        mib * MIB
    );
    let mut process = group.spawn(path, &script);
    let mut said = [0; 5];
    process
        .0
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut said)
        .unwrap();
    process
}

fn used(group: &TestGroup, path: &str) -> u64 {
    let file = if group.version() == Version::V2 {
        "memory.current"
    } else {
        "memory.usage_in_bytes"
    };
    group.read(path, Resource::Memory, file).parse().unwrap()
}

fn kills(group: &TestGroup, path: &str) -> u64 {
    let file = if group.version() == Version::V2 {
        "memory.events"
    } else {
        "memory.oom_control"
    };
    let text = group.read(path, Resource::Memory, file);
    text.lines()
        .find_map(|line| line.strip_prefix("oom_kill "))
        .unwrap()
        .parse()
        .unwrap()
}

#[test]
fn trees_grow_from_the_top_and_shrink_from_the_bottom() {
    let Some(group) = TestGroup::make() else {
        return;
    };
    let dir = runtime_dir();
    let top = group.path().to_owned();
    let (child, leaf) = (group.child("c"), group.child("c/l"));
    // Originals on the left, where we moved them on the right: v1 refuses any other order.
    let cases = [
        [("100000", 50_000), ("80000", 40_000), ("80000", 40_000)],
        [
            ("50000", 2_000_000),
            ("50000", 2_000_000),
            ("20000", 1_000_000),
        ],
    ];
    for case in cases {
        let mut ledger = open(&dir);
        let paths = [&top, &child, &leaf];
        for (path, (original, _)) in paths.iter().zip(case) {
            group.set_quota(path, original);
        }
        let levers: Vec<Held> = paths
            .iter()
            .map(|path| cpu(&mut ledger, &group, path))
            .collect();
        let growing = case[0].1 > 500_000;
        let order: Vec<usize> = if growing {
            vec![0, 1, 2]
        } else {
            vec![2, 1, 0]
        };
        for at in order {
            levers[at].lever.write(Amount(case[at].1)).unwrap();
        }
        let report = restore(&mut ledger, |_| true, soon());
        assert_eq!(
            (report.restored.len(), report.is_complete()),
            (3, true),
            "{report}"
        );
        for (path, (original, _)) in paths.iter().zip(case) {
            assert!(
                group.quota_us(path) == original,
                "{path}: {}",
                group.quota(path)
            );
        }
        // From the bottom up, so that the next case may start anywhere.
        for path in paths.iter().rev() {
            group.set_quota(
                path,
                if group.version() == Version::V2 {
                    "max"
                } else {
                    "-1"
                },
            );
        }
    }
}

#[test]
fn what_others_wrote_stays() {
    let Some(group) = TestGroup::make() else {
        return;
    };
    let dir = runtime_dir();
    let mut ledger = open(&dir);
    let (a, b) = (group.child("a"), group.child("b"));
    for path in [&a, &b] {
        group.set_quota(path, "10000");
        cpu(&mut ledger, &group, path)
            .lever
            .write(Amount(1_000_000))
            .unwrap();
    }
    // Outside of the range, so that it is told apart with marks and without.
    group.set_quota(&a, "900000");
    drop(ledger);
    let report = restore_leftovers(dir.path(), soon()).unwrap().unwrap();
    assert_eq!(
        (report.foreign.len(), report.restored.len()),
        (1, 1),
        "{report}"
    );
    assert!(
        report.to_string().contains("set by somebody else"),
        "{report}"
    );
    assert_eq!(group.quota_us(&a), "900000");
    assert_eq!(group.quota_us(&b), "10000");
    assert!(open(&dir).is_empty());
    assert_eq!(
        restore_leftovers(dir.path(), soon()).unwrap(),
        None,
        "a second time there is nothing to do"
    );
}

#[test]
fn a_group_made_again_never_gets_an_old_value() {
    let Some(group) = TestGroup::make() else {
        return;
    };
    let dir = runtime_dir();
    let mut ledger = open(&dir);
    let (gone, again) = (group.child("gone"), group.child("again"));
    for path in [&gone, &again] {
        group.set_quota(path, "10000");
        cpu(&mut ledger, &group, path)
            .lever
            .write(Amount(500_000))
            .unwrap();
        for root in group.hierarchies.distinct() {
            std::fs::remove_dir(root.group(path)).unwrap();
        }
    }
    group.child("again");
    group.set_quota(&again, "50000");
    let report = restore(&mut ledger, |_| true, soon());
    assert_eq!(
        (report.gone, report.restored.len(), report.foreign.len()),
        (2, 0, 0),
        "{report}"
    );
    assert!(
        group.quota(&again).starts_with("50000"),
        "the very value that we had written to the old group"
    );
    assert!(ledger.is_empty());
}

#[test]
fn memory_below_present_use_waits_for_its_time() {
    let Some(group) = TestGroup::make() else {
        return;
    };
    let dir = runtime_dir();
    let mut ledger = open(&dir);
    let path = group.child("m");
    let hard = group.hard_limit();
    group.write(&path, Resource::Memory, hard, &(16 * MIB).to_string());
    memory(&mut ledger, &group, &path)
        .lever
        .write(Amount(400 * MIB))
        .unwrap();
    let process = hog(&group, &path, 64);
    let in_use = used(&group, &path);
    assert!(in_use > 64 * MIB);
    let start = Instant::now();
    let report = restore(&mut ledger, |_| true, soon());
    eprintln!("restoring below use took {:?}: {report}", start.elapsed());
    assert_eq!(
        (report.pending.len(), report.is_complete()),
        (1, false),
        "{report}"
    );
    assert!(report.to_string().contains("bytes are in use"), "{report}");
    let now: u64 = group.read(&path, Resource::Memory, hard).parse().unwrap();
    assert!(
        now >= used(&group, &path) && now < 400 * MIB,
        "{now} is the lowest safe value"
    );
    assert!(now <= padded(in_use + 8 * MIB).0, "{now}");
    assert_eq!(kills(&group, &path), 0, "restoring never kills");
    drop(ledger);
    let again = restore_leftovers(dir.path(), soon()).unwrap().unwrap();
    assert_eq!(
        again.pending.len(),
        1,
        "still there, still in the ledger: {again}"
    );
    drop(process);
    let report = restore_leftovers(dir.path(), soon()).unwrap().unwrap();
    assert!(report.is_complete(), "{report}");
    assert_eq!(
        group.read(&path, Resource::Memory, hard),
        (16 * MIB).to_string()
    );
    assert_eq!(kills(&group, &path), 0);
}

#[test]
fn page_cache_does_not_stop_a_limit_from_going_back() {
    let Some(group) = TestGroup::make() else {
        return;
    };
    let dir = runtime_dir();
    let mut ledger = open(&dir);
    let path = group.child("m");
    let hard = group.hard_limit();
    group.write(&path, Resource::Memory, hard, &(16 * MIB).to_string());
    memory(&mut ledger, &group, &path)
        .lever
        .write(Amount(400 * MIB))
        .unwrap();
    let disk = tempfile::tempdir().unwrap();
    let file = disk.path().join("cache");
    std::fs::write(&file, vec![1; usize::try_from(64 * MIB).unwrap()]).unwrap();
    std::fs::File::open(&file).unwrap().sync_all().unwrap();
    // Drop what this process has cached, so that the group reads it in again.
    rustix::fs::fadvise(
        std::fs::File::open(&file).unwrap(),
        0,
        None,
        rustix::fs::Advice::DontNeed,
    )
    .unwrap();
    let mut process = group.spawn(
        &path,
        &format!(
            "cat {} > /dev/null; echo ready; sleep 60; :",
            file.display()
        ),
    );
    let mut said = [0; 5];
    process
        .0
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut said)
        .unwrap();
    if used(&group, &path) < 32 * MIB {
        eprintln!(
            "SKIP: temporary files are not cached by the page: {}",
            used(&group, &path)
        );
        return;
    }
    if group.version() == Version::V2
        && !group
            .file(&path, Resource::Memory, "memory.reclaim")
            .exists()
    {
        eprintln!("SKIP: this kernel has no memory.reclaim, the limit stays pending");
        return;
    }
    let report = restore(&mut ledger, |_| true, soon());
    assert!(report.is_complete(), "{report}");
    assert_eq!(
        group.read(&path, Resource::Memory, hard),
        (16 * MIB).to_string()
    );
    assert_eq!(kills(&group, &path), 0);
}

#[test]
fn many_groups_are_back_within_a_second() {
    let Some(group) = TestGroup::make() else {
        return;
    };
    let dir = runtime_dir();
    let mut ledger = open(&dir);
    let paths: Vec<String> = (0..200)
        .map(|number| group.child(&number.to_string()))
        .collect();
    let range = Range {
        floor: Amount(10_000),
        ceiling: Amount(8_000_000),
    };
    let room = Range {
        floor: Amount(4 * MIB),
        ceiling: Amount(512 * MIB),
    };
    let jobs = paths
        .iter()
        .map(|path| {
            group.set_quota(path, "10000");
            group.write(
                path,
                Resource::Memory,
                group.hard_limit(),
                &(64 * MIB).to_string(),
            );
            (
                group.target(path),
                Wish {
                    cpu: Some(range),
                    memory: Some(room),
                    weight: None,
                },
            )
        })
        .collect();
    let start = Instant::now();
    let adopted = Cgroupfs.adopt(&mut ledger, jobs);
    let adoption = start.elapsed();
    for adopted in adopted {
        let adopted = adopted.unwrap();
        adopted.cpu.unwrap().lever.write(Amount(1_000_000)).unwrap();
        adopted
            .memory
            .unwrap()
            .lever
            .write(Amount(128 * MIB))
            .unwrap();
    }
    drop(ledger);
    let start = Instant::now();
    let report = restore_leftovers(dir.path(), soon()).unwrap().unwrap();
    eprintln!(
        "200 groups: adopted in {adoption:?}, restored in {:?}",
        start.elapsed()
    );
    assert!(report.is_complete(), "{report}");
    let now: BTreeMap<String, usize> = paths.iter().fold(BTreeMap::new(), |mut count, path| {
        *count.entry(group.quota(path)).or_default() += 1;
        count
    });
    assert_eq!(now.len(), 1, "{now:?}");
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
}
