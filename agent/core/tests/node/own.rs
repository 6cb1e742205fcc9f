//! Our own two loops steer a simulated node by the same law as a real one.

use trimtab_core::decide::{Bounds, Entitlement, Policy, Predictive, Settings, Slo, Threshold};
use trimtab_core::node::{
    Controller, Demand, Happened, MemoryDemand, MemoryStep, Node, Own, Trimtab, Workload,
};
use trimtab_core::signal::{Amount, Nanos, Resource, Slot};

use crate::support::{Still, ms, node, quota, run};

const MINUTE: u64 = 60_000;

fn trimtab(policy: Policy) -> Trimtab {
    let bounds = Resource::ALL.map(|resource| Some(Bounds::of(resource)));
    Trimtab::new(
        Settings::default(),
        vec![Some(Own {
            policy,
            entitlement: Entitlement::default(),
            bounds,
            by_weight: false,
        })],
    )
}

/// One thread for 300 ms every so often, under a quota of 10 ms.
fn bursts(every: Nanos) -> Node {
    let demand = Demand::wave(every, ms(300), 1);
    node(2, [Workload::cpu(demand, quota(10))])
}

fn steer(mut node: Node, controller: &mut dyn Controller, until: Nanos) -> (Node, Vec<Happened>) {
    let log = run(&mut node, controller, until);
    (node, log)
}

#[test]
fn a_burst_is_lifted_before_it_is_throttled() {
    let without = steer(bursts(ms(10_000)), &mut Still, ms(MINUTE)).0;
    assert!(without.meter(Slot(0)).unwrap().throttled() > Nanos::SECOND);
    for policy in [
        Policy::default(),
        Policy::Threshold(Threshold::default()),
        Policy::Predictive(Predictive::default()),
        Policy::Slo(Slo::default()),
    ] {
        let with = steer(bursts(ms(10_000)), &mut trimtab(policy), ms(MINUTE)).0;
        let meter = with.meter(Slot(0)).unwrap();
        assert_eq!(meter.throttled(), Nanos(0), "{policy:?}");
        assert_eq!(meter.used(), ms(6 * 300), "{policy:?}");
    }
}

#[test]
fn a_job_of_each_hour_is_met_before_it_comes() {
    // Five minutes of each hour, on one CPU, and a tenth of that in the other 55.
    let hour = 60 * MINUTE;
    let steps = [(0, 100_000), (40 * MINUTE, 900_000), (45 * MINUTE, 100_000)];
    let steps = steps.map(|(at, rate)| (ms(at), Amount(rate)));
    let demand = Demand::Series {
        steps: steps.to_vec(),
        repeat: Some(ms(hour)),
        threads: 1,
    };
    let lifts = |policy| {
        let node = node(2, [Workload::cpu(demand.clone(), Amount(1_000_000))]);
        let (node, log) = steer(node, &mut trimtab(policy), ms(5 * hour));
        assert_eq!(
            node.meter(Slot(0)).unwrap().throttled(),
            Nanos(0),
            "{policy:?}"
        );
        // Those that are not made within the milliseconds after a look of the slow loop.
        let last = log.iter().filter(|happened| match happened {
            Happened::Written { time, .. } => {
                *time > ms(4 * hour) && time.0 % Nanos::SECOND.0 > 3 * Nanos::MILLI.0
            }
            _ => false,
        });
        last.count()
    };
    assert!(lifts(Policy::default()) > 0, "the fast loop has to answer");
    assert_eq!(lifts(Policy::Predictive(Predictive::default())), 0);
}

#[test]
fn a_loan_is_no_part_of_what_is_held() {
    let mut trimtab = trimtab(Policy::default());
    let (node, _) = steer(bursts(ms(200_000)), &mut trimtab, ms(590_000));
    let meter = node.meter(Slot(0)).unwrap();
    let held = meter.mean_held(Resource::Cpu);
    assert!(held <= Amount(110_000), "{held:?}");
    assert!(meter.mean_limit(Resource::Cpu) > held, "a limit was lent");
    let now = node.workload(Slot(0)).unwrap().cpu.limit;
    assert!(now <= quota(20), "it has not come back: {now:?}");
}

