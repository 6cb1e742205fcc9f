//! Who uses what was lent and keeps waiting who uses no more than its own: when that is told, and
//! when it is nobody's fault.
#![expect(clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::{
    sync::MutexGuard,
    thread,
    time::{Duration, Instant},
};

use trimtab::probe::{Event, Probe, Probes, Ring, State};
use trimtab_core::signal::Resource;
use trimtab_ebpf::kind;
use trimtab_tests::{Group, Process};

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

/// A borrower that spins, and a lender that works and whose periods are long: at the start of each, it has used
/// nothing of its own.
struct Sharing {
    _processes: Vec<Process>,
    borrower: Group,
    lender: Group,
    loaded: Probes,
    ring: Ring,
    _root: Group,
    _turn: MutexGuard<'static, ()>,
}

impl Sharing {
    fn start(own: [u64; 2], detached: &[&str]) -> Option<Self> {
        let turn = turn();
        let root = group()?;
        let borrower = root.child("borrower").expect("a group");
        let lender = root.child("lender").expect("a group");
        let (mut loaded, ring) = load(&PROBES, detached)?;
        owns(&mut loaded, &borrower, BORROWER, own[0], 100_000);
        owns(&mut loaded, &lender, LENDER, own[1], 1_000_000);
        let mut processes = spin_everywhere(&borrower);
        processes.push(work(&lender));
        Some(Self {
            _processes: processes,
            borrower,
            lender,
            loaded,
            ring,
            _root: root,
            _turn: turn,
        })
    }

    /// The delays by the borrower that are told of until there is one, or the time is over.
    fn told(&mut self, limit: Duration) -> Vec<Event> {
        let told = |events: &[Event]| {
            let mut told = of_kind(events, kind::LOAN_DELAYS);
            told.retain(|event| event.lowest.slot == BORROWER);
            told
        };
        let events = collect(&mut self.ring, limit, |events| !told(events).is_empty());
        let told = told(&events);
        for event in &told {
            assert_eq!(event.lowest.id, id(Resource::Cpu, &self.borrower));
            assert_eq!(event.highest.id, id(Resource::Cpu, &self.lender));
            assert_eq!(event.highest.slot, LENDER);
            assert!((8 * MS..13 * MS).contains(&event.used), "{event:?}");
            assert_eq!(event.lowest.period, 100 * MS);
        }
        told
    }

    fn lender_owns(&mut self, own: u64) {
        let id = id(Resource::Cpu, &self.lender);
        let set = self
            .loaded
            .watches()
            .set_thresholds(Resource::Cpu, id, u64::MAX, own);
        assert!(set.expect("set"));
    }

    /// Waits until the lender has used some milliseconds of one of its periods, and most of it is still to come: for
    /// how long, at least.
    fn within_a_period(&self) -> Duration {
        let stat = || self.lender.cpu_stat().expect("its counters");
        loop {
            let before = stat();
            let mut begun = Instant::now();
            let first = loop {
                let asked = Instant::now();
                let now = stat();
                if now.nr_periods != before.nr_periods {
                    break now;
                }
                begun = asked;
                thread::sleep(Duration::from_millis(1));
            };
            let mut now = first;
            while now.nr_periods == first.nr_periods && now.usage_ns < first.usage_ns + 20 * MS {
                thread::sleep(Duration::from_millis(1));
                now = stat();
            }
            let rest = Duration::from_millis(900).saturating_sub(begun.elapsed());
            if now.nr_periods == first.nr_periods && rest > Duration::from_millis(500) {
                return rest;
            }
        }
    }
}

/// What is told of within some periods.
fn delays(own: [u64; 2], detached: &[&str]) -> Option<Vec<Event>> {
    Some(Sharing::start(own, detached)?.told(Duration::from_secs(3)))
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
    let Some(mut sharing) = Sharing::start([10 * MS, 0], &[]) else {
        return;
    };
    let rest = sharing.within_a_period();
    sharing.lender_owns(1);
    assert_eq!(sharing.told(rest), []);
    // What it was: the same waits count when there is more of its own.
    sharing.lender_owns(10_000 * MS);
    assert!(!sharing.told(Duration::from_secs(3)).is_empty());
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
