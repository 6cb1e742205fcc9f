//! The policy `slo` on the simulated node: how much is held, and how late requests are.

use trimtab_core::decide::{Bounds, Entitlement, Objective, Policy, Settings, Slo};
use trimtab_core::node::{Arrivals, Demand, Meter, Node, Own, Service, Trimtab, Workload};
use trimtab_core::signal::{Amount, Nanos, Resource, Slot};

use crate::support::{ms, node, run};

const SECOND: u64 = 1_000;

fn slo(within: Nanos) -> Policy {
    Policy::Slo(Slo {
        objective: Objective::Requests(within),
        ..Slo::default()
    })
}

fn own(policy: Policy) -> Own {
    Own {
        policy,
        entitlement: Entitlement::default(),
        bounds: [Some(Bounds::of(Resource::Cpu)), None],
        by_weight: false,
    }
}

fn trimtab(policies: &[Policy]) -> Trimtab {
    let own = policies.iter().map(|policy| Some(own(*policy))).collect();
    Trimtab::new(Settings::default(), own)
}

/// Requests of 5 ms on average; so many a second from each of these seconds on, at random times.
fn requests(rates: &[(u64, u64)], until: u64) -> Demand {
    let mut random = fastrand::Rng::with_seed(11);
    let mut times = Vec::new();
    let ends = rates.iter().skip(1).map(|(from, _)| *from).chain([until]);
    for ((from, rate), to) in rates.iter().zip(ends) {
        for second in *from..to {
            let begun = times.len();
            let at = || Nanos(second * Nanos::SECOND.0 + random.u64(0..Nanos::SECOND.0));
            times.extend(std::iter::repeat_with(at).take(usize::try_from(*rate).unwrap_or(0)));
            times[begun..].sort_unstable();
        }
    }
    Demand::Requests {
        arrivals: Arrivals::Given(times),
        service: Service::Exponential {
            mean: ms(5),
            seed: 12,
        },
        threads: 4,
    }
}

fn meter(node: &Node) -> Meter {
    node.meter(Slot(0)).cloned().unwrap_or_default()
}

/// What was held in the time since the meter was as it was `before`.
fn held_since(node: &Node, before: &Meter) -> u128 {
    let now = meter(node);
    let held = now.held_time(Resource::Cpu) - before.held_time(Resource::Cpu);
    held / u128::from(now.time().0 - before.time().0)
}

#[test]
fn what_is_held_comes_down_to_the_mean_and_requests_stay_in_time() {
    let minutes = 20 * 60;
    let run_under = |policy| {
        let demand = requests(&[(0, 160)], minutes);
        let mut node = node(4, [Workload::cpu(demand, Amount(1_500_000))]);
        let mut trimtab = trimtab(&[policy]);
        run(&mut node, &mut trimtab, ms(300 * SECOND));
        let before = meter(&node);
        run(&mut node, &mut trimtab, ms(minutes * SECOND));
        (
            held_since(&node, &before),
            meter(&node).latency(990).unwrap(),
        )
    };
    let (reactive, fast) = run_under(Policy::default());
    let (held, p99) = run_under(slo(ms(100)));
    // They use 0.8 CPU on average.
    assert!((840_000..900_000).contains(&held), "{held}");
    assert!(held * 100 < reactive * 90, "{held} {reactive}");
    assert!(p99 < ms(100), "{p99:?}, under headroom {fast:?}");
}

#[test]
fn without_requests_it_is_headroom() {
    let steps = [
        (0, 300_000),
        (200, 900_000),
        (260, 100_000),
        (700, 1_900_000),
    ];
    let demand = Demand::Series {
        steps: steps
            .map(|(at, rate)| (ms(at * SECOND), Amount(rate)))
            .to_vec(),
        repeat: None,
        threads: 2,
    };
    let run_under = |policy| {
        let mut node = node(4, [Workload::cpu(demand.clone(), Amount(1_000_000))]);
        let log = run(&mut node, &mut trimtab(&[policy]), ms(1_200 * SECOND));
        (log, meter(&node))
    };
    assert!(run_under(slo(ms(1))) == run_under(Policy::default()));
}

#[test]
fn for_an_objective_that_cannot_be_met_no_less_is_held() {
    let run_under = |policy| {
        let demand = requests(&[(0, 160)], 600);
        let mut node = node(4, [Workload::cpu(demand, Amount(1_500_000))]);
        run(&mut node, &mut trimtab(&[policy]), ms(600 * SECOND));
        meter(&node).held_time(Resource::Cpu)
    };
    // A request alone takes longer.
    assert!(run_under(slo(ms(4))) >= run_under(Policy::default()));
}

/// A service on two CPUs, at first alone, then beside one that wants both of them, then with more requests: late
/// seconds, and what is held in each of the three parts.
fn beside_a_neighbour(policy: Policy) -> (Vec<u64>, [u128; 3]) {
    let demand = requests(&[(0, 100), (900, 160)], 1_800);
    let greedy = Demand::Series {
        steps: vec![
            (ms(0), Amount(50_000)),
            (ms(600 * SECOND), Amount(2_000_000)),
        ],
        repeat: None,
        threads: 2,
    };
    let service = Workload::cpu(demand, Amount(1_400_000));
    let mut node = node(2, [service, Workload::cpu(greedy, Amount(400_000))]);
    let mut trimtab = trimtab(&[policy, Policy::default()]);
    let mut late = Vec::new();
    let mut before = (0, 0);
    let mut held = [0; 3];
    for (part, held) in [(0, 600), (600, 900), (900, 1_800)].iter().zip(&mut held) {
        let begun = meter(&node);
        for second in part.0 + 1..=part.1 {
            run(&mut node, &mut trimtab, ms(second * SECOND));
            let meter = meter(&node);
            let in_time = meter
                .latencies()
                .map_or(0, |all| all.count_between(0, 100_000));
            let now = (meter.answered(), meter.answered() - in_time);
            if (now.1 - before.1) * 100 > now.0 - before.0 {
                late.push(second);
            }
            before = now;
        }
        *held = held_since(&node, &begun);
    }
    (late, held)
}

#[test]
fn beside_a_neighbour_no_more_is_late_than_under_headroom() {
    let (late, held) = beside_a_neighbour(slo(ms(100)));
    let (usual, all) = beside_a_neighbour(Policy::default());
    assert!(usual.len() > 100, "there is a shortage: {}", usual.len());
    assert!(late.len() <= usual.len() * 101 / 100 + 3);
    assert!(held[0] * 100 < all[0] * 60, "{held:?} {all:?}");
    assert!(held[2] * 100 > all[2] * 90, "{held:?} {all:?}");
}
