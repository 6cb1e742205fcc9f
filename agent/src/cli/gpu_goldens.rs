//! What users read about GPUs, from fixed views.

use super::{
    doctor,
    goldens::{a_status, a_workload, both, golden},
    gpus, show, status,
};
use crate::api::view::*;

const GIB: u64 = 1 << 30;

/// A device in good health.
fn a_gpu(index: u32) -> Gpu {
    Gpu {
        index,
        uuid: format!("GPU-{index}"),
        name: "NVIDIA H200".into(),
        used_percent: Some(35),
        memory_used_bytes: Some(21 * GIB),
        memory_total_bytes: Some(140 * GIB),
        power_milliwatts: Some(310_499),
        power_limit_milliwatts: Some(700_000),
        sm_clock_mhz: Some(1_980),
        memory_clock_mhz: Some(3_201),
        temperature_celsius: Some(54),
        ecc_uncorrected: Some(0),
        mig: Some(false),
        processes: Some(2),
        unattributed_memory_bytes: Some(GIB),
        unattributed_percent: Some(5),
        ..Gpu::default()
    }
}

fn some_gpus() -> Gpus {
    let stands = |index, state, why: &str| Gpu {
        index,
        uuid: format!("GPU-{index}"),
        name: "NVIDIA H200".into(),
        state,
        why: why.into(),
        ..Gpu::default()
    };
    let idle = Gpu {
        used_percent: Some(0),
        waits_for_cpu: vec!["/a".into(), "/b/c".into()],
        mps: true,
        ..a_gpu(1)
    };
    let hurt = Gpu {
        throttled_by: vec!["sw-power-cap".into(), "hw-thermal".into()],
        ecc_uncorrected: Some(2),
        last_xid: Some(48),
        ..a_gpu(2)
    };
    let divided = Gpu {
        used_percent: None,
        mig: Some(true),
        instances: vec![
            GpuInstance {
                index: 0,
                uuid: "MIG-0".into(),
                memory_used_bytes: Some(2 * GIB),
                memory_total_bytes: Some(70 * GIB),
            },
            GpuInstance {
                index: 2,
                uuid: "MIG-2".into(),
                ..GpuInstance::default()
            },
        ],
        ..a_gpu(3)
    };
    Gpus {
        driver: GpuDriver::Here,
        age_ns: Some(400_000_000),
        devices: vec![
            a_gpu(0),
            idle,
            hurt,
            divided,
            stands(4, GpuState::Lost, ""),
            stands(5, GpuState::Denied, ""),
            stands(6, GpuState::Unreadable, "an internal driver error occurred"),
        ],
        processes_left_out: 12,
        ..Gpus::default()
    }
}

#[test]
fn devices_line_up_and_say_what_is_wrong() {
    golden("gpus", &gpus::devices(&some_gpus()).unwrap());
    let status = Status {
        gpus: Gpus {
            devices: vec![a_gpu(0)],
            processes_left_out: 0,
            ..some_gpus()
        },
        ..Status::default()
    };
    both("status_gpus", &status, status::render);
}

#[test]
fn who_has_no_gpu_reads_nothing_of_any() {
    for driver in [
        GpuDriver::None,
        GpuDriver::Off,
        GpuDriver::Starting,
        GpuDriver::Here,
    ] {
        let gpus = Gpus {
            driver,
            why: "because".into(),
            ..Gpus::default()
        };
        let status = Status { gpus, ..a_status() };
        assert_eq!(status::render(&status), status::render(&a_status()));
    }
}

#[test]
fn a_driver_that_does_not_answer_is_said_to() {
    let silent = Gpus {
        driver: GpuDriver::Silent,
        silent_ns: Some(12_000_000_000),
        age_ns: Some(13_000_000_000),
        devices: vec![a_gpu(0)],
        ..Gpus::default()
    };
    let with = |gpus| {
        status::render(&Status {
            gpus,
            ..Status::default()
        })
    };
    golden("status_gpu_silent", &with(silent));
    let refuses = Gpus {
        driver: GpuDriver::Refuses,
        why: "RM detects a driver/library version mismatch".into(),
        ..Gpus::default()
    };
    golden("status_gpu_refuses", &with(refuses));
}

#[test]
fn show_has_what_a_workload_has_of_them() {
    let share = |index, memory_bytes, used_percent, waits_for_cpu| GpuShare {
        index,
        memory_bytes,
        used_percent,
        waits_for_cpu,
    };
    let detail = Detail {
        workload: Workload {
            gpus: vec![
                share(0, Some(2 * GIB), Some(35), false),
                share(1, Some(40 * GIB), Some(0), true),
                share(11, None, None, false),
            ],
            ..a_workload()
        },
        ..Detail::default()
    };
    both("show_gpus", &detail, show::render);
}

#[test]
fn doctor_has_a_line_for_who_has_none() {
    let finding = Finding {
        area: "gpu".into(),
        name: "driver".into(),
        state: FindingState::None,
        why: "no driver".into(),
        remedy: String::new(),
    };
    both("doctor_gpu_none", &vec![finding], |findings| {
        doctor::render(findings)
    });
}
