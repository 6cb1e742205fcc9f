//! A node for tests and pictures: always the same, and busy enough to have everything on the screen.

use trimtab_core::signal::{Mode, Resource};

use super::{
    news::{Look, News, Sample},
    order::Order,
    state::State,
};
use crate::{
    api::view::*,
    cli::{
        goldens::{a_status, a_workload, cpu, mib},
        journal_goldens::an_outcome,
    },
};

/// How many samples there have been.
const SAMPLES: u64 = 40;
const SECOND: u64 = 1_000_000_000;
const MILLI: u64 = 1_000_000;

/// Path, policy, mode; CPU in thousandths: used, limit, owner's; memory in MiB: used, limit; ms a second: waited, throttled.
type Spec = (
    &'static str,
    &'static str,
    Mode,
    [u64; 3],
    [u64; 2],
    [u64; 2],
);

#[rustfmt::skip]
const SPECS: [Spec; 16] = [
    ("/batch.slice", "batch", Mode::Observe, [1_450, 0, 0], [900, 0], [2, 0]),
    ("/batch.slice/backup.service", "batch", Mode::Observe, [150, 0, 0], [120, 0], [160, 0]),
    ("/batch.slice/render.service", "batch", Mode::Observe, [1_300, 0, 0], [780, 0], [1_740, 0]),
    ("/kubepods.slice", "pods", Mode::Recommend, [1_120, 4_000, 4_000], [2_900, 6_144], [2, 0]),
    ("/kubepods.slice/pod-4f1c/api", "pods", Mode::Recommend, [640, 1_000, 1_000], [1_200, 2_048], [70, 3]),
    ("/kubepods.slice/pod-4f1c/sidecar", "pods", Mode::Recommend, [20, 250, 250], [60, 128], [2, 0]),
    ("/kubepods.slice/pod-9a07/worker", "pods", Mode::Recommend, [460, 2_000, 2_000], [1_640, 3_072], [23, 0]),
    ("/ml.slice/trainer.service", "train", Mode::Enforce, [980, 1_200, 2_000], [5_200, 6_400], [240, 0]),
    ("/system.slice/cron.service", "rest", Mode::Recommend, [0, 500, 500], [3, 64], [0, 0]),
    ("/system.slice/mail.service", "rest", Mode::Recommend, [4, 1_000, 1_000], [91, 512], [1, 0]),
    ("/system.slice/metrics.service", "rest", Mode::Recommend, [31, 500, 500], [210, 256], [4, 0]),
    ("/system.slice/nginx.service", "web", Mode::Enforce, [420, 500, 250], [48, 64], [118, 34]),
    ("/system.slice/postgresql.service", "db", Mode::Enforce, [1_310, 2_000, 2_000], [3_100, 3_584], [12, 0]),
    ("/system.slice/queue.service", "web", Mode::Enforce, [210, 220, 220], [180, 300], [21, 260]),
    ("/system.slice/redis.service", "db", Mode::Enforce, [95, 400, 400], [812, 1_024], [3, 0]),
    ("/user.slice/build-user@1000.service", "rest", Mode::Recommend, [0, 0, 0], [410, 4_096], [0, 0]),
];

/// A signal that goes up and down.
fn wave(value: u64, step: u64) -> u64 {
    let per_cent = match step % 8 {
        0 => 70,
        1 => 85,
        2 => 100,
        3 => 120,
        4 => 140,
        5 => 115,
        6 => 95,
        _ => 75,
    };
    value * per_cent / 100
}

fn state_of(used: Quantity, limit: Quantity, own: Quantity, lent: Quantity) -> ResourceState {
    ResourceState {
        used,
        limit,
        original: own,
        floor: used,
        target: limit,
        ceiling: Quantity::Unlimited,
        lent,
        limited_by: None,
        foreign: false,
        held_back: None,
        feedback: Feedback::default(),
    }
}

