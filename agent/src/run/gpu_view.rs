//! What the API shows of GPUs.

use std::time::Duration;

use super::{
    agent::Agent,
    gpus::owner,
    workload::{Workload, Workloads},
};
use crate::{
    api::view::{Finding, FindingState, Gpu, GpuDriver, GpuInstance, GpuShare, GpuState, Gpus},
    sense::gpu::{Device, DeviceState, Driver, Heard, Instance, Process, Role},
};

impl Agent {
    /// The node's GPUs.
    pub(super) fn gpus(&self) -> Gpus {
        let Some(heard) = self.gpus.heard() else {
            return Gpus {
                driver: GpuDriver::Off,
                ..Gpus::default()
            };
        };
        let (driver, why) = standing(&heard);
        let device = |device: &Device| Gpu {
            waits_for_cpu: self
                .gpus
                .waiting(device.index, &self.workloads)
                .map(Workload::shown_path)
                .collect(),
            ..shown(device, &self.workloads)
        };
        Gpus {
            driver,
            why,
            age_ns: heard.age.map(ns),
            silent_ns: heard.silent.map(ns),
            devices: heard.reading.devices.iter().map(device).collect(),
            devices_left_out: heard.reading.devices_left_out,
            processes_left_out: heard.reading.processes_left_out,
        }
    }

    /// What a workload has of them.
    pub(super) fn gpu_shares(&self, workload: &Workload) -> Vec<GpuShare> {
        self.gpus
            .shares_of(workload)
            .map(|(index, share)| GpuShare {
                index,
                memory_bytes: share.memory,
                used_percent: share.used_percent,
                waits_for_cpu: share.waits_for_cpu(),
            })
            .collect()
    }
}

/// How the driver stands, and why.
fn standing(heard: &Heard) -> (GpuDriver, String) {
    match (&heard.reading.driver, heard.silent) {
        (_, Some(_)) => (GpuDriver::Silent, String::new()),
        (Driver::Unknown, None) => (GpuDriver::Starting, String::new()),
        (Driver::None(why), None) => (GpuDriver::None, why.clone()),
        (Driver::Here, None) => (GpuDriver::Here, String::new()),
        (Driver::Refuses(why), None) => (GpuDriver::Refuses, why.clone()),
    }
}

fn ns(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// One device, but for who waits for it.
fn shown(device: &Device, workloads: &Workloads) -> Gpu {
    let (state, why) = match &device.state {
        DeviceState::Here => (GpuState::Here, String::new()),
        DeviceState::Lost => (GpuState::Lost, String::new()),
        DeviceState::Denied => (GpuState::Denied, String::new()),
        DeviceState::Unreadable(why) => (GpuState::Unreadable, why.clone()),
    };
    let processes = device.processes.as_deref();
    let of_nobody = |process: &&Process| owner(process, workloads).is_none();
    let sum = |value: fn(&Process) -> Option<u64>| {
        let mut values = processes?.iter().filter(of_nobody).map(value);
        values.try_fold(0u64, |sum, value| Some(sum.saturating_add(value?)))
    };
    let used = sum(|process| match process.role {
        // It is in its server's.
        Role::MpsClient => Some(0),
        Role::Own | Role::MpsServer => process.used_percent.map(u64::from),
    });
    Gpu {
        index: device.index,
        uuid: device.uuid.clone(),
        name: device.name.clone(),
        state,
        why,
        used_percent: device.used_percent,
        memory_used_bytes: device.memory.map(|(used, _)| used),
        memory_total_bytes: device.memory.map(|(_, total)| total),
        power_milliwatts: device.power_mw,
        power_limit_milliwatts: device.power_limit_mw,
        sm_clock_mhz: device.sm_mhz,
        memory_clock_mhz: device.memory_mhz,
        temperature_celsius: device.celsius,
        throttled_by: device
            .throttled_by
            .iter()
            .map(ToString::to_string)
            .collect(),
        ecc_uncorrected: device.ecc_uncorrected,
        last_xid: device.xid,
        mig: device.mig,
        instances: device.instances.iter().map(instance).collect(),
        processes: processes.map(|all| u32::try_from(all.len()).unwrap_or(u32::MAX)),
        unattributed_memory_bytes: sum(|process| process.memory),
        unattributed_percent: used.map(|used| u32::try_from(used).unwrap_or(u32::MAX)),
        mps: processes.is_some_and(|all| all.iter().any(|one| one.role == Role::MpsServer)),
        waits_for_cpu: Vec::new(),
    }
}

fn instance(instance: &Instance) -> GpuInstance {
    GpuInstance {
        index: instance.index,
        uuid: instance.uuid.clone(),
        memory_used_bytes: instance.memory.map(|(used, _)| used),
        memory_total_bytes: instance.memory.map(|(_, total)| total),
    }
}

/// GPUs for `doctor`; `None` where nothing is asked.
pub(super) fn gpu_finding(heard: Option<&Heard>) -> Finding {
    let (state, why, remedy) = match heard.map(|heard| (standing(heard), heard)) {
        None => (
            FindingState::None,
            "left alone: `enabled = false`".into(),
            "",
        ),
        Some(((GpuDriver::Silent, _), heard)) => (
            FindingState::Off,
            format!(
                "does not answer since {} s",
                heard.silent.unwrap_or_default().as_secs()
            ),
            "look into the kernel's log for the driver's messages",
        ),
        Some(((GpuDriver::Refuses, why), _)) => (
            FindingState::Off,
            why,
            "the library and the kernel module must be of one version, and root may ask",
        ),
        Some(((GpuDriver::None | GpuDriver::Off, why), _)) => (FindingState::None, why, ""),
        Some(((GpuDriver::Starting, _), _)) => {
            (FindingState::Degraded, "has not answered yet".into(), "")
        }
        Some(((GpuDriver::Here, _), heard)) => devices(&heard.reading.devices),
    };
    Finding {
        area: "gpu".into(),
        name: "driver".into(),
        state,
        why,
        remedy: remedy.into(),
    }
}

/// A word on the devices of a driver that answers.
fn devices(devices: &[Device]) -> (FindingState, String, &'static str) {
    let here = |device: &&Device| device.state == DeviceState::Here;
    match (devices.iter().filter(here).count(), devices.len()) {
        (_, 0) => (FindingState::None, "no device".into(), ""),
        (here, all) if here == all => (FindingState::On, format!("{all} answer"), ""),
        (here, all) => (
            FindingState::Degraded,
            format!("{here} of {all} answer"),
            "`trimtab status` says how the others stand",
        ),
    }
}
