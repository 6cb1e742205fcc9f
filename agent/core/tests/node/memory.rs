//! Limits, reclaim and the OOM killer.

use trimtab_core::node::{Demand, Happened, MemoryDemand, MemoryStep, Workload, Write};
use trimtab_core::signal::{Amount, Cause, Nanos, Slot};

use crate::support::{Scripted, Still, alone, ms, node, quota, run};

/// Megabytes.
const fn mb(count: u64) -> Amount {
    Amount(count * 1_000_000)
}

/// Touched at a megabyte a millisecond.
fn growth(to: u64) -> MemoryDemand {
    MemoryDemand {
        pace: 1_000_000_000,
        ..MemoryDemand::steady(mb(to), Amount::ZERO)
    }
}

fn step(at: u64, anonymous: u64, working: u64) -> MemoryStep {
    MemoryStep {
        at: ms(at),
        anonymous: mb(anonymous),
        working: mb(working),
        stream: 0,
    }
}

#[test]
fn a_group_is_killed_at_its_hard_limit_and_starts_again() {
    let mut node = node(2, [Workload::memory(growth(400), mb(64))]);
    let log = run(&mut node, &mut Still, ms(3_000));
    let kills: Vec<_> = log
        .iter()
        .filter_map(|happened| match happened {
            Happened::Killed { time, .. } => Some(time.0.div_ceil(ms(1).0)),
            _ => None,
        })
        .collect();
    // 64 ms of growth, a second away.
    assert_eq!(kills, [64, 1_128, 2_192]);
    let meter = node.meter(Slot(0)).unwrap();
    assert_eq!((meter.oom_kills(), meter.restarts()), (3, 2));
}

#[test]
fn who_is_killed_while_throttled_is_throttled_no_more() {
    let greedy = Workload {
        demand: Some(Demand::steady(Amount::CPU, 1)),
        cpu_limit: quota(10),
        ..Workload::memory(growth(400), mb(64))
    };
    // Out of CPU after 10 ms, killed after 64, and away for a second.
    let node = alone(greedy, ms(1_000));
    let meter = node.meter(Slot(0)).unwrap();
    assert_eq!(meter.oom_kills(), 1);
    for throttled in [meter.throttled(), meter.throttled_wall()] {
        assert_eq!(throttled.0.div_ceil(ms(1).0), 54);
    }
}

#[test]
fn growth_within_the_limit_lives() {
    let node = alone(Workload::memory(growth(60), mb(64)), ms(1_000));
    let seen = node.workload(Slot(0)).unwrap().memory;
    assert_eq!(
        (seen.used, seen.anonymous, seen.peak),
        (mb(60), mb(60), mb(60))
    );
    assert_eq!(seen.oom_kills, 0);
}

#[test]
fn page_cache_goes_before_anonymous_memory() {
    let steps = vec![step(0, 0, 80), step(1_000, 60, 80), step(2_000, 120, 80)];
    let workload = |until| {
        let setup = Workload {
            memory_high: mb(100),
            ..Workload::memory(MemoryDemand::series(steps.clone()), mb(200))
        };
        alone(setup, ms(until)).workload(Slot(0)).unwrap().memory
    };
    let cached = workload(1_000);
    assert_eq!(
        (cached.used, cached.working_set, cached.refaults),
        (mb(80), mb(80), 0)
    );
    let squeezed = workload(2_000);
    assert_eq!(squeezed.anonymous, mb(60));
    // A byte may fit neither.
    assert!(mb(100).0 - squeezed.used.0 <= 10, "{squeezed:?}");
    // Half of the files are read from disk again in each second.
    assert!((9_500..9_800).contains(&squeezed.refaults), "{squeezed:?}");
    assert!(
        squeezed.high_events > 300 && squeezed.oom_kills == 0,
        "{squeezed:?}"
    );
    let full = workload(3_000);
    assert_eq!(full.used, full.anonymous);
    // Nearly all of the last second was a stall; hardly anything more was let in.
    assert!(
        full.anonymous < mb(101) && full.anonymous >= mb(99),
        "{full:?}"
    );
    assert!(
        full.stalled.0 - squeezed.stalled.0 > ms(900).0 && full.oom_kills == 0,
        "{full:?}"
    );
}

