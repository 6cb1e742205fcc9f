//! What a recording has of one workload.

use crate::codec::{read, segment};
use trimtab_core::decide::{Bounds, Entitlement, Policy, Record, WorkloadSpec};
use trimtab_core::record::{Call, Figures, History, Item, Origin};
use trimtab_core::signal::{Amount, Cause, Denial, Event, Mode, Nanos, Resource, Slot, Spend};
use trimtab_core::snapshot::{CpuSignals, MemorySignals, Snapshot, WorkloadSignals};

const CPU: u64 = Amount::CPU.0;

/// A workload of a quarter of a CPU, whose owner gave it one.
fn adopt(slot: u32, path: &str) -> Call {
    let bounds = |floor| {
        Some(Bounds {
            floor: Amount(floor),
            ..Bounds::default()
        })
    };
    let limits = [Amount(CPU), Amount(1 << 30)];
    Call::Adopt {
        slot: Slot(slot),
        epoch: 1,
        spec: Box::new(WorkloadSpec {
            name: "name".into(),
            parent: None,
            mode: Mode::Enforce,
            policy: Policy::default(),
            entitlement: Entitlement::default(),
            born: Nanos(0),
            adopted: limits,
            held: limits,
            period_us: 100_000,
            bounds: [bounds(CPU / 4), bounds(1 << 20)],
        }),
        origin: Origin::new(path, "p"),
    }
}

/// The fast loop lifts to a limit, or does not.
fn asked(slot: u32, to: Option<u64>) -> Call {
    Call::Record(Record::Spend(Spend {
        seq: 1,
        epoch: 1,
        event: Event {
            time: Nanos(1),
            slot: Slot(slot),
            resource: Resource::Cpu,
            cause: Cause::QuotaNear,
            held: Amount(CPU),
            used: Amount(0),
            headroom: Amount::UNLIMITED,
        },
        from: Amount(CPU),
        to: Amount(to.unwrap_or(CPU)),
        granted: Amount(0),
        pool_left: Amount(0),
        burst: 0,
        denial: to.is_none().then_some(Denial::PoolEmpty),
    }))
}

/// A second passes in which two workloads use so much.
fn tick(second: u64, used: u64, limit: u64) -> (Nanos, Snapshot) {
    let signals = |slot: u32| WorkloadSignals {
        slot: Slot(slot),
        cpu: Some(CpuSignals {
            used: Amount(used * u64::from(slot)),
            held: Amount(limit),
            periods: 10,
            throttled: 2,
            ..CpuSignals::default()
        }),
        memory: (slot == 1).then(|| MemorySignals {
            used: Amount(used),
            held: Amount(1 << 30),
            ..MemorySignals::default()
        }),
        latency: None,
    };
    let now = Nanos(second * Nanos::SECOND.0);
    let snapshot = Snapshot {
        time: now,
        elapsed: Nanos::SECOND,
        workloads: vec![signals(1), signals(2)],
        ..Snapshot::default()
    };
    (now, snapshot)
}

/// One workload's history of a recording, from the third second on, by steps of two seconds.
fn history(path: &str) -> History {
    let ticks = [
        (vec![adopt(1, "x/one"), adopt(2, "x/two")], tick(1, 1, CPU)),
        (vec![asked(1, None)], tick(2, 2, CPU)),
        (
            vec![asked(1, Some(2 * CPU)), asked(2, None)],
            tick(3, CPU, 2 * CPU),
        ),
        (vec![asked(1, None)], tick(4, CPU / 2, 2 * CPU)),
        (vec![asked(1, None)], tick(5, CPU / 4, 2 * CPU)),
        (vec![Call::Remove(Slot(1))], tick(6, 1, CPU)),
    ];
    let ticks: Vec<_> = ticks
        .into_iter()
        .map(|(calls, (now, snapshot))| (calls, now, snapshot))
        .collect();
    let (items, _) = read(&segment(&ticks));
    let mut history = History::new(path, 2 * Nanos::SECOND.0);
    for item in items {
        let late = |now: Nanos| Some(now.0 + 100 * Nanos::SECOND.0);
        let asked = |now: Nanos| late(now).filter(|_| now.0 >= 3 * Nanos::SECOND.0);
        history.hear(item, asked).unwrap();
    }
    history
}

#[test]
fn a_step_has_what_its_ticks_had() {
    let history = history("x/one");
    let steps: Vec<_> = history.steps().collect();
    let begun: Vec<_> = steps.iter().map(|(at, _)| at / Nanos::SECOND.0).collect();
    assert_eq!(
        begun,
        [102, 104],
        "what came before nobody asked for, and it goes"
    );
    let figures: Vec<Figures> = steps.iter().filter_map(|(_, step)| step.cpu).collect();
    assert_eq!(figures[0].covered, Nanos::SECOND);
    assert_eq!(figures[0].used(), Amount(CPU));
    assert_eq!(figures[0].held(), Amount(CPU / 4 + CPU), "floor and loan");
    assert_eq!((figures[0].done.lifts, figures[0].done.refusals), (1, 0));
    assert_eq!(figures[1].covered, Nanos(2 * Nanos::SECOND.0));
    assert_eq!(figures[1].used(), Amount(CPU / 8 * 3));
    assert_eq!(figures[1].most, Amount(CPU / 2));
    assert_eq!(figures[1].limit, Amount(2 * CPU));
    assert_eq!((figures[1].throttled, figures[1].periods), (4, 20));
    assert_eq!((figures[1].done.lifts, figures[1].done.refusals), (0, 2));
    assert!(steps.iter().all(|(_, step)| step.memory.is_some()));
}

#[test]
fn nobody_has_the_figures_of_another() {
    let two = history("x/two");
    let (_, step) = two.steps().next().unwrap();
    let cpu = step.cpu.unwrap();
    assert_eq!(cpu.used(), Amount(2 * CPU));
    assert_eq!((cpu.done.lifts, cpu.done.refusals), (0, 1));
    assert_eq!(step.memory, None);
    assert_eq!(history("x").steps().count(), 0);
}

#[test]
fn without_a_state_there_is_no_history() {
    let mut history = History::new("x/one", 1);
    history
        .hear(Item::Call(asked(1, None)), |_| Some(1))
        .unwrap();
    assert_eq!(history.steps().count(), 0);
}
