//! senpai.

use crate::{Bench, CPU, GIB, MIB, SECOND, Want, workload};
use trimtab_core::baseline::senpai::{Params, Senpai};
use trimtab_core::node::Write;
use trimtab_core::signal::Resource::{Cpu, Memory};
use trimtab_core::signal::{Amount, Nanos};

fn bench(memory: u64) -> Bench<Senpai> {
    let params = Params {
        after: Nanos(0),
        ..Params::default()
    };
    let mut bench = Bench::new(Senpai::new(params), workload(CPU, 64 * GIB));
    bench.seen.memory.used = Amount(memory);
    bench
}

fn want(memory: u64, stall: u64) -> Want {
    Want {
        memory,
        stall,
        ..Want::default()
    }
}

/// When `memory.high` was first ordered to stand at `to` or lower.
fn fell(bench: &Bench<Senpai>, to: u64) -> Option<u64> {
    let hit = |write: &Write| matches!(write, Write::High { to: high, .. } if high.0 <= to);
    let first = bench.orders.iter().find(|(_, write)| hit(write));
    first.map(|(time, _)| time / SECOND)
}

#[test]
fn without_stalls_a_quarter_is_gone_after_175_seconds_and_half_after_415() {
    // 29 and 69 cuts of 1 %: the first after seven ticks, the others six apart.
    let mut bench = bench(4 * GIB);
    bench.run(500 * SECOND, want(4 * GIB, 0));
    assert_eq!(fell(&bench, 4 * GIB), Some(0));
    assert_eq!(fell(&bench, 4 * GIB - 1), Some(7));
    assert_eq!(fell(&bench, 4 * GIB / 100 * 98 + 1000 * 4096), Some(13));
    assert_eq!(fell(&bench, 3 * GIB), Some(175));
    assert_eq!(fell(&bench, 2 * GIB), Some(415));
}

#[test]
fn stalls_of_twenty_times_the_target_double_the_limit_at_once() {
    let mut bench = bench(GIB);
    bench.run(SECOND / 2, want(GIB, 0));
    assert_eq!(bench.seen.memory.high.0, GIB);
    bench.run(SECOND, want(GIB, 400_000_000));
    bench.go(SECOND / 2, want(GIB, 0));
    assert_eq!(bench.seen.memory.high.0, 2 * GIB);
}

#[test]
fn smaller_stalls_grow_the_limit_by_the_square_of_their_size() {
    let mut bench = bench(GIB);
    bench.run(0, want(GIB, 0));
    // 100 ms: ten times the target, half of twenty, squared.
    bench.go(SECOND, want(GIB, 100_000_000));
    bench.go(SECOND / 2, want(GIB, 0));
    assert_eq!(bench.seen.memory.high.0, GIB + GIB / 4);
}

#[test]
fn stalls_at_the_target_cut_a_hundredth_of_a_hundredth_only() {
    let mut bench = bench(4 * GIB);
    bench.run(0, want(4 * GIB, 0));
    // 1.4 ms in each of seven seconds is 9.8 ms.
    bench.run(8 * SECOND - 1, want(4 * GIB, 1_400_000));
    let cut = 4 * GIB - bench.seen.memory.high.0;
    assert!((425_000..455_000).contains(&cut), "{cut}");
}

#[test]
fn the_limit_stays_within_its_bounds_and_whole_pages() {
    let mut bench = bench(101 * MIB + 1);
    bench.run(0, want(101 * MIB + 1, 0));
    bench.go(SECOND, want(101 * MIB + 1, 0));
    assert_eq!(bench.seen.memory.high.0, 101 * MIB);
    bench.go(600 * SECOND, want(50 * MIB, 0));
    assert_eq!(bench.seen.memory.high.0, 100 * MIB);
}

#[test]
fn a_limit_that_somebody_else_has_set_becomes_what_is_used() {
    let mut bench = bench(GIB);
    bench.run(SECOND, want(GIB, 0));
    bench.seen.memory.high = Amount::UNLIMITED;
    bench.run(8 * SECOND, want(700 * MIB, 0));
    assert_eq!(bench.seen.memory.high.0, 700 * MIB);
}

#[test]
fn a_new_workload_is_left_alone_for_a_minute_and_so_is_one_that_starts_again() {
    let mut bench = Bench::new(Senpai::default(), workload(CPU, GIB));
    bench.run(60 * SECOND - 1, want(500 * MIB, 0));
    assert!(bench.orders.is_empty());
    assert_eq!((bench.held(Cpu), bench.held(Memory)), (CPU, GIB));
    bench.run(61 * SECOND, want(500 * MIB, 0));
    assert_eq!(bench.seen.memory.high.0, 500 * MIB);
    assert_eq!(bench.held(Memory), 500 * MIB);
    bench.restart();
    bench.orders.clear();
    bench.go(50 * SECOND, want(500 * MIB, 0));
    assert!(bench.orders.is_empty());
}