#[test]
fn files_that_are_read_once_fill_a_group_and_harm_nobody() {
    let stream = MemoryStep {
        stream: 100_000_000,
        ..step(0, 30, 10)
    };
    let node = alone(
        Workload::memory(MemoryDemand::series(vec![stream]), mb(64)),
        ms(10_000),
    );
    let seen = node.workload(Slot(0)).unwrap().memory;
    assert!(mb(64).0 - seen.used.0 < 10, "{seen:?}");
    assert_eq!((seen.anonymous, seen.working_set), (mb(30), mb(40)));
    assert_eq!(
        (seen.oom_kills, seen.refaults, seen.stalled),
        (0, 0, Nanos(0))
    );
}

#[test]
fn a_warning_that_is_answered_in_time_saves_the_group() {
    let mut fast = Scripted {
        reaction: Some(Nanos(42_000)),
        ..Scripted::default()
    };
    let mut grown = node(2, [Workload::memory(growth(400), mb(64))]);
    run(&mut grown, &mut fast, ms(1_000));
    assert_eq!(grown.meter(Slot(0)).unwrap().oom_kills(), 0);
    let first = fast.events[0];
    assert_eq!((first.cause, first.held), (Cause::MemoryNear, mb(64)));
    // Three quarters, and what fits into a nanosecond.
    assert!(
        (mb(48).0..mb(48).0 + 10).contains(&first.used.0),
        "{first:?}"
    );
    assert_eq!(first.time.0 / ms(1).0, 48);
    // 64, 128, 256, 512: at 384 of the last it is past its three quarters as well.
    assert_eq!(fast.events.len(), 4);

    let mut slow = Scripted {
        reaction: Some(ms(17)),
        ..Scripted::default()
    };
    let mut killed = node(2, [Workload::memory(growth(400), mb(64))]);
    run(&mut killed, &mut slow, ms(500));
    assert_eq!(killed.meter(Slot(0)).unwrap().oom_kills(), 1);
}

#[test]
fn a_limit_below_what_must_stay_kills_and_one_above_drops_cache() {
    let held = |to| {
        let mut lower = Scripted {
            script: vec![(
                Nanos::SECOND,
                Write::Limit {
                    slot: Slot(0),
                    resource: trimtab_core::signal::Resource::Memory,
                    to,
                },
            )],
            ..Scripted::default()
        };
        let demand = MemoryDemand::series(vec![step(0, 50, 40)]);
        let mut node = node(2, [Workload::memory(demand, mb(200))]);
        run(&mut node, &mut lower, ms(1_500));
        node.workload(Slot(0)).unwrap().memory
    };
    let trimmed = held(mb(60));
    assert_eq!(
        (trimmed.used, trimmed.anonymous, trimmed.oom_kills),
        (mb(60), mb(50), 0)
    );
    assert_eq!(held(mb(40)).oom_kills, 1);
}

#[test]
fn a_full_node_drops_cache_and_then_kills_by_priority() {
    let workload = |anonymous, working, priority| Workload {
        priority,
        restart: Nanos::MINUTE,
        ..Workload::memory(
            MemoryDemand::series(vec![step(0, anonymous, working)]),
            Amount::UNLIMITED,
        )
    };
    // 4.3 GB on the node; the cache is enough at first.
    let mut cached = node(2, [workload(2_000, 0, 1), workload(1_800, 900, 0)]);
    run(&mut cached, &mut Still, ms(5_000));
    assert!(cached.meters().all(|(_, meter)| meter.oom_kills() == 0));
    assert!(cached.meter(Slot(1)).unwrap().refaults() > 0);
    let mut short = node(2, [workload(2_000, 0, 1), workload(2_500, 0, 0)]);
    run(&mut short, &mut Still, ms(5_000));
    let kills: Vec<_> = short.meters().map(|(_, meter)| meter.oom_kills()).collect();
    assert_eq!(kills, [0, 1]);
}
