//! How often a container is killed before it has the memory that it needs.

use super::{bench, want};
use crate::{CPU, DAY, GIB, MIB, MINUTE, SECOND};
use trimtab_core::baseline::vpa::Params;
use trimtab_core::signal::Resource::Memory;

/// Kills until the limit holds `need`, when each is answered before the next.
fn answered(limit: u64, need: u64, history: u64) -> u64 {
    let mut bench = bench(Params::default(), CPU, limit);
    if history > 0 {
        // So much that the recommendation is near the declared limit.
        bench.run(history, want(CPU / 2, limit / 120 * 100));
    }
    while bench.limit(Memory) < need && bench.seen.memory.oom_kills < 50 {
        let limit = bench.limit(Memory);
        bench.go(5 * MINUTE, want(CPU / 2, limit));
        bench.kill();
        bench.go(2 * MINUTE, want(CPU / 2, limit / 2));
        assert!(bench.limit(Memory) > limit);
    }
    bench.seen.memory.oom_kills
}

/// The same when it fills its limit within five seconds of each start, and the kubelet waits 10 s, 20 s,
/// 40 s, up to 5 min, before it starts a container of the same pod again.
fn at_full_speed(limit: u64, need: u64) -> u64 {
    let mut bench = bench(Params::default(), CPU, limit);
    bench.run(5 * MINUTE, want(CPU / 2, limit / 2));
    let mut wait = 10 * SECOND;
    while bench.limit(Memory) < need && bench.seen.memory.oom_kills < 50 {
        let pods = bench.restarts;
        let limit = bench.limit(Memory);
        bench.go(5 * SECOND, want(CPU / 2, limit));
        if bench.restarts == pods {
            bench.seen.memory.oom_kills += 1;
            bench.go(wait, want(0, 0));
            wait = (2 * wait).min(5 * MINUTE);
        }
        if bench.restarts == pods {
            bench.restart();
        } else {
            wait = 10 * SECOND;
        }
    }
    bench.seen.memory.oom_kills
}

#[test]
fn four_kills_lead_to_four_times_the_memory_when_each_is_answered() {
    // A fifth more (100 MiB at least), the end of its bucket and 15 % make 1.4 and more of each kill:
    // 1 GiB, 1.45, 2.01, 2.92, 4.20.
    for history in [0, DAY, 8 * DAY] {
        assert_eq!(answered(GIB, 4 * GIB, history), 4, "{history}");
    }
    assert_eq!(answered(256 * MIB, GIB, 0), 4);
}

#[test]
fn a_container_that_fills_up_at_once_is_killed_several_times_for_each_answer() {
    assert_eq!(at_full_speed(GIB, 4 * GIB), 10);
    assert_eq!(at_full_speed(256 * MIB, GIB), 10);
}
