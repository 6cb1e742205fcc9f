//! What the fake agent shows of the node, of stalls, of a recording, of shadows and of who a workload is: no field is what
//! it is by default.

use trimtab::api::view::{
    Anomaly, Block, Comparison, Cost, Course, Energy, EnergyState, Gpu, GpuDriver, GpuInstance,
    GpuState, Gpus, Identity, Lacks, Latency, Pressure, Pressures, Process, Processes, ProgramCost,
    Quantity, Reclaim, Recording, Room, Runtime, Shed, Stalls,
};
use trimtab::identity::container::Qos;
use trimtab_core::signal::Resource;

/// Something that is out of the ordinary.
pub(crate) fn anomaly(name: &str) -> Anomaly {
    Anomaly {
        workload: name.into(),
        path: format!("/demo/{name}"),
        kind: "leak".into(),
        resource: Resource::Memory,
        text: "It leaks.".into(),
        for_ns: 28,
    }
}

/// Somebody of whom almost everything is known.
pub(crate) fn identity() -> Identity {
    Identity {
        sources: vec!["systemd".into(), "/run/runtime.sock".into()],
        unit: Some("unit".into()),
        description: Some("description".into()),
        slice: Some("slice".into()),
        invocation_id: Some("invocation".into()),
        container: Some("container".into()),
        container_id: Some("id".into()),
        image: Some("image".into()),
        sandbox: true,
        namespace: Some("namespace".into()),
        pod: Some("pod".into()),
        pod_uid: Some("uid".into()),
        qos: Some(Qos::BestEffort),
        labels: [("key".to_owned(), "value".to_owned())].into(),
        cpu_request: Some(Quantity::MicroCpus(16)),
        cpu_limit: Some(Quantity::MicroCpus(17)),
        memory_request: None,
        memory_limit: Some(Quantity::Bytes(18)),
    }
}

/// One runtime, of which everything is known.
pub(crate) fn runtimes() -> Vec<Runtime> {
    vec![Runtime {
        name: "Go".into(),
        version: Some("1.25.3".into()),
        processes: 3,
        sizing: "keeps to it".into(),
        unbounded: vec!["visible_cpus_min".into()],
    }]
}

/// Stalls in which every field has a value of its own.
pub(crate) fn stalls() -> Stalls {
    let latency = |count| Latency {
        count,
        total_ns: count + 1,
        p50_ns: Some(count + 2),
        p99_ns: None,
    };
    let pressure = |some_bp: u32| Pressure {
        some_bp,
        some_ns: 41,
        full_bp: some_bp + 1,
        full_ns: 42,
    };
    Stalls {
        reclaim: Some(Reclaim {
            limit: latency(10),
            node: latency(20),
        }),
        memory: Some(Lacks {
            working_set_bytes: 31,
            refaults_anon: Some(32),
            refaults_file: Some(33),
            major_faults: None,
            high: 34,
            max: 35,
            oom: 36,
        }),
        block: Some(Block {
            read: latency(50),
            read_bytes: 61,
            written: latency(70),
            written_bytes: 81,
            queued: latency(90),
        }),
        pressure: Pressures {
            cpu: Some(pressure(43)),
            memory: Some(pressure(45)),
            io: None,
        },
    }
}

/// Nothing in it is what it is by default.
pub(crate) fn energy() -> Energy {
    Energy {
        state: EnergyState::Refused,
        why: "because".into(),
        milliwatts: Some(1),
        package_milliwatts: Some(2),
        memory_milliwatts: Some(3),
        gpu_milliwatts: Some(4),
        idle_milliwatts: Some(5),
        unattributed_milliwatts: Some(6),
        millijoules: 7,
        idle_millijoules: 8,
        unattributed_millijoules: 9,
    }
}

/// Nothing in it is what it is by default.
pub(crate) fn room() -> Room {
    Room {
        workloads: 1,
        waiting: 2,
        histograms: 3,
        sharing: 4,
        shared_waited_ns: Some(5),
        shared_waiting_p99_ns: Some(6),
    }
}

