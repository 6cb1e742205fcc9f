//! What tasks stalled on, as fixed views.

use crate::api::view::*;

pub(super) fn some_stalls() -> Stalls {
    let latency = |count, p50, p99| Latency {
        count,
        total_ns: count * p50,
        p50_ns: Some(p50),
        p99_ns: Some(p99),
    };
    let pressure = |some_bp, full_bp| Pressure {
        some_bp,
        some_ns: 12_000_000,
        full_bp,
        full_ns: 3_000_000,
    };
    Stalls {
        reclaim: Some(Reclaim {
            limit: latency(1_200, 14_336, 393_216),
            node: Latency::default(),
        }),
        memory: Some(Lacks {
            working_set_bytes: 41 << 20,
            refaults_anon: Some(0),
            refaults_file: Some(5_120),
            major_faults: Some(17),
            high: 0,
            max: 240,
            oom: 0,
        }),
        block: Some(Block {
            read: latency(2_000, 57_344, 98_304),
            read_bytes: 32 << 20,
            written: Latency::default(),
            written_bytes: 0,
            queued: latency(2_000, 1_280, 4_096),
        }),
        pressure: Pressures {
            cpu: Some(pressure(123, 0)),
            memory: Some(pressure(1_050, 430)),
            io: None,
        },
    }
}
