//! What users read, from fixed views: text with the colours taken out, and JSON.

use trimtab_core::signal::{Mode, Resource};

use super::{
    doctor,
    journal_goldens::{an_outcome, some_entries},
    restore, show,
    stalls_goldens::some_stalls,
    status, why, workloads,
};
use crate::api::view::*;

/// Compares with a file under `testdata/`.
pub(super) fn golden(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("testdata");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, anstream::adapter::strip_str(text).to_string()));
}

/// Compares text and JSON of one view.
pub(super) fn both<T: serde::Serialize>(name: &str, view: &T, render: impl Fn(&T) -> String) {
    golden(name, &render(view));
    golden(
        &format!("{name}_json"),
        &serde_json::to_string_pretty(view).unwrap(),
    );
}

pub(super) fn cpu(micro: u64) -> Quantity {
    Quantity::MicroCpus(micro)
}

pub(super) fn mib(count: u64) -> Quantity {
    Quantity::Bytes(count << 20)
}

pub(super) fn a_status() -> Status {
    Status {
        version: "0.1.0".into(),
        pid: 4711,
        started_unix_ns: 1_700_000_000_000_000_000,
        uptime_ns: 8_000_000_000_000,
        paused: true,
        config_path: "/etc/trimtab/trimtab.toml".into(),
        config_error: Some("/etc/trimtab/trimtab.toml:3:8: `mode` is wrong\n  write one".into()),
        observed: 1,
        recommended: 8,
        enforced: 3,
        pinned: 1,
        room: Room {
            workloads: 4096,
            waiting: 12,
            histograms: 512,
            sharing: 1,
            shared_waited_ns: Some(1_500_000_000),
            shared_waiting_p99_ns: Some(3_000_000),
        },
        pools: vec![
            Pool {
                resource: Resource::Cpu,
                capacity: cpu(8_000_000),
                reserve: cpu(400_000),
                floors: cpu(1_200_000),
                unmanaged: cpu(370_500),
                size: cpu(6_029_500),
                lent: cpu(250_000),
                used: cpu(3_210_000),
            },
            Pool {
                resource: Resource::Memory,
                capacity: mib(16_000),
                reserve: mib(800),
                floors: mib(192),
                unmanaged: mib(2_500),
                size: mib(12_508),
                lent: mib(0),
                used: mib(5_120),
            },
        ],
        fast_loop: FastLoop {
            scheduling: "SCHED_FIFO 1".into(),
            memory_locked: true,
            events: 120,
            lifts: 100,
            denied: 20,
            lost: 2,
            reaction_p50_ns: Some(42_000),
            reaction_p99_ns: Some(380_000),
            own_wait_p99_ns: Some(9_500),
        },
        pressure: some_stalls().pressure,
        gpus: Gpus::default(),
        energy: Energy {
            state: EnergyState::Here,
            milliwatts: Some(381_300),
            package_milliwatts: Some(65_200),
            memory_milliwatts: Some(6_100),
            gpu_milliwatts: Some(310_000),
            idle_milliwatts: Some(20_000),
            unattributed_milliwatts: Some(118_000),
            millijoules: 3_050_400_000,
            idle_millijoules: 160_000_000,
            unattributed_millijoules: 944_000_000,
            ..Energy::default()
        },
        identity: Vec::new(),
        recording: None,
        probes_on: 7,
        probes_off: 1,
        probes_lacking: vec![Finding {
            area: "probes".into(),
            name: "runq-latency".into(),
            state: FindingState::Off,
            why: "the kernel has no sched_wakeup_new".into(),
            remedy: String::new(),
        }],
        cpu_time_ns: 24_000_000_000,
        resident_bytes: 12 << 20,
        cost: a_cost(),
        journal_seq: 345,
        anomalies: some_anomalies(),
    }
}

fn a_cost() -> Cost {
    let program =
        |name: &str, probes: &[&str], runs_per_second, ns_per_run: Option<u64>| ProgramCost {
            name: name.into(),
            hook: name.into(),
            probes: probes.iter().map(ToString::to_string).collect(),
            runs_per_second,
            ns_per_run,
            micro_cpus: runs_per_second * ns_per_run.unwrap_or(0) / 1_000,
        };
    Cost {
        cpu_micro_cpus: Some(3_100),
        probes_micro_cpus: Some(4_950),
        budget_micro_cpus: 240_000,
        over_memory: true,
        map_bytes: 53 << 20,
        guardian_bytes: 7 << 20,
        budget_bytes: 64 << 20,
        age_ns: Some(4_000_000_000),
        tick_ns: Some(1_900_000),
        longest_tick_ns: Some(31_000_000),
        programs: vec![
            program(
                "sched_stat_runtime",
                &["quota-near", "memory-near"],
                90_000,
                Some(55),
            ),
            program("mark_victim", &["oom-kill"], 0, None),
        ],
        shed: vec![Shed {
            probe: "runq-latency".into(),
            for_ns: 90_000_000_000,
            back_after_ns: 30_000_000_000,
        }],
        ..Cost::default()
    }
}