/// Nothing in it is what it is by default.
pub(crate) fn cost() -> Cost {
    Cost {
        cpu_micro_cpus: Some(1),
        probes_micro_cpus: Some(2),
        budget_micro_cpus: 3,
        over_cpu: true,
        map_bytes: 4,
        guardian_bytes: 5,
        budget_bytes: 6,
        over_memory: true,
        age_ns: Some(7),
        tick_ns: Some(13),
        longest_tick_ns: Some(14),
        why: "because".into(),
        programs: vec![ProgramCost {
            name: "a".into(),
            hook: "b".into(),
            probes: vec!["c".into()],
            runs_per_second: 8,
            ns_per_run: Some(9),
            micro_cpus: 10,
        }],
        shed: vec![Shed {
            probe: "d".into(),
            for_ns: 11,
            back_after_ns: 12,
        }],
    }
}

/// Devices in every state; in the first, every field has a value of its own.
pub(crate) fn gpus() -> Gpus {
    let whole = Gpu {
        index: 1,
        uuid: "GPU-2".into(),
        name: "three".into(),
        state: GpuState::Here,
        why: "four".into(),
        used_percent: Some(5),
        memory_used_bytes: Some(6),
        memory_total_bytes: Some(7),
        power_milliwatts: Some(8),
        power_limit_milliwatts: Some(9),
        sm_clock_mhz: Some(10),
        memory_clock_mhz: Some(11),
        temperature_celsius: Some(12),
        throttled_by: vec!["thirteen".into()],
        ecc_uncorrected: Some(14),
        last_xid: Some(15),
        mig: Some(true),
        instances: vec![GpuInstance {
            index: 16,
            uuid: "MIG-17".into(),
            memory_used_bytes: Some(18),
            memory_total_bytes: Some(19),
        }],
        processes: Some(20),
        unattributed_memory_bytes: Some(21),
        unattributed_percent: Some(22),
        mps: true,
        waits_for_cpu: vec!["/twenty-three".into()],
    };
    let states = [GpuState::Lost, GpuState::Denied, GpuState::Unreadable];
    let others = states.map(|state| Gpu {
        state,
        ..Gpu::default()
    });
    Gpus {
        driver: GpuDriver::Silent,
        why: "a".into(),
        age_ns: Some(24),
        silent_ns: Some(25),
        devices: [whole].into_iter().chain(others).collect(),
        devices_left_out: 26,
        processes_left_out: 27,
    }
}

pub(crate) fn recording() -> Recording {
    Recording {
        on: true,
        configured: false,
        directory: "/one".into(),
        bytes: 2,
        segments: 3,
        trouble: Some("four".into()),
    }
}

/// A comparison with a value of its own in every field.
pub(crate) fn comparison(name: &str) -> Comparison {
    let course = |policy: &str, first: u64| Course {
        policy: policy.into(),
        limit: Quantity::MicroCpus(first),
        mean_limit: Quantity::MicroCpus(first + 1),
        mean_held: Quantity::MicroCpus(first + 2),
        changes: first + 3,
        turns: first + 4,
        short_ns: first + 5,
        slack_per_mille: (first > 20).then_some(-7),
    };
    Comparison {
        workload: name.into(),
        path: format!("/demo/{name}"),
        resource: Resource::Cpu,
        age_ns: 1,
        compared_ns: 2,
        used: Quantity::MicroCpus(3),
        active: course("web", 10),
        shadow: course("tight", 30),
    }
}

/// A process of a workload with a value of its own in every field; without one, a process of none.
pub(crate) fn processes(of: Option<&str>) -> Processes {
    let process = Process {
        pid: 1,
        name: "worker".into(),
        workload: of.map(Into::into),
        cgroup: format!("/demo/{}", of.unwrap_or("none")),
        threads: 2,
        started_ns: 3,
        ran_ns: 4,
        waited_ns: 5,
        waits: 6,
        blocked_ns: 7,
        voluntary_switches: 8,
        involuntary_switches: 9,
        minor_faults: 10,
        major_faults: 11,
        io_delay_ns: Some(12),
        fault_delay_ns: None,
    };
    Processes {
        monotonic_ns: 20,
        processes: vec![process],
        left_out: 21,
        degraded: "no delays".into(),
    }
}
