//! Koordinator's CPU burst.

use crate::{Bench, CPU, SECOND, SLOT, Want, workload};
use trimtab_core::baseline::koordinator::{Koordinator, Params};
use trimtab_core::node::Write;
use trimtab_core::signal::Resource::Cpu;
use trimtab_core::signal::{Amount, Nanos};

fn want(cpu: u64, others: u64) -> Want {
    Want {
        cpu,
        others,
        ..Want::default()
    }
}

#[test]
fn seven_seconds_of_throttling_give_three_times_the_limit_and_no_more() {
    let mut bench = Bench::new(Koordinator::default(), workload(CPU, 0));
    // The first look only learns the counters.
    bench.run(7 * SECOND, want(8 * CPU, 0));
    assert_eq!(bench.reached(Cpu, 1_200_000), Some(SECOND));
    // 120, 144, 172.8, 207.3, 248.7, 298.4 ms: each cut down to whole us.
    assert_eq!(bench.reached(Cpu, 2_900_000), Some(6 * SECOND));
    assert_eq!(bench.reached(Cpu, 3 * CPU), Some(7 * SECOND));
    bench.run(60 * SECOND, want(8 * CPU, 0));
    assert_eq!(bench.limit(Cpu), 3 * CPU);
}

#[test]
fn what_is_ordered_stands_half_a_second_later() {
    let mut bench = Bench::new(Koordinator::default(), workload(CPU, 0));
    bench.run(SECOND + SECOND / 2 - 1, want(8 * CPU, 0));
    assert_eq!(bench.limit(Cpu), CPU);
    bench.run(SECOND + SECOND / 2, want(8 * CPU, 0));
    assert_eq!(bench.limit(Cpu), 1_200_000);
}

#[test]
fn what_is_not_throttled_keeps_its_burst() {
    let mut bench = Bench::new(Koordinator::default(), workload(CPU, 0));
    bench.run(3 * SECOND, want(8 * CPU, 0));
    bench.run(4 * SECOND, want(CPU, 0));
    let limit = bench.limit(Cpu);
    assert!(limit > CPU);
    bench.run(600 * SECOND, want(CPU, 0));
    assert_eq!(bench.limit(Cpu), limit);
}

#[test]
fn a_node_at_half_of_its_cpus_takes_every_burst_back_by_a_fifth_per_second() {
    let mut bench = Bench::new(Koordinator::default(), workload(CPU, 0));
    bench.run(8 * SECOND, want(8 * CPU, 0));
    assert_eq!(bench.limit(Cpu), 3 * CPU);
    bench.orders.clear();
    // Five seconds are averaged: one of 11 CPUs and four of some 2.5 are over half of eight.
    bench.run(30 * SECOND, want(8 * CPU, 8 * CPU));
    let times: Vec<u64> = bench.orders.iter().map(|(time, _)| time / SECOND).collect();
    assert_eq!(times, [9, 10, 11, 12, 13]);
    assert_eq!(bench.limit(Cpu), CPU);
}

#[test]
fn a_node_that_cools_lets_nobody_grow_and_takes_nothing() {
    let mut bench = Bench::new(Koordinator::default(), workload(CPU, 0));
    bench.run(2 * SECOND, want(8 * CPU, 0));
    bench.run(3 * SECOND, want(CPU, 0));
    let limit = bench.limit(Cpu);
    assert_eq!(limit, 1_440_000);
    // 3.7 of 8 CPUs: 46 %. What is throttled would grow on an idle node.
    bench.run(10 * SECOND, want(CPU, 2_700_000));
    bench.run(60 * SECOND, want(8 * CPU, 3_700_000 - limit));
    assert!(bench.seen.cpu.throttled_periods > 400);
    assert_eq!(bench.limit(Cpu), limit);
}

#[test]
fn the_node_is_unknown_at_the_first_look_and_a_new_container_has_no_sample() {
    let mut bench = Bench::new(Koordinator::default(), workload(CPU, 0));
    bench.run(0, want(8 * CPU, 0));
    assert!(bench.orders.is_empty());
    bench.run(5 * SECOND, want(8 * CPU, 0));
    bench.restart();
    assert_eq!(bench.limit(Cpu), CPU);
}

#[test]
fn without_a_limit_there_is_nothing_to_burst_over() {
    let mut seen = workload(CPU, 0);
    seen.cpu.limit = Amount::UNLIMITED;
    let mut bench = Bench::new(Koordinator::default(), seen);
    bench.run(10 * SECOND, want(8 * CPU, 0));
    assert!(bench.orders.is_empty());
    assert_eq!(bench.held(Cpu), CPU);
}

#[test]
fn the_request_is_what_it_holds_whatever_the_burst() {
    let mut seen = workload(CPU, 0);
    seen.cpu.request = Amount(CPU / 2);
    let mut bench = Bench::new(Koordinator::default(), seen);
    bench.run(20 * SECOND, want(8 * CPU, 0));
    assert_eq!((bench.limit(Cpu), bench.held(Cpu)), (3 * CPU, CPU / 2));
}

#[test]
fn a_capped_burst_follows_the_quota_up_and_goes_before_it_down() {
    let params = Params {
        capped: true,
        ..Params::default()
    };
    let mut bench = Bench::new(Koordinator::new(params), workload(CPU, 0));
    let slot = SLOT;
    let burst = |millis| Write::Burst {
        slot,
        to: Nanos(millis * Nanos::MILLI.0),
    };
    let limit = |micros| Write::Limit {
        slot,
        resource: Cpu,
        to: Amount(micros),
    };
    bench.run(SECOND, want(8 * CPU, 0));
    let orders: Vec<Write> = bench.orders.iter().map(|(_, write)| *write).collect();
    assert_eq!(orders, [burst(100), limit(1_200_000), burst(120)]);
    bench.orders.clear();
    bench.run(2 * SECOND, want(8 * CPU, 8 * CPU));
    let orders: Vec<Write> = bench.orders.iter().map(|(_, write)| *write).collect();
    assert_eq!(orders, [burst(100), limit(CPU)]);
}
