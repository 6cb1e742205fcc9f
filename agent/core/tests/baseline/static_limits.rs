//! Static limits.

use crate::{Bench, CPU, DAY, GIB, HOUR, MIB, MINUTE, Want, workload};
use trimtab_core::baseline::static_limits::{Params, StaticLimits};
use trimtab_core::signal::Resource::{Cpu, Memory};
use trimtab_core::signal::{Amount, Nanos};

fn want(cpu: u64, memory: u64) -> Want {
    Want {
        cpu,
        memory,
        ..Want::default()
    }
}

#[test]
fn one_minute_in_a_hundred_may_use_more_than_is_requested() {
    let mut bench = Bench::new(StaticLimits::default(), workload(4 * CPU, 4 * GIB));
    // 14 of 1,440 minutes at 3 CPUs and 2 GiB: just under one in a hundred.
    bench.run(12 * HOUR, want(CPU / 2, GIB));
    bench.go(14 * MINUTE, want(3 * CPU, 2 * GIB));
    bench.run(DAY - 1, want(CPU / 2, GIB));
    assert_eq!((bench.held(Cpu), bench.limit(Cpu)), (4 * CPU, 4 * CPU));
    bench.run(DAY + MINUTE, want(CPU / 2, GIB));
    assert_eq!((bench.held(Cpu), bench.limit(Cpu)), (CPU / 2, CPU / 2));
    assert_eq!((bench.held(Memory), bench.limit(Memory)), (GIB, 2 * GIB));
}

#[test]
fn a_fifteenth_minute_makes_the_peak_the_request() {
    let mut bench = Bench::new(StaticLimits::default(), workload(4 * CPU, 4 * GIB));
    bench.run(12 * HOUR, want(CPU / 2, GIB));
    bench.go(15 * MINUTE, want(3 * CPU, 2 * GIB));
    bench.run(DAY + MINUTE, want(CPU / 2, GIB));
    assert_eq!((bench.held(Cpu), bench.held(Memory)), (3 * CPU, 2 * GIB));
}

#[test]
fn it_never_moves_again_and_holds_after_a_new_start() {
    let params = Params {
        learn: Nanos(10 * MINUTE),
        ..Params::default()
    };
    let mut bench = Bench::new(StaticLimits::new(params), workload(4 * CPU, 4 * GIB));
    bench.run(11 * MINUTE, want(CPU, GIB));
    bench.run(3 * DAY, want(4 * CPU, 100 * MIB));
    assert_eq!((bench.limit(Cpu), bench.limit(Memory)), (CPU, GIB));
    bench.restart();
    assert_eq!((bench.limit(Cpu), bench.limit(Memory)), (CPU, GIB));
}

#[test]
fn without_learning_what_was_declared_is_request_and_limit() {
    let params = Params {
        learn: Nanos(0),
        ..Params::default()
    };
    let mut seen = workload(CPU, GIB);
    seen.cpu.limit = Amount::UNLIMITED;
    seen.memory.request = Amount::ZERO;
    let bench = Bench::new(StaticLimits::new(params), seen);
    assert_eq!((bench.held(Cpu), bench.limit(Cpu)), (CPU, CPU));
    assert_eq!((bench.held(Memory), bench.limit(Memory)), (GIB, GIB));
}

#[test]
fn a_workload_that_used_nothing_is_given_no_limit_of_nothing() {
    let params = Params {
        learn: Nanos(10 * MINUTE),
        ..Params::default()
    };
    let mut bench = Bench::new(StaticLimits::new(params), workload(CPU, GIB));
    bench.run(11 * MINUTE, want(0, 0));
    assert_eq!((bench.limit(Cpu), bench.limit(Memory)), (CPU, GIB));
    assert_eq!((bench.held(Cpu), bench.held(Memory)), (0, 0));
}
