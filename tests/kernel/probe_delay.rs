//! Who uses what was lent and keeps waiting who uses no more than its own: when that is told, and
//! when it is nobody's fault.
#![expect(clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::{thread, time::Duration};

use trimtab::probe::{Event, Probe, Probes, State};
use trimtab_core::signal::Resource;
use trimtab_ebpf::kind;
use trimtab_tests::Group;

use crate::probe_support::{
    collect, group, id, interrupt, load, of_kind, spin_everywhere, turn, work,
};

const MS: u64 = 1_000_000;
const BORROWER: u32 = 5;
const LENDER: u32 = 6;
const PROBES: [Probe; 3] = [Probe::RunqLatency, Probe::QuotaNear, Probe::LoanDelays];

/// Watches a group with a quota of all CPUs, of which so much in a period is its own.
fn owns(loaded: &mut Probes, group: &Group, slot: u32, own: u64, period_us: u64) {
    let cpus = thread::available_parallelism().map_or(1, std::num::NonZero::get) as u64;
    group
        .set_quota_us(Some(cpus * period_us), period_us)
        .expect("a quota");
    let id = id(Resource::Cpu, group);
    let watches = loaded.watches();
    watches.set(Resource::Cpu, id, slot, 0).expect("watched");
    assert!(
        watches
            .set_thresholds(Resource::Cpu, id, u64::MAX, own)
            .expect("set")
    );
    loaded.runq().register(id).expect("registered");
}

/// The delays by the borrower that are told of while it spins and another group works, whose
/// periods are long: at the start of each, it has used nothing of its own.
fn delays(own: [u64; 2], detached: &[&str]) -> Option<Vec<Event>> {
    let _turn = turn();
    let root = group()?;
    let borrower = root.child("borrower").expect("a group");
    let lender = root.child("lender").expect("a group");
    let (mut loaded, mut ring) = load(&PROBES, detached)?;
    owns(&mut loaded, &borrower, BORROWER, own[0], 100_000);
    owns(&mut loaded, &lender, LENDER, own[1], 1_000_000);
    let _spinning = spin_everywhere(&borrower);
    let _working = work(&lender);
    let told = |events: &[Event]| {
        let mut told = of_kind(events, kind::LOAN_DELAYS);
        told.retain(|event| event.lowest.slot == BORROWER);
        told
    };
    let events = collect(&mut ring, Duration::from_secs(3), |events| {
        !told(events).is_empty()
    });
    let told = told(&events);
    for event in &told {
        assert_eq!(event.lowest.id, id(Resource::Cpu, &borrower));
        assert_eq!(event.highest.id, id(Resource::Cpu, &lender));
        assert_eq!(event.highest.slot, LENDER);
        assert!((8 * MS..13 * MS).contains(&event.used), "{event:?}");
        assert_eq!(event.lowest.period, 100 * MS);
    }
    Some(told)
}

#[test]
fn who_borrows_and_keeps_others_waiting_is_told_of() {
    if let Some(told) = delays([10 * MS, 10_000 * MS], &[]) {
        assert!(!told.is_empty(), "nobody was told");
    }
}

#[test]
fn a_short_task_in_between_hides_nobody() {
    let cpus = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let _between: Vec<_> = (0..cpus).map(interrupt).collect();
    if let Some(told) = delays([10 * MS, 10_000 * MS], &[]) {
        assert!(!told.is_empty(), "nobody was told");
    }
}

#[test]
fn who_uses_its_own_may_keep_others_waiting() {
    if let Some(told) = delays([10_000 * MS; 2], &[]) {
        assert_eq!(told, []);
    }
}

#[test]
fn who_borrows_itself_has_to_wait() {
    if let Some(told) = delays([10 * MS, 1], &[]) {
        assert_eq!(told, []);
    }
}

#[test]
fn who_can_lend_nothing_has_to_wait() {
    if let Some(told) = delays([10 * MS, 0], &[]) {
        assert_eq!(told, []);
    }
}

#[test]
fn without_the_switch_nobody_is_told() {
    if let Some(told) = delays([10 * MS, 10_000 * MS], &["sched_switch"]) {
        assert_eq!(told, []);
    }
}

#[test]
fn a_group_does_not_keep_itself_waiting() {
    let _turn = turn();
    let Some(pod) = group() else {
        return;
    };
    let children = ["one", "other"].map(|name| pod.child(name).expect("a group"));
    let Some((mut loaded, mut ring)) = load(&PROBES, &[]) else {
        return;
    };
    owns(&mut loaded, &pod, BORROWER, 10 * MS, 100_000);
    owns(&mut loaded, &children[1], LENDER, 10_000 * MS, 100_000);
    let _spinning = spin_everywhere(&children[0]);
    let _working = work(&children[1]);
    let told = collect(&mut ring, Duration::from_secs(2), |_| false);
    assert_eq!(of_kind(&told, kind::LOAN_DELAYS), []);
}

#[test]
fn it_needs_the_probes_on_whose_figures_it_lives() {
    let _turn = turn();
    let Some((loaded, _ring)) = load(&[Probe::RunqLatency, Probe::LoanDelays], &[]) else {
        return;
    };
    let status = loaded
        .status()
        .iter()
        .find(|status| status.probe == Probe::LoanDelays)
        .expect("its status");
    assert_eq!(status.state, State::Off);
    assert_eq!(status.why, "needs quota-near, which is off");
}