fn workload(spec: &Spec, step: u64) -> Workload {
    let (path, policy, mode, [used, limit, own], [held, room], [waited, throttled]) = *spec;
    let name = path.rsplit('/').next().unwrap_or(path);
    let total = |value: u64| {
        (0..=step)
            .map(|step| wave(value, step) * MILLI)
            .sum::<u64>()
    };
    let or_max = |amount: u64, unit: fn(u64) -> Quantity| {
        if amount == 0 {
            Quantity::Unlimited
        } else {
            unit(amount)
        }
    };
    let milli: fn(u64) -> Quantity = |milli| cpu(milli * 1_000);
    let mut workload = Workload {
        name: name.trim_end_matches(".service").into(),
        path: path.into(),
        policy: policy.into(),
        mode,
        parent: None,
        age_ns: (step + 3_600) * SECOND,
        cpu: Some(state_of(
            cpu(if step == SAMPLES - 1 {
                used
            } else {
                wave(used, step)
            } * 1_000),
            or_max(limit, milli),
            or_max(own, milli),
            milli(limit.saturating_sub(own)),
        )),
        memory: Some(state_of(
            mib(held),
            or_max(room, mib),
            or_max(room, mib),
            mib(0),
        )),
        signals: Signals {
            waiting_p50_ns: Some(3_200),
            waiting_p99_ns: Some(waited.max(1) * 11_000),
            waited_ns: Some(total(waited)),
            throttled_ns: Some(total(throttled)),
            throttled_periods: Some(throttled),
            oom_kills: Some(0),
            ..Signals::default()
        },
        energy: None,
        ..a_workload()
    };
    let above = SPECS.iter().map(|(above, ..)| *above);
    let above = above.filter(|above| *above != path && path.starts_with(&format!("{above}/")));
    workload.parent = above.max_by_key(|above| above.len()).map(Into::into);
    special(&mut workload, step);
    workload
}

/// What only some have.
fn special(workload: &mut Workload, step: u64) {
    match workload.name.as_str() {
        "nginx" => {
            workload.signals.tcp = a_workload().signals.tcp;
            let held = a_workload().cpu.and_then(|cpu| cpu.held_back);
            if let Some(cpu) = &mut workload.cpu {
                cpu.held_back = held;
            }
        }
        "api" => {
            workload.signals.tcp = Some(Tcp {
                requests: 90_000 + step,
                requests_per_s: 310,
                answered_p50_ns: Some(2_000_000),
                answered_p99_ns: Some(48 * MILLI),
                unread_p99_ns: Some(70_000),
                bytes_in: 1 << 20,
                bytes_out: 9 << 20,
            });
        }
        "queue" => workload.pinned = true,
        "redis" => {
            workload.anomalies = vec![Anomaly {
                workload: "redis".into(),
                path: workload.path.clone(),
                kind: "leak".into(),
                resource: Resource::Memory,
                text: "leak: 3.1 MiB a minute for 42 min without falling back, 130 MiB in all"
                    .into(),
                for_ns: 600 * SECOND,
            }];
        }
        "trainer" => {
            workload.gpus = vec![GpuShare {
                index: 0,
                memory_bytes: Some(61 << 30),
                used_percent: Some(88),
                waits_for_cpu: false,
            }];
        }
        // Its probe is off: what is not known is not 0.
        "build-user@1000" => {
            workload.cpu = None;
            workload.cpu_weight = Some(100);
            workload.signals = Signals::default();
        }
        _ => {}
    }
}

/// The agent and the node.
pub(super) fn status() -> Status {
    let mut status = Status {
        paused: false,
        config_error: None,
        enforced: 5,
        recommended: 8,
        observed: 3,
        pinned: 1,
        room: Room::default(),
        gpus: Gpus {
            driver: GpuDriver::Here,
            devices: vec![Gpu {
                name: "NVIDIA H100 80GB".into(),
                used_percent: Some(91),
                memory_used_bytes: Some(62 << 30),
                memory_total_bytes: Some(80 << 30),
                power_milliwatts: Some(412_000),
                ..Gpu::default()
            }],
            ..Gpus::default()
        },
        ..a_status()
    };
    status.pools[0].used = cpu(5_640_000);
    status.pools[0].lent = cpu(250_000);
    status.cost.over_memory = false;
    status.fast_loop.lost = 0;
    status.anomalies.truncate(1);
    status.anomalies[0].workload = "redis".into();
    status.probes_off = 0;
    status
}