fn some_anomalies() -> Vec<Anomaly> {
    let anomaly = |kind: &str, resource, text: &str, minutes: u64| Anomaly {
        workload: "nginx".into(),
        path: "/system.slice/nginx.service".into(),
        kind: kind.into(),
        resource,
        text: text.into(),
        for_ns: minutes * 60_000_000_000,
    };
    vec![
        anomaly(
            "leak",
            Resource::Memory,
            "leak: 3.1 MiB a minute for 42 min without falling back, 130 MiB in all; the limit of 803 MiB is reached in 2 h 10 min",
            10,
        ),
        anomaly(
            "beyond-node",
            Resource::Cpu,
            "beyond this node: it needs 5 CPU and can have 2.00 CPU here, in 4 of the last 5 min; 3 instances like this one would do",
            2,
        ),
    ]
}

pub(super) fn a_workload() -> Workload {
    Workload {
        name: "nginx".into(),
        path: "/system.slice/nginx.service".into(),
        policy: "web".into(),
        mode: Mode::Enforce,
        pinned: false,
        owner: "systemd".into(),
        identity: Identity::default(),
        parent: Some("/system.slice".into()),
        age_ns: 7_980_000_000_000,
        warming_up: false,
        cpu_weight: None,
        cpu: Some(ResourceState {
            used: cpu(123_456),
            limit: cpu(500_000),
            original: cpu(250_000),
            floor: cpu(100_000),
            target: cpu(180_000),
            ceiling: cpu(4_000_000),
            lent: cpu(250_000),
            limited_by: None,
            foreign: false,
            held_back: Some(HeldBack {
                guard: "rival".into(),
                why: "node is full; db (priority high) goes first".into(),
                to: cpu(900_000),
                for_ns: 12_000_000_000,
                behind: Some("/system.slice/db.service".into()),
            }),
            feedback: Feedback {
                helped: 15,
                no_difference: 3,
                hurt: 1,
                last: Some(an_outcome()),
                hurt_in_a_row: 1,
                patience_ns: Some(120_000_000_000),
                ..Feedback::default()
            },
        }),
        memory: Some(ResourceState {
            used: mib(48),
            limit: mib(64),
            original: Quantity::Unlimited,
            floor: mib(16),
            target: mib(64),
            ceiling: mib(1536),
            lent: mib(0),
            limited_by: Some("/system.slice".into()),
            foreign: false,
            held_back: None,
            feedback: Feedback::default(),
        }),
        gpus: Vec::new(),
        energy: Some(EnergyShare {
            milliwatts: Some(11_240),
            millijoules: 89_700_000,
            gpu_millijoules: 2_100_000,
        }),
        signals: Signals {
            waiting_p50_ns: Some(3_200),
            waiting_p99_ns: Some(1_250_000),
            waited_ns: Some(4_000_000_000),
            throttled_ns: Some(90_000_000),
            throttled_periods: Some(3),
            oom_kills: Some(0),
            cpu_pressure_bp: Some(123),
            memory_pressure_bp: None,
            tcp: Some(Tcp {
                requests: 1_000_000,
                requests_per_s: 1_250,
                answered_p50_ns: Some(81_919),
                answered_p99_ns: Some(2_621_439),
                unread_p99_ns: Some(655_359),
                bytes_in: 120 << 20,
                bytes_out: 3 << 30,
            }),
        },
        anomalies: Vec::new(),
        beyond: Beyond::default(),
    }
}

fn some_workloads() -> Vec<Workload> {
    let idle = Workload {
        name: "a-service-with-a-long-name".into(),
        path: "/system.slice/a-service-with-a-long-name.service".into(),
        policy: "rest".into(),
        mode: Mode::Recommend,
        pinned: true,
        memory: None,
        signals: Signals {
            oom_kills: Some(2),
            ..Signals::default()
        },
        cpu: a_workload().cpu.map(|cpu| ResourceState {
            limit: Quantity::Unlimited,
            foreign: true,
            ..cpu
        }),
        ..a_workload()
    };
    vec![a_workload(), idle]
}

#[test]
fn status_shows_everything() {
    both("status", &a_status(), status::render);
    golden(
        "status_new",
        &status::render(&Status {
            version: "0.1.0".into(),
            ..Status::default()
        }),
    );
}

#[test]
fn workloads_line_up() {
    both("workloads", &some_workloads(), |workloads| {
        workloads::render(workloads)
    });
    golden("workloads_none", &workloads::render(&[]));
}

