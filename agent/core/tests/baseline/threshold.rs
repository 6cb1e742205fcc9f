//! The fixed threshold.

use crate::{Bench, CPU, GIB, MIB, MINUTE, SECOND, Want, workload};
use trimtab_core::baseline::threshold::Threshold;
use trimtab_core::signal::Amount;
use trimtab_core::signal::Resource::{Cpu, Memory};

fn want(cpu: u64, memory: u64) -> Want {
    Want {
        cpu,
        memory,
        ..Want::default()
    }
}

fn bench() -> Bench<Threshold> {
    Bench::new(Threshold::default(), workload(CPU, GIB))
}

#[test]
fn a_minute_over_the_threshold_grows_by_a_quarter_and_threefold_takes_over_five_minutes() {
    let mut bench = bench();
    bench.run(20 * MINUTE, want(8 * CPU, GIB / 2));
    // The first sample over it ends at 15 s; five steps of a quarter give 3.05, one a minute.
    assert_eq!(bench.reached(Cpu, CPU + 1), Some(75 * SECOND));
    assert_eq!(bench.reached(Cpu, 3 * CPU), Some(75 * SECOND + 4 * MINUTE));
    assert_eq!(bench.limit(Cpu), 8 * CPU);
    assert_eq!(bench.limit(Memory), GIB);
}

#[test]
fn less_than_a_minute_over_it_is_nothing() {
    let mut bench = bench();
    for _ in 0..20 {
        bench.go(45 * SECOND, want(8 * CPU, GIB / 2));
        bench.go(45 * SECOND, want(CPU / 2, GIB / 2));
    }
    assert!(bench.orders.is_empty());
}

#[test]
fn five_minutes_under_the_lower_one_shrink_by_a_fifth_until_use_is_in_between() {
    let mut bench = bench();
    bench.run(5 * MINUTE, want(CPU / 5, GIB / 5));
    assert!(bench.orders.is_empty());
    bench.run(60 * MINUTE, want(CPU / 5, GIB / 5));
    let limit = bench.limit(Cpu);
    // 1, 0.8, 0.64, 0.512, 0.41: 0.2 is 39 % of 0.512 and 49 % of 0.41.
    assert_eq!(limit, 409_600);
    assert_eq!(bench.held(Cpu), limit);
    assert!(bench.limit(Memory) < GIB / 2);
    let orders = bench.orders.len();
    bench.run(200 * MINUTE, want(CPU / 5, GIB / 5));
    assert_eq!(bench.orders.len(), orders);
}

#[test]
fn without_any_use_a_little_is_left() {
    let mut bench = bench();
    bench.run(600 * MINUTE, want(0, 0));
    assert_eq!((bench.limit(Cpu), bench.limit(Memory)), (10_000, 32 * MIB));
}

#[test]
fn without_a_limit_there_is_no_threshold() {
    let mut seen = workload(CPU, GIB);
    seen.cpu.limit = Amount::UNLIMITED;
    let mut bench = Bench::new(Threshold::default(), seen);
    bench.run(60 * MINUTE, want(8 * CPU, GIB / 2));
    assert!(bench.orders.is_empty());
    assert_eq!((bench.held(Cpu), bench.held(Memory)), (CPU, GIB));
}

#[test]
fn a_new_start_finds_the_limit_that_was_set() {
    let mut bench = bench();
    bench.run(2 * MINUTE, want(8 * CPU, GIB / 2));
    bench.restart();
    assert_eq!(bench.limit(Cpu), CPU * 5 / 4);
}
