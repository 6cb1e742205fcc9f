//! What the judge looks at: a workload since its warm-up, its limit over time, and mixes on one node.

use trimtab_core::node::{Arrivals, Demand, Meter, Mix, Node, Service, Setup, Workload};
use trimtab_core::score::{Packing, Since, Span, Trajectory};
use trimtab_core::signal::{Amount, Nanos};

use crate::plain::{Scripted, cpu_to};

const fn ms(count: u64) -> Nanos {
    Nanos(count * Nanos::MILLI.0)
}

/// Two requests of 50 ms, at 1 and at 3 s, in one thread.
fn two_requests() -> Demand {
    Demand::Requests {
        arrivals: Arrivals::Given(vec![ms(1_000), ms(3_000)]),
        service: Service::Fixed(ms(50)),
        threads: 1,
    }
}

#[test]
fn what_came_before_is_left_out() {
    // The first under a tenth of a CPU, the second under a whole one.
    let workload = Workload::cpu(two_requests(), Amount(100_000));
    let mut controller = Scripted(vec![cpu_to(2, 0, 1_000_000)]);
    let mut node = Node::new(Setup::default());
    let slot = node.add(workload);
    node.run(&mut controller, ms(2_500), &mut |_| {});
    let before = node.meter(slot).unwrap().clone();
    node.run(&mut controller, ms(4_000), &mut |_| {});
    let after = node.meter(slot).unwrap();
    // To two digits.
    let near = |found: Option<Nanos>, ms: u64| {
        let found = found.unwrap().0 / Nanos::MILLI.0;
        assert!(found.abs_diff(ms) * 50 <= ms, "{found} {ms}");
    };
    let all = Since::of(&Meter::default(), after);
    assert_eq!(
        (all.answered(), all.used, all.time),
        (2, ms(100), ms(4_000))
    );
    near(all.latency(990), 410);
    let since = Since::of(&before, after);
    assert_eq!(
        (since.answered(), since.used, since.time),
        (1, ms(50), ms(1_500))
    );
    near(since.latency(990), 50);
    assert_eq!((all.writes, since.writes), (1, 0));
    assert!(all.throttled_periods > 0 && since.throttled_periods == 0);
    let nothing = Since::of(after, after);
    assert_eq!((nothing.answered(), nothing.latency(990)), (0, None));
}

#[test]
fn a_trajectory_has_every_limit_once() {
    let workload = Workload::cpu(Demand::steady(Amount(500_000), 1), Amount(1_000_000));
    let script = vec![
        cpu_to(2, 0, 1_500_000),
        cpu_to(3, 0, 1_500_000),
        cpu_to(4, 0, 600_000),
    ];
    let run = Trajectory::run(
        Setup::default(),
        workload,
        &mut Scripted(script),
        ms(3_500),
        ms(5_000),
    );
    let limits = [(0, 1_000_000), (2_000, 1_500_000), (4_000, 600_000)];
    assert_eq!(run.limit, limits.map(|(at, limit)| (ms(at), limit)));
    assert_eq!(run.held, [(Nanos(0), 1_000_000)]);
    assert_eq!((run.since.writes, run.since.turns), (1, 1));
    assert_eq!(run.since.used, ms(750));
    assert_eq!(run.delay, Nanos(0));
}

#[test]
fn work_without_end_uses_what_is_idle_and_weights_protect_the_rest() {
    let mix = Mix::random(1, 1).unlimited();
    let span = Span {
        from: ms(5_000),
        until: ms(35_000),
    };
    let packing = Packing::run(&mix, &mut Scripted::default(), span);
    assert_eq!(packing.capacity, ms(8 * 30_000));
    assert!(packing.utilisation() >= 995, "{}", packing.utilisation());
    assert!(packing.idle_used() >= 990, "{}", packing.idle_used());
    // What the guaranteed do to each other is another matter.
    let mut quiet = mix.clone();
    quiet.best_effort.clear();
    let quiet = Packing::run(&quiet, &mut Scripted::default(), span);
    let alone = Packing::alone(&mix, Scripted::default, span);
    assert_eq!(alone.len(), packing.guaranteed.len());
    let all = packing.guaranteed.iter().zip(&quiet.guaranteed).zip(&alone);
    for ((mixed, quiet), alone) in all {
        let p99 = |one: &Since| one.latency(990).unwrap().0;
        assert!(p99(mixed) * 100 <= p99(quiet) * 104, "{mixed:?} {quiet:?}");
        assert!(p99(quiet) * 100 >= p99(alone) * 98, "{quiet:?} {alone:?}");
    }
}

#[test]
fn a_quota_on_work_without_end_leaves_cpu_idle() {
    let mut mix = Mix::random(1, 1).unlimited();
    mix.best_effort.truncate(1);
    mix.best_effort[0].cpu_limit = Amount(1_000_000);
    let span = Span {
        from: ms(1_000),
        until: ms(11_000),
    };
    let packing = Packing::run(&mix, &mut Scripted::default(), span);
    let used = packing.best_effort[0].used;
    // Whoever has more weight may keep it from its last milliseconds.
    assert!(used.0.abs_diff(ms(10_000).0) < ms(100).0, "{used:?}");
    let left = packing.capacity.since(packing.used());
    assert_eq!(packing.idle_used(), used.0 * 1000 / left.0);
    assert_eq!(packing.guaranteed.len(), mix.guaranteed.len());
}