#[test]
fn show_has_limits_and_what_stands_in_their_way() {
    let workload = Workload {
        anomalies: some_anomalies(),
        beyond: Beyond {
            hint: Some(Hint {
                instances: 3,
                demand: cpu(5_000_000),
                capacity: cpu(2_000_000),
            }),
            balancing_weight: Some(12),
        },
        ..a_workload()
    };
    let detail = Detail {
        workload,
        children: vec![
            "/system.slice/nginx.service/a".into(),
            "/system.slice/nginx.service/b".into(),
        ],
        counters: Counters {
            lifts: 17,
            trims: 4,
            denials: 1,
            foreign_writes: 0,
        },
        stalls: some_stalls(),
        recent: some_entries(),
        runtimes: vec![
            Runtime {
                name: "Java".into(),
                processes: 2,
                sizing: "sizes its threads and heap at start, from the limits it then saw".into(),
                unbounded: vec!["visible_cpus_min".into(), "visible_memory_min".into()],
                ..Runtime::default()
            },
            Runtime {
                name: "Go".into(),
                version: Some("1.24.9".into()),
                processes: 1,
                sizing: "does not look at its limits".into(),
                ..Runtime::default()
            },
        ],
        waits: Some(vec![Bin {
            from_ns: 1_024,
            count: 7,
        }]),
        answers: None,
    };
    both("show", &detail, show::render);
}

#[test]
fn show_says_where_weight_alone_shares_cpu_out() {
    let workload = Workload {
        cpu_weight: Some(1_000),
        cpu: None,
        ..a_workload()
    };
    let detail = Detail {
        workload,
        ..Detail::default()
    };
    let text = show::render(&detail);
    assert!(text.contains("no quota, shared by weight 1000\n"), "{text}");
    assert!(!text.contains("\ncpu "), "no row of limits: {text}");
}

#[test]
fn why_names_who_was_in_front() {
    let cause = |cause, behind: Option<&str>, ns| WaitCause {
        cause,
        behind: behind.map(Into::into),
        ns,
    };
    let why = Why {
        workload: "web".into(),
        path: "/shop/web".into(),
        window_ns: 10_000_000_000,
        ran_ns: 6_900_000_000,
        waited_ns: 3_100_000_000,
        causes: vec![
            cause(WaitKind::Workload, Some("batch"), 2_300_000_000),
            cause(WaitKind::Quota, None, 600_000_000),
            cause(WaitKind::Siblings, None, 100_000_000),
            cause(
                WaitKind::Group,
                Some("/system.slice/cron.service"),
                60_000_000,
            ),
            cause(WaitKind::Short, None, 40_000_000),
        ],
    };
    both("why", &why, why::render);
    let idle = Why {
        ran_ns: 0,
        waited_ns: 0,
        causes: Vec::new(),
        ..why.clone()
    };
    golden("why_idle", &why::render(&idle));
    golden(
        "why_new",
        &why::render(&Why {
            window_ns: 0,
            ..idle
        }),
    );
}

#[test]
fn doctor_says_what_to_do() {
    let finding = |area: &str, name: &str, state, why: &str, remedy: &str| Finding {
        area: area.into(),
        name: name.into(),
        state,
        why: why.into(),
        remedy: remedy.into(),
    };
    let findings = vec![
        finding(
            "probes",
            "quota",
            FindingState::On,
            "attached to sched_switch",
            "",
        ),
        finding(
            "probes",
            "runq",
            FindingState::Off,
            "no BTF",
            "install a kernel with CONFIG_DEBUG_INFO_BTF",
        ),
        finding(
            "scheduling",
            "fast loop",
            FindingState::Degraded,
            "nice -20: SCHED_FIFO was refused",
            "run as root",
        ),
    ];
    both("doctor", &findings, |findings| doctor::render(findings));
}

#[test]
fn restore_says_what_is_back() {
    let one = |file: &str, done, note: &str| Restored {
        path: "/demo/web".into(),
        file: file.into(),
        now: "10000 100000".into(),
        original: "10000 100000".into(),
        done,
        note: note.into(),
    };
    let restored = vec![
        one("cpu.max", true, ""),
        one(
            "memory.max",
            false,
            "original lies below present use; tried again later",
        ),
    ];
    both("restore", &restored, |restored| restore::render(restored));
    golden("restore_nothing", &restore::render(&[]));
}

#[test]
fn colours_are_for_terminals() {
    let text = status::render(&a_status());
    assert!(text.contains('\u{1b}'), "there are colours to take out");
    assert!(
        !serde_json::to_string(&a_status())
            .unwrap()
            .contains('\u{1b}')
    );
}
