//! What holds for every score.

use proptest::prelude::*;
use trimtab_core::baseline;
use trimtab_core::node::{Demand, MemoryDemand, MemoryStep, Setup, Workload};
use trimtab_core::score::{Rules, Score, run};
use trimtab_core::signal::{Amount, Nanos, Resource};

prop_compose! {
    fn workload()(
        rates in prop::collection::vec(0..1_500_000_u64, 1..5),
        memory in prop::collection::vec(1..300_u64, 1..5),
        limit in 20_000..2_000_000_u64,
        memory_limit in 50..300_u64,
    ) -> Workload {
        let at = |step: usize| Nanos(step as u64 * 37 * Nanos::SECOND.0);
        let rates = rates.into_iter().enumerate();
        let memory = memory.into_iter().enumerate();
        Workload {
            demand: Some(Demand::Series {
                steps: rates.map(|(step, rate)| (at(step), Amount(rate))).collect(),
                repeat: None,
                threads: 2,
            }),
            cpu_limit: Amount(limit),
            memory: Some(MemoryDemand::series(memory.map(|(step, mib)| MemoryStep {
                at: at(step),
                anonymous: Amount(mib << 20),
                ..MemoryStep::default()
            }).collect())),
            memory_limit: Amount(memory_limit << 20),
            ..Workload::default()
        }
    }
}

fn score(workloads: &[Workload], law: usize, window: u64) -> Vec<Score> {
    let mut controller = baseline::all()[law].make();
    let rules = Rules {
        window: Nanos(window * Nanos::SECOND.0),
        ..Rules::default()
    };
    let until = Nanos(150 * Nanos::SECOND.0);
    run(
        Setup::default(),
        workloads,
        controller.as_mut(),
        until,
        rules,
        &mut |_| {},
    )
}

fn merged<'a>(scores: impl IntoIterator<Item = &'a Score>) -> Score {
    let mut all = Score::default();
    for score in scores {
        all.merge(score);
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_and_nothing_is_held_twice(
        workloads in prop::collection::vec(workload(), 1..4),
        law in 0..baseline::all().len(),
    ) {
        let scores = score(&workloads, law, 60);
        let setup = Setup::default();
        for score in &scores {
            let cpu = score.account(Resource::Cpu);
            prop_assert_eq!(cpu.used + score.lost + score.backlog, score.wanted);
            for (resource, whole) in Resource::ALL.into_iter().zip([setup.cpus, setup.memory]) {
                let account = score.account(resource);
                let most = u128::from(whole.0) * account.time;
                prop_assert!(account.held <= most && account.limit <= most);
                prop_assert!(account.changes.turns <= account.changes.count.saturating_sub(1));
                prop_assert!(account.changes.moved <= account.changes.count * 1000);
            }
            prop_assert_eq!(score.windows, 3);
            prop_assert!(score.violated <= score.windows);
            prop_assert!(score.throttled_periods <= score.periods);
        }
    }

    #[test]
    fn the_order_of_merging_does_not_matter(
        workloads in prop::collection::vec(workload(), 3..5),
        law in 0..baseline::all().len(),
        split in 0..4_usize,
    ) {
        let scores = score(&workloads, law, 60);
        let forward = merged(&scores);
        let backward = merged(scores.iter().rev());
        let (left, right) = scores.split_at(split.min(scores.len()));
        prop_assert_eq!(&forward, &backward);
        prop_assert_eq!(&forward, &merged([&merged(right), &merged(left)]));
        prop_assert_eq!(forward.account(Resource::Cpu).workloads, workloads.len() as u64);
    }

    #[test]
    fn windows_change_nothing_but_windows(workload in workload(), law in 0..baseline::all().len()) {
        // Of a workload that is killed while it is throttled, the node counts throttled time until it is next looked at.
        let memory_limit = Amount::UNLIMITED;
        let workloads = [Workload { memory_limit, ..workload }];
        let [mut one, mut other] = [7, 60].map(|window| score(&workloads, law, window).remove(0));
        prop_assert_eq!(one.windows, 22);
        for score in [&mut one, &mut other] {
            (score.windows, score.violated) = (0, 0);
        }
        prop_assert_eq!(one, other);
    }

    #[test]
    fn a_score_survives_being_written_down(workload in workload(), law in 0..baseline::all().len()) {
        let score = score(&[workload], law, 60).remove(0);
        let text = serde_json::to_string(&score).unwrap();
        prop_assert_eq!(serde_json::from_str::<Score>(&text).unwrap(), score);
    }
}
