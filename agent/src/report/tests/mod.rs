//! The table's laws, the accounts', and what a scraper gets.

mod accounts;
mod exposition;
mod parser;
mod server;

use trimtab_core::signal::Resource;

use super::{Count, Gauge, Histogram, Sample, Subject, Totals, Waits, Who};
use crate::{
    api::view::{
        Anomaly, Cost, FastLoop, Identity, Pool, Pressure, Pressures, ProgramCost, Quantity, Status,
    },
    probe::{Losses, Probe, ProbeStatus, State},
};

/// A distribution of so many waits of some length.
fn waits(count: u64, ns: u64) -> Histogram {
    let mut counts = [0; trimtab_ebpf::HIST_BUCKETS];
    counts[trimtab_ebpf::bucket(ns)] = count;
    Histogram::of(&counts, count * ns)
}

/// Everything that may be counted, each number another one.
fn some_totals() -> Totals {
    let counts = [
        (Count::CpuTime, 12_345_678_901),
        (Count::Throttled, 2_000_000),
        (Count::Periods, 600),
        (Count::ThrottledPeriods, 3),
        (Count::OomKills, 0),
        (Count::OverHigh, 4),
        (Count::AtMax, 1),
        (Count::BytesIn, 4096),
        (Count::BytesOut, 1 << 40),
        (Count::Lifts, 7),
        (Count::Trims, 5),
        (Count::Undone, 1),
        (Count::Denials, 2),
        (Count::ForeignWrites, 6),
    ];
    let mut totals = Totals::default();
    for (count, value) in counts {
        totals.set(count, value);
    }
    totals.set_verdicts(0, [1, 2, 3, 4, 5]);
    totals.set_verdicts(1, [0, 1, 0, 0, 9]);
    let mut behind = waits(100, 50_000);
    behind.add(&waits(1, 20_000_000_000));
    totals.set_histogram(Waits::Behind, behind);
    totals.set_histogram(Waits::Throttled, waits(2, 90_000_000));
    totals.set_histogram(Waits::Requests, waits(3, 1_000));
    totals
}

fn some_stalls() -> Pressures {
    let pressure = |ns| {
        Some(Pressure {
            some_ns: ns,
            full_ns: ns / 2,
            ..Pressure::default()
        })
    };
    Pressures {
        cpu: pressure(1_000_000),
        memory: pressure(2_000_000),
        io: None,
    }
}

/// A workload with all that can be told of one.
fn a_subject(path: &str, name: &str) -> Subject {
    let mut gauges = [[None; Gauge::ALL.len()]; 2];
    for gauge in Gauge::ALL {
        gauges[0][gauge as usize] = Some(250_000 * (1 + gauge as u64));
        gauges[1][gauge as usize] = Some((1 + gauge as u64) << 20);
    }
    Subject {
        who: Some(Box::new(Who {
            path: path.into(),
            name: name.into(),
            policy: "web".into(),
            mode: "enforce",
            owner: "cgroupfs".into(),
            parent: None,
            identity: Identity {
                unit: Some("web.service".into()),
                ..Identity::default()
            },
            anomalies: vec![Anomaly {
                workload: name.into(),
                path: path.into(),
                kind: "leak".into(),
                resource: Resource::Memory,
                text: "memory grows".into(),
                for_ns: 1,
            }],
            instances: 2,
            balancing_weight: Some(3),
        })),
        totals: some_totals(),
        gauges,
        stalls: some_stalls(),
    }
}

/// An agent that tells of two workloads by name, and of some others.
fn a_sample() -> Sample {
    let mut odd = a_subject("/odd \"name\\\n", "odd, {it} = \"is\"\\n\n");
    // Without a limit.
    odd.gauges[1][Gauge::Original as usize] = None;
    let subjects = vec![
        a_subject("/system.slice/web.service", "web.service"),
        odd,
        Subject {
            totals: some_totals(),
            ..Subject::default()
        },
    ];
    let pool = |resource, quantity: fn(u64) -> Quantity| Pool {
        resource,
        capacity: quantity(4_000_000),
        reserve: quantity(200_000),
        floors: quantity(1_000_000),
        unmanaged: quantity(300_000),
        size: quantity(2_500_000),
        lent: quantity(500_000),
        used: quantity(900_000),
    };
    Sample {
        status: Status {
            version: "0.1.0".into(),
            uptime_ns: 61_000_000_000,
            observed: 1,
            enforced: 2,
            anomalies: vec![
                Anomaly {
                    workload: "web.service".into(),
                    path: "/system.slice/web.service".into(),
                    kind: "leak".into(),
                    resource: Resource::Memory,
                    text: "memory grows".into(),
                    for_ns: 1,
                };
                2
            ],
            pools: vec![
                pool(Resource::Cpu, Quantity::MicroCpus),
                pool(Resource::Memory, Quantity::Bytes),
            ],
            fast_loop: FastLoop {
                events: 9,
                lifts: 7,
                denied: 2,
                ..FastLoop::default()
            },
            pressure: some_stalls(),
            cpu_time_ns: 1_020_000_000,
            resident_bytes: 15 << 20,
            cost: Cost {
                cpu_micro_cpus: Some(2_500),
                probes_micro_cpus: Some(1_500),
                budget_micro_cpus: 120_000,
                map_bytes: 5 << 20,
                budget_bytes: 64 << 20,
                over_memory: true,
                tick_ns: Some(900_000),
                longest_tick_ns: Some(2_000_000),
                programs: vec![ProgramCost {
                    name: "runq_switch".into(),
                    hook: "sched_switch".into(),
                    probes: vec!["runq-latency".into(), "throttled-running".into()],
                    runs_per_second: 5_000,
                    ns_per_run: Some(120),
                    micro_cpus: 600,
                }],
                ..Cost::default()
            },
            journal_seq: 42,
            ..Status::default()
        },
        host: "node-1".into(),
        probes: vec![
            ProbeStatus {
                probe: Probe::ALL[0],
                state: State::On,
                why: String::new(),
            },
            ProbeStatus {
                probe: Probe::ALL[1],
                state: State::Off,
                why: "field `cfs_rq.throttled` is not there".into(),
            },
        ],
        losses: Losses {
            ring_full: 3,
            ..Losses::default()
        },
        unheard: 1,
        reaction: waits(7, 42_000),
        subjects,
        others: 12,
        held_ns: 350_000,
    }
}
