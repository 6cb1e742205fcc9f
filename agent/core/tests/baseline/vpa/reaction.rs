//! How long it takes, in the order of the table of derived reaction times.

use super::{bench, bounds, covers, default, off, want};
use crate::{Bench, CPU, DAY, GIB, HOUR, MIB, MINUTE, workload};
use trimtab_core::baseline::vpa::{History, Params, Vpa, Weight};
use trimtab_core::signal::Resource::{Cpu, Memory};
use trimtab_core::signal::{Amount, Nanos};

/// After how many minutes target and lower bound follow a step from half a CPU to one and a half.
fn step(history: u64) -> (u64, u64) {
    let params = Params::default();
    let mut past = History::new(&params);
    let start = history / MINUTE;
    let mut moved = (None, None);
    for minute in 1..=start + 3000 {
        let used = if minute <= start {
            CPU / 2
        } else {
            3 * CPU / 2
        };
        past.add_cpu(&params, Nanos(minute * MINUTE), Amount(used), Amount(CPU));
        let now = past.recommend(&params).map(|all| all[Cpu.index()]);
        let now = now.unwrap_or_default();
        if minute > start {
            if now.target.0 > CPU {
                moved.0.get_or_insert(minute - start);
            }
            if now.lower.0 > CPU {
                moved.1.get_or_insert(minute - start);
            }
        }
    }
    (moved.0.unwrap_or(0), moved.1.unwrap_or(0))
}

#[test]
fn the_longer_the_history_the_later_cpu_follows_a_step() {
    assert_eq!(step(12 * HOUR), (67, 534));
    assert_eq!(step(DAY), (113, 843));
    assert_eq!(step(8 * DAY), (219, 1436));
}

/// How long after a step to one and a half CPUs that much is requested, in minutes.
fn followed(mut bench: Bench<Vpa>) -> u64 {
    bench.run(8 * DAY, want(CPU / 2, 300 * MIB));
    assert!(covers(Cpu, bench.held(Cpu), CPU / 2));
    let start = bench.now;
    while bench.held(Cpu) < 3 * CPU / 2 && bench.now < start + 30 * DAY {
        bench.go(MINUTE, want(3 * CPU / 2, 300 * MIB));
    }
    (bench.now - start) / MINUTE
}

#[test]
fn an_old_pod_without_a_limit_is_updated_when_the_target_moves() {
    let mut seen = workload(CPU, GIB);
    seen.cpu.limit = Amount::UNLIMITED;
    assert_eq!(followed(Bench::new(Vpa::default(), seen)), 220);
}

#[test]
fn a_limit_that_throttles_hides_what_is_wanted_and_takes_days_to_follow() {
    // Only what the quota lets through is seen: five more rungs of a fifth or so, as no pod is
    // evicted within its bounds before it is twelve hours old: 64 h instead of 3.7 h.
    assert_eq!(followed(default()), 220 + 5 * 721);
}

#[test]
fn memory_follows_within_a_minute_as_the_newest_peak_has_half_of_all_weight() {
    let mut bench = bench(off(), CPU, 4 * GIB);
    bench.run(8 * DAY + 6 * HOUR, want(CPU / 2, GIB));
    assert!(covers(Memory, bounds(&bench, Memory).target.0, GIB));
    bench.go(MINUTE, want(CPU / 2, 2 * GIB));
    assert!(covers(Memory, bounds(&bench, Memory).target.0, 2 * GIB));
    assert!(covers(Memory, bounds(&bench, Memory).lower.0, 2 * GIB));
}

#[test]
fn memory_goes_down_with_the_fourth_low_day() {
    let mut bench = bench(off(), CPU, 4 * GIB);
    bench.run(8 * DAY, want(CPU / 2, 2 * GIB));
    // A day's interval began with the first sample, a minute after the start.
    let boundary = 8 * DAY + MINUTE;
    bench.run(boundary + 12 * HOUR, want(CPU / 2, 2 * GIB));
    bench.run(boundary + 4 * DAY - MINUTE, want(CPU / 2, GIB));
    assert!(covers(Memory, bounds(&bench, Memory).target.0, 2 * GIB));
    bench.run(boundary + 4 * DAY, want(CPU / 2, GIB));
    assert!(covers(Memory, bounds(&bench, Memory).target.0, GIB));
}

#[test]
fn before_february_2025_a_larger_request_made_history_count_less() {
    let moved = |weight| {
        let params = Params {
            weight,
            ..Params::default()
        };
        let mut past = History::new(&params);
        for minute in 1..=8 * 1440 {
            past.add_cpu(
                &params,
                Nanos(minute * MINUTE),
                Amount(CPU / 2),
                Amount(CPU / 2),
            );
        }
        (1..3000).find(|minute| {
            let time = Nanos(8 * DAY + minute * MINUTE);
            past.add_cpu(&params, time, Amount(3 * CPU / 2), Amount(2 * CPU));
            let target = past.recommend(&params).map(|all| all[Cpu.index()].target);
            target.is_some_and(|target| target.0 > CPU)
        })
    };
    // Four times the request: four times the weight of each new sample.
    assert_eq!(moved(Weight::Constant), Some(219));
    assert_eq!(moved(Weight::Request), Some(57));
}
