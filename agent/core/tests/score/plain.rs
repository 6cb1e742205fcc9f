//! Runs whose score can be worked out by hand.

use trimtab_core::baseline;
use trimtab_core::node::{
    Arrivals, Controller, Demand, MemoryDemand, MemoryStep, NodeSeen, Seen, Service, Setup,
    Workload, Write,
};
use trimtab_core::score::{Rules, Score, run};
use trimtab_core::signal::{Amount, Nanos, Resource, Slot};

const SECOND: u64 = Nanos::SECOND.0;

/// Holds one CPU and 1 GiB for everybody, half a CPU for all together, and moves a limit at given seconds.
#[derive(Default)]
pub(crate) struct Scripted(pub(crate) Vec<(u64, Write)>);

impl Controller for Scripted {
    fn name(&self) -> &'static str {
        "scripted"
    }
    fn interval(&self) -> Nanos {
        Nanos::SECOND
    }
    fn delay(&self) -> Nanos {
        Nanos(0)
    }
    fn begin(&mut self, _: Nanos, _: &Seen, _: &mut Vec<Write>) {}
    fn look(&mut self, now: Nanos, _: &NodeSeen, _: &[Seen], out: &mut Vec<Write>) {
        let due = self.0.iter().filter(|(at, _)| at * SECOND == now.0);
        out.extend(due.map(|(_, write)| *write));
    }
    fn held(&self, _: Slot, resource: Resource) -> Amount {
        [Amount::CPU, Amount(1 << 30)][resource.index()]
    }
    fn shared(&self, resource: Resource) -> Amount {
        [Amount(500_000), Amount::ZERO][resource.index()]
    }
}

pub(crate) fn cpu_to(at: u64, slot: u32, to: u64) -> (u64, Write) {
    let limit = Write::Limit {
        slot: Slot(slot),
        resource: Resource::Cpu,
        to: Amount(to),
    };
    (at, limit)
}

fn score(workloads: &[Workload], script: Vec<(u64, Write)>, seconds: u64) -> Vec<Score> {
    let until = Nanos(seconds * SECOND);
    let (setup, rules) = (Setup::default(), Rules::default());
    run(
        setup,
        workloads,
        &mut Scripted(script),
        until,
        rules,
        &mut |_| {},
    )
}

fn steady(micro: u64, limit: u64) -> Workload {
    Workload::cpu(Demand::steady(Amount(micro), 2), Amount(limit))
}

#[test]
fn room_enough_is_slack_and_no_violation() {
    let scores = score(&[steady(250_000, 1_000_000)], Vec::new(), 600);
    let score = &scores[0];
    let cpu = score.account(Resource::Cpu);
    assert_eq!(cpu.mean(cpu.held), 1_000_000);
    assert_eq!(cpu.mean(cpu.used), 250_000);
    assert_eq!(cpu.mean(cpu.limit), 1_000_000);
    assert_eq!(cpu.slack.quantile(500), Some(750));
    // 1.5 CPUs are set aside, a sixth of which is used.
    assert_eq!(cpu.slack(), Some(833));
    assert_eq!((score.windows, score.violated), (10, 0));
    assert_eq!((score.throttled_periods, score.shortfall()), (0, 0));
    assert_eq!(
        score.account(Resource::Memory),
        &Score::default().accounts[1]
    );
}

#[test]
fn half_the_room_is_backlog_in_every_window() {
    let scores = score(&[steady(500_000, 250_000)], Vec::new(), 600);
    let score = &scores[0];
    assert_eq!(score.shortfall(), 500_000);
    assert_eq!(score.violated_part(), 1_000_000);
    assert_eq!(score.throttled_part(), 1_000_000);
    // What is done after t seconds came after t / 2: of 600 seconds, half of that on average, and as
    // much waits at last, so that the integral over what was done is 300 s.
    let delay = score.mean_delay().abs_diff(300 * SECOND);
    assert!(delay < SECOND, "{}", score.mean_delay());
}

#[test]
fn a_window_is_bad_only_while_work_is_late() {
    // Too little room in the third minute only, and the backlog is gone in the fourth.
    let script = vec![cpu_to(120, 0, 100_000), cpu_to(180, 0, 2_000_000)];
    let scores = score(&[steady(500_000, 1_000_000)], script, 600);
    assert_eq!((scores[0].windows, scores[0].violated), (10, 2));
    assert_eq!(scores[0].backlog, 0);
}

