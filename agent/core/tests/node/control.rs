//! Delays of looking and of acting, events, and what writes do.

use trimtab_core::node::{Demand, Happened, Workload, Write};
use trimtab_core::signal::{Amount, Cause, Nanos, Resource, Slot};

use crate::support::{Scripted, Still, ms, node, quota, run};

fn spinner(limit: Amount) -> Workload {
    Workload::cpu(Demand::steady(Amount::CPU, 1), limit)
}

fn limit(to: Amount) -> Write {
    Write::Limit {
        slot: Slot(0),
        resource: Resource::Cpu,
        to,
    }
}

#[test]
fn an_order_takes_effect_after_the_delay() {
    for (delay, used) in [(0, 50 * 10), (1_000, 10 * 10), (60_000, 10)] {
        // 10 ms of each period until then, 50 ms afterwards.
        let mut node = node(2, [spinner(quota(10))]);
        let mut slow = Scripted {
            delay: ms(delay),
            script: vec![(Nanos(0), limit(quota(50)))],
            ..Scripted::default()
        };
        let log = run(&mut node, &mut slow, ms(1_000));
        let written = log.iter().find_map(|happened| match happened {
            Happened::Written { time, .. } => Some(*time),
            _ => None,
        });
        assert_eq!(written, (delay < 1_000).then(|| ms(delay)));
        let meter = node.meter(Slot(0)).unwrap();
        assert_eq!(meter.used(), ms(if delay == 0 { used } else { 100 }));
        assert_eq!(meter.writes(Resource::Cpu), u64::from(delay == 0));
    }
}

#[test]
fn every_write_fills_the_pool() {
    let write = |at| (ms(at), limit(quota(10)));
    let mut node = node(2, [spinner(quota(10))]);
    let mut writer = Scripted {
        interval: ms(20),
        script: vec![write(20), write(40), write(60)],
        ..Scripted::default()
    };
    run(&mut node, &mut writer, ms(100));
    let meter = node.meter(Slot(0)).unwrap();
    // Four quotas in one period, and throttled between them.
    assert_eq!((meter.used(), meter.throttled()), (ms(40), ms(60)));
    assert_eq!((meter.periods(), meter.throttled_periods()), (1, 1));
    assert_eq!(
        (meter.writes(Resource::Cpu), meter.turns(Resource::Cpu)),
        (3, 0)
    );
}

#[test]
fn an_answer_to_throttling_comes_after_the_reaction_and_not_at_the_end_of_the_period() {
    let mut node = node(
        2,
        [Workload::cpu(
            Demand::wave(Nanos::MINUTE, ms(300), 1),
            quota(10),
        )],
    );
    let mut fast = Scripted {
        reaction: Some(Nanos(42_000)),
        usual: u64::MAX,
        factor: 20,
        ..Scripted::default()
    };
    run(&mut node, &mut fast, ms(1_000));
    let meter = node.meter(Slot(0)).unwrap();
    assert_eq!(meter.throttled(), Nanos(42_000));
    assert_eq!(meter.throttled_periods(), 0);
    let causes: Vec<_> = fast
        .events
        .iter()
        .map(|event| (event.time, event.cause))
        .collect();
    assert_eq!(causes, [(ms(10), Cause::ThrottledRunning)]);
}

#[test]
fn an_answer_to_the_warning_leaves_nothing_throttled() {
    let mut node = node(
        2,
        [Workload::cpu(
            Demand::wave(Nanos::MINUTE, ms(300), 1),
            quota(20),
        )],
    );
    let mut fast = Scripted {
        reaction: Some(Nanos(42_000)),
        factor: 10,
        ..Scripted::default()
    };
    let log = run(&mut node, &mut fast, ms(1_000));
    assert_eq!(node.meter(Slot(0)).unwrap().throttled(), ms(0));
    let causes: Vec<_> = fast
        .events
        .iter()
        .map(|event| (event.time, event.cause))
        .collect();
    assert_eq!(causes, [(ms(15), Cause::QuotaNear)]);
    let written = log.iter().any(|happened| {
        matches!(happened, Happened::Written { time, .. } if *time == Nanos(ms(15).0 + 42_000))
    });
    assert!(written, "{log:?}");
}

