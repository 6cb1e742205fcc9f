//! The rings of single CPUs: an event comes by that of the CPU that raised it, or not at all later
//! than by the ring for all.
#![expect(clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::{
    thread,
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, poll};
use trimtab::probe::{Event, Options, Probe, ProbeSet, Probes, kind};
use trimtab_core::signal::Resource;

use crate::{
    probe_support::{group, turn, watch},
    ready::Ready,
};

const SLOT: u32 = 3;

/// Probes with these CPUs' rings, and a busy loop on the first CPU, whose group is throttled in
/// every period, until it is dropped.
fn throttled(cpus: Vec<u32>) -> Option<(Probes, Ready, trimtab_tests::Group)> {
    let group = group()?;
    group.set_quota_us(Some(1_000), 20_000).expect("a quota");
    let options = Options {
        probes: ProbeSet::of(Probe::ThrottledRunning),
        cpu_rings: cpus,
        ..Options::default()
    };
    let mut loaded = match Probes::load(&options) {
        Ok(loaded) => loaded,
        Err(error) => {
            println!("SKIP: no probes here: {error}");
            return None;
        }
    };
    watch(&mut loaded, Resource::Cpu, &group, SLOT);
    let mut running = Ready::spinner(&group).expect("a shell");
    running.pin().expect("taskset");
    running.go().expect("a waiting shell");
    Some((loaded, running, group))
}

#[test]
fn an_event_wakes_the_reader_of_its_own_cpu() {
    let _turn = turn();
    let Some((mut loaded, _running, _group)) = throttled(vec![0, 1]) else {
        return;
    };
    let mut all = loaded.take_ring().expect("the ring is there once");
    let mut rings = loaded.take_cpu_rings();
    assert!(loaded.take_cpu_rings().is_empty(), "they are there once");
    let [(0, first), (1, second)] = &mut rings[..] else {
        panic!("not the rings that were asked for");
    };
    let mut fds = [PollFd::new(first, PollFlags::IN)];
    let patience = Duration::from_secs(2).try_into().expect("a time");
    assert_eq!(poll(&mut fds, Some(&patience)).expect("poll"), 1);
    let mut events: Vec<Event> = Vec::new();
    first.for_each(|event| events.push(*event));
    for event in &events {
        assert_eq!((event.cpu, event.kind), (0, kind::THROTTLED_RUNNING));
        assert_eq!(event.lowest.slot, SLOT);
    }
    assert_eq!(second.for_each(|_| {}), 0, "nothing ran there");
    assert_eq!(all.for_each(|_| {}), 0, "the CPU's ring had room");
}

#[test]
fn what_a_cpu_s_ring_cannot_take_comes_by_the_ring_for_all() {
    let _turn = turn();
    // A CPU without a ring is one that came later.
    let Some((mut loaded, _running, _group)) = throttled(vec![1]) else {
        return;
    };
    let mut all = loaded.take_ring().expect("the ring is there once");
    let end = Instant::now() + Duration::from_secs(2);
    let mut events: Vec<Event> = Vec::new();
    while events.is_empty() && Instant::now() < end {
        all.for_each(|event| events.push(*event));
        thread::sleep(Duration::from_millis(1));
    }
    assert!(!events.is_empty(), "no event came");
    assert!(events.iter().all(|event| event.cpu == 0), "{events:?}");
}

#[test]
fn a_full_ring_of_a_cpu_loses_nothing() {
    let _turn = turn();
    let Some((mut loaded, running, _group)) = throttled(vec![0]) else {
        return;
    };
    let mut all = loaded.take_ring().expect("the ring is there once");
    let (_, mut own) = loaded.take_cpu_rings().remove(0);
    // One event in 20 ms, and room for some hundred: nobody reads, until one comes the other way.
    let end = Instant::now() + Duration::from_secs(20);
    let mut beyond = 0;
    while beyond == 0 && Instant::now() < end {
        beyond += all.for_each(|_| {});
        thread::sleep(Duration::from_millis(5));
    }
    assert!(beyond > 0, "the CPU's ring was never full");
    drop(running);
    let kept = own.for_each(|_| {});
    assert!((50..200).contains(&kept), "{kept} events in 16 KiB");
    assert_eq!(loaded.lost().read().ring_full, 0);
}