/// What was done lately, oldest first.
pub(super) fn entries() -> Vec<Entry> {
    let at = |seq: u64| 1_700_000_000_123_456_789 + seq * 7 * SECOND;
    let change = |seq, name: &str, from, to, text: &str| Entry {
        seq,
        unix_ns: at(seq),
        kind: EntryKind::Spend,
        workload: name.into(),
        path: format!("/system.slice/{name}.service"),
        resource: Some(Resource::Cpu),
        from: Some(cpu(from)),
        to: Some(cpu(to)),
        written: true,
        latency_ns: Some(42_000),
        reason: Reason {
            text: text.into(),
            ..Reason::default()
        },
        ..Entry::default()
    };
    let slow = |entry: Entry| Entry {
        kind: EntryKind::Decision,
        latency_ns: None,
        ..entry
    };
    vec![
        slow(change(
            1,
            "postgresql",
            2_400_000,
            2_000_000,
            "trimmed to the 95th percentile of demand and a margin",
        )),
        Entry {
            outcome: Some(an_outcome()),
            ..change(
                2,
                "nginx",
                250_000,
                500_000,
                "first lift of a burst: the period's quota was nearly spent",
            )
        },
        Entry {
            denial: Some("ceiling".into()),
            written: false,
            ..change(3, "queue", 220_000, 220_000, "its policy allows no more")
        },
        Entry {
            path: "/kubepods.slice/pod-4f1c/api".into(),
            written: false,
            ..slow(change(
                4,
                "api",
                1_000_000,
                820_000,
                "it needs no more than 0.71 CPU 95 % of the time",
            ))
        },
        Entry {
            seq: 5,
            unix_ns: at(5),
            workload: "redis".into(),
            path: "/system.slice/redis.service".into(),
            cause: "leak".into(),
            reason: Reason {
                text: "leak: 3.1 MiB a minute for 42 min without falling back".into(),
                ..Reason::default()
            },
            ..Entry::default()
        },
        change(
            6,
            "nginx",
            250_000,
            500_000,
            "first lift of a burst: the period's quota was nearly spent",
        ),
    ]
}

/// One sample, some seconds after the first.
pub(super) fn sample(step: u64) -> Sample {
    Sample {
        at_ns: step * SECOND,
        every_ns: SECOND,
        status: status(),
        workloads: SPECS.iter().map(|spec| workload(spec, step)).collect(),
    }
}

/// A screen that has been open for a while.
pub(super) fn state(order: Order) -> State {
    let mut state = State::new(order);
    for step in 0..SAMPLES {
        state.hear(News::Sample(Box::new(sample(step))));
    }
    state.hear(News::Past(entries()));
    state
}

/// A close look at a workload.
pub(super) fn look(path: &str, step: u64) -> Look {
    let workload = sample(SAMPLES - 1).workloads;
    let workload = workload.into_iter().find(|workload| workload.path == path);
    let grown = |from_ns, count| Bin {
        from_ns,
        count: count * (step + 1),
    };
    let recent = entries().into_iter().filter(|entry| entry.path == path);
    let cause = |cause, behind: Option<&str>, ns| WaitCause {
        cause,
        behind: behind.map(Into::into),
        ns,
    };
    Look {
        path: path.into(),
        detail: workload
            .ok_or_else(|| "gone".into())
            .map(|workload| Detail {
                workload,
                recent: recent.collect(),
                waits: Some(vec![
                    grown(5_120, 9_000),
                    grown(57_344, 800),
                    grown(655_360, 90 + 10 * (step % 3)),
                    Bin {
                        from_ns: 20_971_520,
                        count: 40 * (step / 4),
                    },
                ]),
                answers: Some(vec![
                    grown(81_920, 1_000),
                    grown(1_310_720, 200),
                    grown(14_680_064, 9),
                ]),
                ..Detail::default()
            }),
        why: Ok(Why {
            workload: path.into(),
            path: path.into(),
            window_ns: 10 * SECOND,
            ran_ns: 4_200 * MILLI,
            waited_ns: 1_520 * MILLI,
            causes: vec![
                cause(WaitKind::Workload, Some("render"), 900 * MILLI),
                cause(WaitKind::Quota, None, 340 * MILLI),
                cause(WaitKind::Siblings, None, 200 * MILLI),
                cause(WaitKind::Short, None, 80 * MILLI),
            ],
        }),
    }
}