#[test]
fn warnings_below_what_is_usual_are_not_raised() {
    let warnings = |usual| {
        let mut node = node(2, [Workload::cpu(Demand::steady(quota(18), 1), quota(20))]);
        let mut fast = Scripted {
            reaction: Some(Nanos(42_000)),
            factor: 1,
            usual,
            ..Scripted::default()
        };
        run(&mut node, &mut fast, ms(950));
        fast.events.len()
    };
    assert_eq!(warnings(ms(19).0), 0);
    // A period's 15 ms are spent after 83 ms. The write fills the pool: there is one warning and no more.
    assert_eq!(warnings(0), 9);
}

#[test]
fn a_task_that_wakes_into_a_spent_pool_is_throttled_waking() {
    let demand = Demand::wave(ms(50), ms(10), 1);
    let mut node = node(2, [Workload::cpu(demand, quota(10))]);
    let log = run(&mut node, &mut Still, ms(100));
    let causes: Vec<_> = log
        .iter()
        .filter_map(|happened| match happened {
            Happened::Event(event) => Some((event.time, event.cause)),
            _ => None,
        })
        .collect();
    assert_eq!(causes, [(ms(50), Cause::ThrottledWaking)]);
}

#[test]
fn limits_that_are_ordered_with_a_restart_hold_from_the_new_start() {
    let mut node = node(
        2,
        [Workload {
            restart: ms(500),
            ..spinner(quota(10))
        }],
    );
    let mut updater = Scripted {
        script: vec![
            (Nanos::SECOND, limit(quota(50))),
            (Nanos::SECOND, Write::Restart { slot: Slot(0) }),
        ],
        ..Scripted::default()
    };
    run(&mut node, &mut updater, ms(1_500));
    let before = node.meter(Slot(0)).unwrap().clone();
    assert_eq!(before.used(), ms(100));
    // What it had not done died with it, and so did what came while it was away.
    assert_eq!((before.lost(), before.backlog()), (ms(900 + 500), ms(0)));
    run(&mut node, &mut updater, ms(2_500));
    let after = node.meter(Slot(0)).unwrap();
    assert_eq!(after.used(), ms(100 + 500));
    assert_eq!((after.restarts(), after.oom_kills()), (1, 0));
    let begun: Vec<_> = updater
        .begun
        .iter()
        .map(|(at, seen)| (*at, seen.cpu.limit))
        .collect();
    assert_eq!(begun, [(Nanos(0), quota(10)), (ms(1_500), quota(10))]);
}

#[test]
fn writes_cost_the_node_time() {
    let mut node = trimtab_core::node::Node::new(trimtab_core::node::Setup {
        write: Nanos(5_000),
        ..trimtab_core::node::Setup::default()
    });
    node.add(spinner(quota(10)));
    let mut writer = Scripted {
        script: vec![
            (Nanos(0), limit(quota(20))),
            (Nanos::SECOND, limit(quota(10))),
        ],
        ..Scripted::default()
    };
    run(&mut node, &mut writer, ms(2_000));
    assert_eq!(node.write_cost(), Nanos(10_000));
    assert_eq!(node.seen().cpu_used, Nanos(ms(300).0 + 10_000));
    let meter = node.meter(Slot(0)).unwrap();
    assert_eq!(
        (meter.writes(Resource::Cpu), meter.turns(Resource::Cpu)),
        (2, 1)
    );
    assert_eq!(meter.mean_limit(Resource::Cpu), quota(15));
    assert_eq!(meter.mean_held(Resource::Cpu), Amount::CPU);
}