#[test]
fn a_growth_is_not_killed_while_there_is_memory() {
    let step = |at, mib: u64| MemoryStep {
        at: ms(at),
        anonymous: Amount(mib << 20),
        ..MemoryStep::default()
    };
    let grower = || {
        let demand = MemoryDemand::series(vec![step(0, 16), step(5_000, 400)]);
        node(2, [Workload::memory(demand, Amount(64 << 20))])
    };
    let without = steer(grower(), &mut Still, ms(20_000)).0;
    assert!(without.workload(Slot(0)).unwrap().memory.oom_kills > 0);
    let with = steer(grower(), &mut trimtab(Policy::default()), ms(20_000)).0;
    let memory = with.workload(Slot(0)).unwrap().memory;
    assert_eq!(memory.oom_kills, 0);
    assert_eq!(memory.anonymous, Amount(400 << 20));
}

/// Ours for a workload whose CPU has a floor that was asked for.
fn own(floor: Amount) -> Own {
    let bounds = Bounds {
        floor,
        default_floor: false,
        ..Bounds::of(Resource::Cpu)
    };
    Own {
        entitlement: Entitlement::default(),
        policy: Policy::default(),
        bounds: [Some(bounds), None],
        by_weight: false,
    }
}

#[test]
fn no_more_is_lent_than_there_is() {
    let greedy = || Workload::cpu(Demand::steady(Amount(4_000_000), 4), quota(20));
    let (node, log) = steer(
        node(2, (0..6).map(|_| greedy())),
        &mut Trimtab::new(Settings::default(), vec![Some(own(quota(20))); 6]),
        ms(2 * MINUTE),
    );
    let held: u64 = (0..6)
        .map(|slot| node.workload(Slot(slot)).unwrap().cpu.limit.0)
        .sum();
    assert!(held <= 2_000_000, "{held}");
    let writes = log
        .iter()
        .filter(|happened| matches!(happened, Happened::Written { .. }))
        .count();
    assert!(writes < 6 * 2 * 6, "{writes} writes in two minutes");
}

#[test]
fn what_one_borrows_another_calls_in_and_an_end_gives_back() {
    let greedy = |from| {
        let demand = Demand::Series {
            steps: vec![(ms(from), Amount(4_000_000))],
            repeat: None,
            threads: 4,
        };
        Workload::cpu(demand, quota(50))
    };
    let first = Workload {
        end: Some(ms(2 * MINUTE)),
        ..greedy(0)
    };
    let mut trimtab = Trimtab::new(Settings::default(), vec![Some(own(quota(50))); 2]);
    let mut node = node(4, [first, greedy(MINUTE)]);
    let mut limits = |until| {
        run(&mut node, &mut trimtab, ms(until));
        [0, 1].map(|slot| node.workload(Slot(slot)).unwrap().cpu.limit)
    };
    assert_eq!(
        limits(MINUTE),
        [quota(350), quota(50)],
        "one alone wants it"
    );
    assert_eq!(limits(MINUTE + 200), [quota(200); 2], "without a tick");
    let [_, other] = limits(3 * MINUTE);
    assert!(other >= quota(390), "the other is gone: {other:?}");
}

#[test]
fn who_is_left_alone_keeps_limit_and_request() {
    let demand = Demand::wave(ms(10_000), ms(300), 1);
    let workload = Workload::cpu(demand, quota(10));
    let own = Own {
        entitlement: Entitlement::default(),
        policy: Policy::default(),
        bounds: [Some(Bounds::of(Resource::Cpu)), None],
        by_weight: false,
    };
    let (node, log) = steer(
        node(2, [workload.clone(), workload]),
        &mut Trimtab::new(Settings::default(), vec![Some(own)]),
        ms(MINUTE),
    );
    let written = |slot| {
        let of = |happened: &&Happened| matches!(happened, Happened::Written { write, .. } if write.slot() == slot);
        log.iter().filter(of).count()
    };
    assert!(written(Slot(0)) > 0);
    assert_eq!(written(Slot(1)), 0);
    let [steered, alone] = [0, 1].map(|slot| node.meter(Slot(slot)).unwrap());
    assert_eq!(steered.throttled(), Nanos(0));
    assert!(alone.throttled() > Nanos::SECOND);
    assert_eq!(alone.mean_held(Resource::Cpu), quota(10));
}

#[test]
fn the_same_history_has_the_same_end() {
    let once = || {
        let (node, log) = steer(
            bursts(ms(10_000)),
            &mut trimtab(Policy::default()),
            ms(MINUTE),
        );
        (format!("{:?}", node.meter(Slot(0))), log)
    };
    assert_eq!(once(), once());
}
