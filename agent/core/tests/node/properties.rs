//! What holds for every node.

use proptest::prelude::*;
use trimtab_core::node::{
    Arrivals, Demand, Happened, MemoryDemand, Meter, Node, Seen, Service, Workload,
};
use trimtab_core::signal::{Amount, Nanos, Slot};

use crate::support::{Scripted, Still, ms, node, run};

fn demand() -> impl Strategy<Value = Demand> {
    let steps = prop::collection::vec((0..1_500_u64, 0..3_000_000_u64), 1..6);
    let series = (steps, 1..4_u32, prop::option::of(1..1_000_u64)).prop_map(
        |(mut steps, threads, repeat)| {
            steps.sort_unstable();
            Demand::Series {
                steps: steps
                    .into_iter()
                    .map(|(at, rate)| (ms(at), Amount(rate)))
                    .collect(),
                repeat: repeat.map(ms),
                threads,
            }
        },
    );
    let wave = (1..400_u64, 1..80_000_000_u64, 1..4_u32)
        .prop_map(|(every, burst, threads)| Demand::wave(ms(every), Nanos(burst), threads));
    let poisson = (1..20_u64, 1..9_000_000_u64, 1..4_u32, any::<u64>()).prop_map(
        |(gap, size, threads, seed)| Demand::Requests {
            arrivals: Arrivals::Poisson {
                mean: ms(gap),
                seed,
            },
            service: Service::Exponential {
                mean: Nanos(size),
                seed,
            },
            threads,
        },
    );
    prop_oneof![series, wave, poisson]
}

prop_compose! {
    fn leaf()(
        demand in demand(),
        limit in prop::option::of(10_000..2_500_000_u64),
        burst in 0..50_u64,
        weight in 1..1_000_u64,
        phase in 0..100_000_000_u64,
        start in 0..300_u64,
        end in prop::option::of(100..2_000_u64),
        parent in prop::option::of(0..2_u32),
        memory in prop::option::of((1..200_u64, 50..300_u64)),
    ) -> Workload {
        Workload {
            demand: Some(demand),
            cpu_limit: limit.map_or(Amount::UNLIMITED, Amount),
            burst: ms(burst),
            weight,
            phase: Nanos(phase),
            start: ms(start),
            end: end.map(ms),
            restart: ms(200),
            parent: parent.map(Slot),
            memory: memory.map(|(anonymous, _)| MemoryDemand {
                pace: 300_000_000,
                ..MemoryDemand::steady(Amount(anonymous << 20), Amount(30 << 20))
            }),
            memory_limit: memory.map_or(Amount::UNLIMITED, |(_, limit)| Amount(limit << 20)),
            ..Workload::default()
        }
    }
}

/// Two slices, of which the first may be limited, and up to five workloads in them or beside them.
fn workloads() -> impl Strategy<Value = Vec<Workload>> {
    let slice = prop::option::of(100_000..1_500_000_u64);
    (slice, prop::collection::vec(leaf(), 1..6)).prop_map(|(limit, leaves)| {
        let slice = Workload {
            cpu_limit: limit.map_or(Amount::UNLIMITED, Amount),
            ..Workload::default()
        };
        let mut all = vec![slice, Workload::default()];
        all.extend(leaves);
        all
    })
}

fn fast() -> Scripted {
    Scripted {
        interval: ms(70),
        reaction: Some(Nanos(42_000)),
        factor: 2,
        ..Scripted::default()
    }
}

/// Everything that can be read from a node.
fn outcome(node: &Node) -> Vec<(Meter, Option<Seen>)> {
    node.meters()
        .map(|(slot, meter)| (meter.clone(), node.workload(slot)))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_and_nothing_is_made(workloads in workloads(), cpus in 1..4_u64) {
        let mut node = node(cpus, workloads.clone());
        run(&mut node, &mut Still, ms(2_000));
        prop_assert!(node.seen().cpu_used.0 <= cpus * ms(2_000).0);
        for ((slot, meter), setup) in node.meters().zip(&workloads) {
            if setup.demand.is_none() {
                continue;
            }
            // Each of the four is rounded down.
            let sum = meter.used().0 + meter.backlog().0 + meter.lost().0;
            prop_assert!(meter.wanted().0.abs_diff(sum) <= 3, "{:?}: {:?}", slot, meter);
            if !setup.cpu_limit.is_unlimited() && meter.restarts() == 0 {
                let quota = setup.cpu_limit.0 * 100;
                let most = quota * (meter.periods() + 1) + setup.burst.0;
                prop_assert!(meter.used().0 <= most, "{:?}: {:?}", slot, meter);
            }
            prop_assert!(meter.throttled_periods() <= meter.periods());
            prop_assert!(meter.throttled() >= meter.throttled_wall());
        }
    }

    #[test]
    fn a_period_uses_no_more_than_its_quota_and_what_cpus_have_drawn(
        demand in demand(),
        limit in 10_000..2_500_000_u64,
    ) {
        let drawn = match &demand {
            Demand::Series { .. } => 0,
            Demand::Requests { threads, .. } => u64::from(*threads) * ms(5).0,
        };
        let mut node = node(4, [Workload::cpu(demand, Amount(limit))]);
        let mut before = 0;
        for period in 1..=20 {
            run(&mut node, &mut Still, ms(100 * period));
            let used = node.meter(Slot(0)).unwrap().used().0;
            prop_assert!(used - before <= limit * 100 + drawn + 1, "period {}", period);
            before = used;
        }
    }

    #[test]
    fn the_same_again_and_in_pieces(
        workloads in workloads(),
        cpus in 1..4_u64,
        mut cuts in prop::collection::vec(0..1_500_000_000_u64, 0..8),
    ) {
        let (mut whole, mut cut) = (node(cpus, workloads.clone()), node(cpus, workloads));
        let end = ms(1_500);
        let expected = run(&mut whole, &mut fast(), end);
        cuts.push(end.0);
        // Moments at which something happens as well.
        cuts.extend([ms(100).0, ms(70).0, ms(700).0]);
        cuts.sort_unstable();
        let mut log: Vec<Happened> = Vec::new();
        let mut controller = fast();
        for until in cuts {
            log.extend(run(&mut cut, &mut controller, Nanos(until)));
        }
        for (found, expected) in log.iter().zip(&expected) {
            prop_assert_eq!(found, expected);
        }
        prop_assert_eq!(log.len(), expected.len());
        for (found, expected) in outcome(&cut).iter().zip(outcome(&whole)) {
            prop_assert_eq!(found, &expected);
        }
    }
}
