//! Autopilot's moving window.

use crate::{Bench, CPU, GIB, HOUR, MIB, MINUTE, SECOND, Want, workload};
use trimtab_core::baseline::autopilot::{Autopilot, Law, Params, Statistic};
use trimtab_core::signal::Resource::{self, Cpu, Memory};
use trimtab_core::signal::{Amount, Nanos};

fn want(cpu: u64, memory: u64) -> Want {
    Want {
        cpu,
        memory,
        ..Want::default()
    }
}

fn bench(params: Params) -> Bench<Autopilot> {
    Bench::new(Autopilot::new(params), workload(8 * CPU, 8 * GIB))
}

/// Whether it is `used` plus 15 %, and at most a bucket more: 3 % and the first one's width.
fn covers(resource: Resource, limit: u64, used: u64) -> bool {
    let first = match resource {
        Cpu => 1_150,
        Memory => 1_150_000,
    };
    let low = used * 115 / 100;
    (low..=low * 103 / 100 + first).contains(&limit)
}

#[test]
fn until_the_first_window_is_full_what_was_declared_stands() {
    let mut bench = bench(Params::default());
    bench.run(5 * MINUTE - 1, want(CPU, GIB));
    assert!(bench.orders.is_empty());
    assert_eq!((bench.held(Cpu), bench.held(Memory)), (8 * CPU, 8 * GIB));
    bench.run(6 * MINUTE, want(CPU, GIB));
    assert!(covers(Cpu, bench.limit(Cpu), CPU), "{}", bench.limit(Cpu));
    assert!(
        covers(Memory, bench.limit(Memory), GIB),
        "{}",
        bench.limit(Memory)
    );
    assert_eq!(bench.held(Cpu), bench.limit(Cpu));
}

#[test]
fn a_step_up_counts_when_it_is_a_twentieth_of_all_load() {
    // 12 h at 1 CPU weigh 12 h * (1 - 1/2) / ln 2 = 8.66 h, and load counts by its size: at 3 CPUs a twentieth is reached after 8.66 / 19 / 3 h = 9.1 min, in the second window.
    let mut bench = bench(Params::default());
    bench.run(12 * HOUR, want(CPU, GIB));
    // As if nobody enforced the limit: it would hide the step.
    bench.seen.cpu.limit = Amount::UNLIMITED;
    let start = bench.now;
    bench.run(start + 5 * MINUTE, want(3 * CPU, GIB));
    assert!(covers(Cpu, bench.held(Cpu), CPU));
    bench.run(start + 10 * MINUTE, want(3 * CPU, GIB));
    assert!(covers(Cpu, bench.held(Cpu), 3 * CPU));
    assert_eq!(bench.reached(Cpu, 3 * CPU), Some(start + 10 * MINUTE));
}

#[test]
fn more_memory_than_ever_counts_when_it_is_two_hundredths_of_all_load() {
    // 12 h weigh 11.0 h: at 4 GiB 2 % are reached after 11 h / 49 / 4 = 3.4 min, in the first window.
    let mut bench = bench(Params::default());
    bench.run(12 * HOUR, want(CPU, GIB));
    bench.seen.memory.limit = Amount::UNLIMITED;
    let start = bench.now;
    bench.run(start + 5 * MINUTE, want(CPU, 4 * GIB));
    assert_eq!(bench.reached(Memory, 4 * GIB), Some(start + 5 * MINUTE));
}

#[test]
fn the_highest_of_an_hour_stays_for_an_hour() {
    let peak = Law {
        statistic: Statistic::Peak,
        ..Params::default().memory
    };
    let params = Params {
        memory: peak,
        peak: Nanos(5 * MINUTE),
        ..Params::default()
    };
    let mut bench = bench(params);
    bench.run(5 * MINUTE, want(CPU, 2 * GIB));
    assert_eq!(bench.held(Memory), 2 * GIB * 115 / 100);
    bench.run(60 * MINUTE, want(CPU, GIB));
    assert_eq!(bench.held(Memory), 2 * GIB * 115 / 100);
    bench.run(65 * MINUTE, want(CPU, GIB));
    assert_eq!(bench.held(Memory), GIB * 115 / 100);
}

#[test]
fn batch_is_given_its_weighted_mean() {
    let mean = Law {
        statistic: Statistic::Mean,
        ..Params::default().cpu
    };
    let params = Params {
        cpu: mean,
        ..Params::default()
    };
    let mut bench = bench(params);
    for _ in 0..6 {
        bench.go(150 * SECOND, want(0, GIB));
        bench.go(150 * SECOND, want(2 * CPU, GIB));
    }
    assert_eq!(bench.held(Cpu), 1_150_000);
}

#[test]
fn memory_of_a_moment_counts_with_its_window() {
    let mut bench = bench(Params::default());
    bench.run(2 * MINUTE, want(CPU, 100 * MIB));
    bench.go(SECOND, want(CPU, GIB));
    bench.run(5 * MINUTE, want(CPU, 100 * MIB));
    assert!(covers(Memory, bench.held(Memory), GIB));
}

#[test]
fn without_any_use_nothing_is_set_and_a_new_start_finds_the_limit() {
    let mut bench = bench(Params::default());
    bench.run(6 * MINUTE, want(0, 0));
    assert!(bench.orders.is_empty());
    assert_eq!((bench.held(Cpu), bench.held(Memory)), (8 * CPU, 8 * GIB));
    bench.run(11 * MINUTE, want(CPU, GIB));
    let limits = (bench.limit(Cpu), bench.limit(Memory));
    bench.restart();
    assert_eq!((bench.limit(Cpu), bench.limit(Memory)), limits);
}

#[test]
fn a_limit_that_throttles_hides_what_is_wanted() {
    // Each rung is 15 % above the last, once the use it lets through is a twentieth of all load: unlimited
    // the same step is answered within ten minutes.
    let mut bench = bench(Params::default());
    bench.run(12 * HOUR, want(CPU, GIB));
    let start = bench.now;
    bench.run(start + 5 * HOUR, want(3 * CPU, GIB));
    let after = |limit| {
        bench
            .reached(Cpu, limit)
            .map(|time| (time - start) / MINUTE)
    };
    assert_eq!((after(3 * CPU / 2), after(3 * CPU)), (Some(50), Some(140)));
}
