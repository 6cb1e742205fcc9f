//! Captain.

use crate::{Bench, CPU, SECOND, Want, workload};
use trimtab_core::baseline::captain::{Captain, Params};
use trimtab_core::signal::Resource::{Cpu, Memory};

const MILLI: u64 = SECOND / 1000;

fn bench(target: f64, initial: f64) -> Bench<Captain> {
    let params = Params {
        target,
        initial,
        ..Params::default()
    };
    let mut bench = Bench::new(Captain::new(params), workload(CPU, 0));
    bench.orders.clear();
    bench
}

fn want(cpu: u64) -> Want {
    Want {
        cpu,
        ..Want::default()
    }
}

#[test]
fn the_target_decides_how_fast_a_throttled_limit_grows_threefold() {
    for (target, seconds) in [(0.0, 2), (0.1, 3), (0.2, 4), (0.3, 12)] {
        let mut bench = bench(target, 1.0);
        bench.run(20 * SECOND, want(1000 * CPU));
        let reached = bench.reached(Cpu, 3 * CPU);
        assert_eq!(reached, Some(seconds * SECOND), "target {target}");
    }
}

#[test]
fn each_second_of_full_throttling_multiplies_by_two_less_three_targets() {
    let mut bench = bench(0.1, 1.0);
    bench.run(2 * SECOND, want(1000 * CPU));
    assert_eq!(bench.reached(Cpu, 1_700_000), Some(SECOND));
    assert_eq!(bench.law_limit(), 2_890_000);
}

#[test]
fn between_the_target_and_three_times_it_nothing_grows() {
    let mut bench = bench(0.1, 1.0);
    for _ in 0..60 {
        bench.go(800 * MILLI, want(CPU));
        bench.go(200 * MILLI, want(2 * CPU));
    }
    assert_eq!(bench.seen.cpu.throttled_periods, 120);
    assert_eq!(bench.limit(Cpu), CPU);
}

#[test]
fn an_idle_limit_is_halved_each_second_down_to_a_hundredth_of_a_cpu() {
    let mut bench = bench(0.1, 32.0);
    bench.run(SECOND, want(0));
    assert_eq!(bench.law_limit(), 16 * CPU);
    bench.run(60 * SECOND, want(0));
    assert_eq!(bench.limit(Cpu), 10_000);
    assert_eq!(bench.reached(Cpu, 16 * CPU), Some(SECOND));
    let last = bench.orders.last().map(|(time, _)| *time);
    assert_eq!(last, Some(12 * SECOND));
}

#[test]
fn a_cut_that_throttles_is_given_back_twice_within_four_periods() {
    let mut bench = bench(0.1, 4.0);
    bench.run(SECOND, want(CPU));
    // Ten of fifty looks used one CPU, the margin is 3 - 0.1.
    let cut = 1.0 + (50.0_f64 * 0.2 * 0.8 / 49.0).sqrt() * 2.9;
    assert!((micros(bench.law_limit()) - cut).abs() < 0.000_02);
    bench.run(SECOND + 300 * MILLI, want(1000 * CPU));
    assert_eq!(bench.reached(Cpu, 4 * CPU), None);
    bench.run(SECOND + 400 * MILLI, want(1000 * CPU));
    assert_eq!(bench.reached(Cpu, 4 * CPU), Some(SECOND + 400 * MILLI));
    assert!((micros(bench.law_limit()) - (8.0 - cut)).abs() < 0.000_02);
}

fn micros(amount: u64) -> f64 {
    f64::from(u32::try_from(amount).unwrap_or(u32::MAX)) / 1e6
}

#[test]
fn its_limit_is_what_it_holds_and_memory_stays_declared() {
    let mut seen = workload(2 * CPU, 512);
    seen.memory.request = trimtab_core::signal::Amount(100);
    let mut bench = Bench::new(Captain::default(), seen);
    assert_eq!((bench.held(Cpu), bench.held(Memory)), (32 * CPU, 100));
    bench.run(30 * SECOND, want(CPU));
    assert_eq!(bench.held(Cpu), bench.limit(Cpu));
    assert_eq!((bench.held(Memory), bench.limit(Memory)), (100, 512));
}

#[test]
fn a_new_start_finds_the_limit_that_stood() {
    let mut bench = bench(0.1, 1.0);
    bench.run(5 * SECOND, want(1000 * CPU));
    bench.go(10 * MILLI, want(1000 * CPU));
    let before = bench.limit(Cpu);
    assert!(before > 5 * CPU);
    bench.restart();
    assert_eq!(bench.limit(Cpu), before);
}

impl Bench<Captain> {
    /// The limit that it has ordered last.
    fn law_limit(&self) -> u64 {
        self.held(Cpu)
    }
}
