//! The readers on real groups of this host.

use std::io::Read;
use std::time::{Duration, Instant};

use trimtab_core::signal::{Amount, Resource};

use super::cgroup::Group;
use super::file::{Scratch, Sight};
use super::hierarchy::Version;
use super::testing::TestGroup;

fn open(group: &TestGroup, path: &str) -> Group {
    Group::open(&group.hierarchies, path)
        .unwrap()
        .here()
        .unwrap()
}

#[test]
fn cpu_use_and_throttling_are_what_the_kernel_counts() {
    let Some(group) = TestGroup::make() else {
        return;
    };
    group.set_quota(group.path(), "10000");
    let reader = open(&group, group.path());
    let cpu = reader.cpu.as_ref().unwrap();
    let mut scratch = Scratch::new();
    let before = cpu.stat(&mut scratch).unwrap().here().unwrap();
    assert_eq!(
        cpu.usage(&mut scratch).unwrap(),
        Sight::Here(before.usage_ns),
        "nobody runs"
    );
    let quota = cpu.quota(&mut scratch).unwrap().here().unwrap();
    assert_eq!(quota.unwrap().amount(), Amount(100_000));
    let process = group.spawn(group.path(), "while :; do :; done");
    let deadline = Instant::now() + Duration::from_secs(20);
    let after = loop {
        let now = cpu.stat(&mut scratch).unwrap().here().unwrap();
        if now.throttled_periods > before.throttled_periods + 2 || Instant::now() > deadline {
            break now;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    drop(process);
    assert!(
        after.throttled_periods > 2 && after.periods >= after.throttled_periods,
        "{after:?}"
    );
    assert!(after.throttled_ns > 1_000_000, "{after:?}");
    assert!(
        after.usage_ns.unwrap() > before.usage_ns.unwrap(),
        "{after:?}"
    );
}

#[test]
fn memory_is_told_apart() {
    let Some(group) = TestGroup::make() else {
        return;
    };
    let limit = 128u64 << 20;
    group.write(
        group.path(),
        Resource::Memory,
        group.hard_limit(),
        &limit.to_string(),
    );
    let reader = open(&group, group.path());
    let memory = reader.memory.as_ref().unwrap();
    let mut process = group.spawn(
        group.path(),
        "x=$(head -c 33554432 /dev/zero | tr '\\0' x); echo ready; sleep 60; :",
    );
    process
        .0
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut [0; 5])
        .unwrap();
    let mut scratch = Scratch::new();
    let seen = memory.read(&mut scratch).unwrap().here().unwrap();
    assert_eq!((seen.high, seen.max), (Amount::UNLIMITED, Amount(limit)));
    assert_eq!(seen.effective_limit(), Amount(limit));
    assert!(seen.stat.anon > 30 << 20, "{seen:?}");
    assert!(
        seen.needed() > 30 << 20 && seen.needed() <= seen.current,
        "{seen:?}"
    );
    assert!(seen.working_set() <= seen.current);
    assert_eq!(seen.events.oom_kill, 0);
}

#[test]
fn a_vanished_group_is_a_state() {
    let Some(group) = TestGroup::make() else {
        return;
    };
    let child = group.child("c");
    let reader = open(&group, &child);
    assert!(reader.ids.cpu.is_some() && reader.ids.memory.is_some());
    for root in group.hierarchies.distinct() {
        let _ = std::fs::remove_dir(root.group(&child));
    }
    let mut scratch = Scratch::new();
    let cpu = reader.cpu.unwrap();
    assert_eq!(cpu.stat(&mut scratch).unwrap(), Sight::Gone);
    assert_eq!(cpu.usage(&mut scratch).unwrap(), Sight::Gone);
    assert_eq!(cpu.quota(&mut scratch).unwrap(), Sight::Gone);
    assert_eq!(
        reader.memory.unwrap().read(&mut scratch).unwrap(),
        Sight::Gone
    );
    if let Some(psi) = reader.psi {
        assert!(psi.read(&mut scratch).unwrap().is_gone());
    }
    assert!(Group::open(&group.hierarchies, &child).unwrap().is_gone());
}

#[test]
fn pressure_exists_where_the_group_is_in_the_v2_tree() {
    let Some(group) = TestGroup::make() else {
        return;
    };
    let reader = open(&group, group.path());
    if reader.ids.unified.is_none() {
        eprintln!("SKIP: no v2 tree");
        return;
    }
    let Some(psi) = reader.psi else {
        eprintln!("SKIP: this kernel keeps no pressure information");
        return;
    };
    let seen = psi.read(&mut Scratch::new()).unwrap().here().unwrap();
    assert!(seen.cpu.is_some(), "{seen:?}");
}

#[test]
fn reading_costs_microseconds() {
    let Some(group) = TestGroup::make() else {
        return;
    };
    let reader = open(&group, group.path());
    let mut scratch = Scratch::new();
    let mut time = |what: &str, work: &mut dyn FnMut(&mut Scratch)| {
        let start = Instant::now();
        (0..1_000).for_each(|_| work(&mut scratch));
        let each = start.elapsed() / 1_000;
        eprintln!("{what}: {each:?}");
        // An emulated machine is a hundred times slower: this only catches a stall.
        assert!(each < Duration::from_millis(100), "{what}: {each:?}");
    };
    let (cpu, memory) = (
        reader.cpu.as_ref().unwrap(),
        reader.memory.as_ref().unwrap(),
    );
    time("cpu.stat", &mut |scratch| drop(cpu.stat(scratch)));
    time("memory.stat", &mut |scratch| drop(memory.stat(scratch)));
    time("memory current", &mut |scratch| {
        drop(memory.current(scratch));
    });
    if let Some(psi) = &reader.psi {
        time("pressure", &mut |scratch| drop(psi.read(scratch)));
    }
    let available = super::node::Available::open().unwrap();
    time("MemAvailable", &mut |_| drop(available.read()));
    let mut node = super::node::NodeReader::new(&group.hierarchies).unwrap();
    time("node totals", &mut |scratch| drop(node.read(scratch)));
    assert_eq!(
        group.version() == Version::V2,
        reader.ids.cpu == reader.ids.memory
    );
}