#[test]
fn each_is_scored_for_the_time_that_it_is_there() {
    let early = Workload {
        end: Some(Nanos(120 * SECOND)),
        ..steady(500_000, 250_000)
    };
    let late = Workload {
        start: Nanos(300 * SECOND),
        ..steady(250_000, 1_000_000)
    };
    let scores = score(&[early, late], Vec::new(), 600);
    let figures = |score: &Score| {
        let cpu = score.account(Resource::Cpu);
        let time = cpu.time / u128::from(SECOND);
        let means = [cpu.limit, cpu.held, cpu.used].map(|sum| cpu.mean(sum));
        (time, means, score.windows, score.violated)
    };
    // What is not done when it ends still waits then: nobody has killed it.
    assert_eq!(
        figures(&scores[0]),
        (120, [250_000, 1_000_000, 250_000], 2, 2)
    );
    assert_eq!((scores[0].lost, scores[0].shortfall()), (0, 500_000));
    assert_eq!(
        figures(&scores[1]),
        (300, [1_000_000, 1_000_000, 250_000], 5, 0)
    );
}

#[test]
fn changes_have_sizes_and_turns() {
    let script = vec![
        cpu_to(10, 0, 500_000),
        cpu_to(20, 0, 250_000),
        cpu_to(20, 0, 500_000),
        cpu_to(30, 0, 400_000),
        cpu_to(40, 0, 1_600_000),
        cpu_to(50, 0, 1_600_000),
    ];
    let scores = score(&[steady(0, 1_000_000)], script, 60);
    let changes = scores[0].account(Resource::Cpu).changes;
    assert_eq!((changes.count, changes.turns), (3, 1));
    assert_eq!(changes.moved, 500 + 200 + 750);
}

#[test]
fn a_kill_is_a_violation_and_its_work_is_lost() {
    let step = |at, mib: u64| MemoryStep {
        at: Nanos(at * SECOND),
        anonymous: Amount(mib << 20),
        ..MemoryStep::default()
    };
    let memory = MemoryDemand::series(vec![step(0, 16), step(90, 400), step(91, 16)]);
    let workload = Workload {
        memory: Some(memory),
        memory_limit: Amount(64 << 20),
        ..steady(500_000, 2_000_000)
    };
    let scores = score(&[workload], Vec::new(), 300);
    let score = &scores[0];
    assert_eq!((score.oom_kills, score.restarts), (1, 1));
    assert_eq!((score.windows, score.violated), (5, 1));
    // It was away for a second.
    assert_eq!(score.lost, 500_000 * u128::from(SECOND));
    let memory = score.account(Resource::Memory);
    assert_eq!(memory.mean(memory.held), 1 << 30);
    assert_eq!(memory.mean(memory.limit), 64 << 20);
}

#[test]
fn requests_are_judged_by_their_latency() {
    let requests = |limit| {
        let demand = Demand::Requests {
            arrivals: Arrivals::Even {
                every: Nanos::SECOND,
                together: 1,
            },
            service: Service::Fixed(Nanos(100 * Nanos::MILLI.0)),
            threads: 1,
        };
        Workload::cpu(demand, Amount(limit))
    };
    let good = &score(&[requests(1_000_000)], Vec::new(), 300)[0];
    assert_eq!((good.violated, good.latency.count()), (0, 300));
    let p50 = good.latency.quantile(500).unwrap();
    assert!((100_000..101_000).contains(&p50), "{p50}");
    // 30 ms per period: the third period ends it, after 210 ms.
    let bad = &score(&[requests(300_000)], Vec::new(), 300)[0];
    assert_eq!((bad.windows, bad.violated), (5, 5));
    assert!(bad.latency.quantile(990).unwrap() > 200_000);
}

#[test]
fn what_is_kept_free_for_all_counts_once_per_node() {
    let workloads = [steady(250_000, 1_000_000), steady(250_000, 1_000_000)];
    let scores = score(&workloads, Vec::new(), 60);
    let mut node = Score::default();
    for score in &scores {
        node.merge(score);
    }
    let cpu = node.account(Resource::Cpu);
    let second = u128::from(SECOND);
    assert_eq!(cpu.set_aside(), 60 * second * 2_500_000);
    assert_eq!(cpu.slack(), Some(800));
    assert_eq!(cpu.workloads, 2);
}

#[test]
fn every_law_can_be_scored() {
    for baseline in baseline::all() {
        let until = Nanos(600 * SECOND);
        let mut controller = baseline.make();
        let workload = [steady(250_000, 1_000_000)];
        let (setup, rules) = (Setup::default(), Rules::default());
        let scores = run(
            setup,
            &workload,
            controller.as_mut(),
            until,
            rules,
            &mut |_| {},
        );
        assert_eq!(scores[0].windows, 10, "{}", baseline.name);
        assert!(
            scores[0].account(Resource::Cpu).held > 0,
            "{}",
            baseline.name
        );
    }
}
