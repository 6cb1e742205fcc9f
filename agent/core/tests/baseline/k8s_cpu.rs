//! K8s-CPU and K8s-CPU-Fast.

use crate::{Bench, CPU, SECOND, Want, workload};
use trimtab_core::baseline::k8s_cpu::{K8sCpu, Params};
use trimtab_core::signal::Resource::{Cpu, Memory};

fn bench(params: Params, target: f64) -> Bench<K8sCpu> {
    let params = Params { target, ..params };
    Bench::new(K8sCpu::new(params), workload(CPU, 512))
}

fn want(cpu: u64) -> Want {
    Want {
        cpu,
        ..Want::default()
    }
}

#[test]
fn the_limit_is_use_divided_by_the_target_after_one_period() {
    for (params, period) in [(Params::slow(), 15), (Params::fast(), 1)] {
        let mut bench = bench(params, 0.5);
        assert_eq!(bench.limit(Cpu), 32 * CPU);
        bench.run(period * SECOND - 1, want(CPU));
        assert_eq!(bench.held(Cpu), 32 * CPU);
        bench.run(period * SECOND, want(CPU));
        assert_eq!(bench.held(Cpu), 2 * CPU);
    }
}

#[test]
fn a_step_up_is_answered_within_a_period_and_a_step_down_after_the_window() {
    for (params, period, window) in [(Params::slow(), 15, 300), (Params::fast(), 1, 20)] {
        let mut bench = bench(params, 0.5);
        bench.run(period * SECOND, want(CPU));
        bench.go(period * SECOND, want(2 * CPU));
        assert_eq!(bench.held(Cpu), 4 * CPU);
        let high = bench.now;
        bench.run(high + (window - period) * SECOND, want(CPU / 10));
        assert_eq!(bench.held(Cpu), 4 * CPU);
        bench.run(high + window * SECOND, want(CPU / 10));
        assert_eq!(bench.held(Cpu), CPU / 5);
    }
}

#[test]
fn a_quota_that_throttles_hides_what_is_wanted() {
    // With target 1 the limit is what was used, and what was used is the limit.
    let mut bench = bench(Params::fast(), 1.0);
    bench.run(SECOND + SECOND / 100, want(CPU));
    bench.run(60 * SECOND, want(8 * CPU));
    assert_eq!(bench.limit(Cpu), CPU);
}

#[test]
fn without_any_use_a_hundredth_of_a_cpu_is_left() {
    let mut bench = bench(Params::fast(), 0.5);
    bench.run(2 * SECOND, want(0));
    assert_eq!(bench.limit(Cpu), 10_000);
    assert_eq!(bench.held(Memory), 512);
}

#[test]
fn a_new_start_finds_the_limit_that_stood() {
    let mut bench = bench(Params::fast(), 0.5);
    bench.run(2 * SECOND, want(CPU));
    bench.restart();
    assert_eq!(bench.limit(Cpu), 2 * CPU);
}
