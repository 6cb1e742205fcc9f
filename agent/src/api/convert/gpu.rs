//! GPUs and who uses them.

use super::{Malformed, all, each};
use crate::api::{proto, view};

impl From<view::Gpus> for proto::Gpus {
    fn from(gpus: view::Gpus) -> Self {
        let driver = match gpus.driver {
            view::GpuDriver::Off => proto::GpuDriver::Off,
            view::GpuDriver::None => proto::GpuDriver::None,
            view::GpuDriver::Starting => proto::GpuDriver::Starting,
            view::GpuDriver::Here => proto::GpuDriver::Here,
            view::GpuDriver::Refuses => proto::GpuDriver::Refuses,
            view::GpuDriver::Silent => proto::GpuDriver::Silent,
        };
        Self {
            driver: driver.into(),
            why: gpus.why,
            age_ns: gpus.age_ns,
            silent_ns: gpus.silent_ns,
            devices: all(gpus.devices),
            devices_left_out: gpus.devices_left_out,
            processes_left_out: gpus.processes_left_out,
        }
    }
}

impl TryFrom<proto::Gpus> for view::Gpus {
    type Error = Malformed;

    fn try_from(gpus: proto::Gpus) -> Result<Self, Malformed> {
        let driver = match gpus.driver() {
            proto::GpuDriver::Off => view::GpuDriver::Off,
            proto::GpuDriver::None => view::GpuDriver::None,
            proto::GpuDriver::Starting => view::GpuDriver::Starting,
            proto::GpuDriver::Here => view::GpuDriver::Here,
            proto::GpuDriver::Refuses => view::GpuDriver::Refuses,
            proto::GpuDriver::Silent => view::GpuDriver::Silent,
            proto::GpuDriver::Unspecified => return Err(Malformed("driver")),
        };
        Ok(Self {
            driver,
            why: gpus.why,
            age_ns: gpus.age_ns,
            silent_ns: gpus.silent_ns,
            devices: each(gpus.devices)?,
            devices_left_out: gpus.devices_left_out,
            processes_left_out: gpus.processes_left_out,
        })
    }
}

impl From<view::GpuState> for proto::GpuState {
    fn from(state: view::GpuState) -> Self {
        match state {
            view::GpuState::Here => Self::Here,
            view::GpuState::Lost => Self::Lost,
            view::GpuState::Denied => Self::Denied,
            view::GpuState::Unreadable => Self::Unreadable,
        }
    }
}

impl From<view::Gpu> for proto::Gpu {
    fn from(gpu: view::Gpu) -> Self {
        Self {
            index: gpu.index,
            uuid: gpu.uuid,
            name: gpu.name,
            state: proto::GpuState::from(gpu.state).into(),
            why: gpu.why,
            used_percent: gpu.used_percent,
            memory_used_bytes: gpu.memory_used_bytes,
            memory_total_bytes: gpu.memory_total_bytes,
            power_milliwatts: gpu.power_milliwatts,
            power_limit_milliwatts: gpu.power_limit_milliwatts,
            sm_clock_mhz: gpu.sm_clock_mhz,
            memory_clock_mhz: gpu.memory_clock_mhz,
            temperature_celsius: gpu.temperature_celsius,
            throttled_by: gpu.throttled_by,
            ecc_uncorrected: gpu.ecc_uncorrected,
            last_xid: gpu.last_xid,
            mig: gpu.mig,
            instances: all(gpu.instances),
            processes: gpu.processes,
            unattributed_memory_bytes: gpu.unattributed_memory_bytes,
            unattributed_percent: gpu.unattributed_percent,
            mps: gpu.mps,
            waits_for_cpu: gpu.waits_for_cpu,
        }
    }
}

impl TryFrom<proto::Gpu> for view::Gpu {
    type Error = Malformed;

    fn try_from(gpu: proto::Gpu) -> Result<Self, Malformed> {
        let state = match gpu.state() {
            proto::GpuState::Here => view::GpuState::Here,
            proto::GpuState::Lost => view::GpuState::Lost,
            proto::GpuState::Denied => view::GpuState::Denied,
            proto::GpuState::Unreadable => view::GpuState::Unreadable,
            proto::GpuState::Unspecified => return Err(Malformed("state")),
        };
        Ok(Self {
            index: gpu.index,
            uuid: gpu.uuid,
            name: gpu.name,
            state,
            why: gpu.why,
            used_percent: gpu.used_percent,
            memory_used_bytes: gpu.memory_used_bytes,
            memory_total_bytes: gpu.memory_total_bytes,
            power_milliwatts: gpu.power_milliwatts,
            power_limit_milliwatts: gpu.power_limit_milliwatts,
            sm_clock_mhz: gpu.sm_clock_mhz,
            memory_clock_mhz: gpu.memory_clock_mhz,
            temperature_celsius: gpu.temperature_celsius,
            throttled_by: gpu.throttled_by,
            ecc_uncorrected: gpu.ecc_uncorrected,
            last_xid: gpu.last_xid,
            mig: gpu.mig,
            instances: each(gpu.instances)?,
            processes: gpu.processes,
            unattributed_memory_bytes: gpu.unattributed_memory_bytes,
            unattributed_percent: gpu.unattributed_percent,
            mps: gpu.mps,
            waits_for_cpu: gpu.waits_for_cpu,
        })
    }
}

impl From<view::GpuInstance> for proto::GpuInstance {
    fn from(instance: view::GpuInstance) -> Self {
        Self {
            index: instance.index,
            uuid: instance.uuid,
            memory_used_bytes: instance.memory_used_bytes,
            memory_total_bytes: instance.memory_total_bytes,
        }
    }
}

impl From<proto::GpuInstance> for view::GpuInstance {
    fn from(instance: proto::GpuInstance) -> Self {
        Self {
            index: instance.index,
            uuid: instance.uuid,
            memory_used_bytes: instance.memory_used_bytes,
            memory_total_bytes: instance.memory_total_bytes,
        }
    }
}

impl From<view::GpuShare> for proto::GpuShare {
    fn from(share: view::GpuShare) -> Self {
        Self {
            index: share.index,
            memory_bytes: share.memory_bytes,
            used_percent: share.used_percent,
            waits_for_cpu: share.waits_for_cpu,
        }
    }
}

impl From<proto::GpuShare> for view::GpuShare {
    fn from(share: proto::GpuShare) -> Self {
        Self {
            index: share.index,
            memory_bytes: share.memory_bytes,
            used_percent: share.used_percent,
            waits_for_cpu: share.waits_for_cpu,
        }
    }
}
