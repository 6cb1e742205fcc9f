//! Reading one device.

use nvml_wrapper::{
    Device as Handle, Nvml,
    bitmasks::device::ThrottleReasons,
    enum_wrappers::device::{Clock, EccCounter, MemoryError, TemperatureSensor},
    error::NvmlError,
};

use super::{
    process::processes,
    reading::{
        Device, DeviceState, Driver, Instance, MAX_DEVICES, MAX_INSTANCES, MAX_PROCESSES, Reading,
    },
    xid::Last,
};
use crate::sense::hierarchy::Hierarchies;

/// Asks for everything once. What a device was called, the round before knows.
///
/// # Errors
/// The driver has gone.
pub(super) fn read(
    nvml: &Nvml,
    hierarchies: &Hierarchies,
    before: &Reading,
    xids: &Last,
) -> Result<Reading, NvmlError> {
    let count = nvml.device_count()?;
    let mut reading = Reading {
        driver: Driver::Here,
        devices_left_out: count.saturating_sub(MAX_DEVICES),
        ..Reading::default()
    };
    let mut room = MAX_PROCESSES;
    for index in 0..count.min(MAX_DEVICES) {
        let mut device = Device {
            index,
            ..Device::default()
        };
        let left_out = &mut reading.processes_left_out;
        if let Err(error) = fill(&mut device, nvml, hierarchies, &mut room, left_out) {
            device = without(&device, &error, before);
        }
        device.xid = xids.get(&device.uuid).copied();
        reading.devices.push(device);
    }
    Ok(reading)
}

/// A device that has stopped answering: half of its values would be of no use.
fn without(device: &Device, error: &NvmlError, before: &Reading) -> Device {
    let mut same = before.devices.iter();
    let known = same.find(|known| known.index == device.index);
    let called = known.filter(|_| device.uuid.is_empty()).unwrap_or(device);
    Device {
        index: device.index,
        state: state(error),
        name: called.name.clone(),
        uuid: called.uuid.clone(),
        ..Device::default()
    }
}

/// What an error says about a device.
fn state(error: &NvmlError) -> DeviceState {
    match error {
        NvmlError::GpuLost | NvmlError::ResetRequired | NvmlError::NotFound => DeviceState::Lost,
        NvmlError::NoPermission | NvmlError::OperatingSystem => DeviceState::Denied,
        other => DeviceState::Unreadable(other.to_string()),
    }
}

/// A value that a device may not have, or may not tell to us; only the loss of the device itself
/// or of the driver is worth ending for.
///
/// # Errors
/// The device or the driver has gone.
pub(super) fn known<T>(result: Result<T, NvmlError>) -> Result<Option<T>, NvmlError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(
            error @ (NvmlError::GpuLost
            | NvmlError::ResetRequired
            | NvmlError::Uninitialized
            | NvmlError::DriverNotLoaded),
        ) => Err(error),
        Err(_) => Ok(None),
    }
}

fn fill(
    to: &mut Device,
    nvml: &Nvml,
    hierarchies: &Hierarchies,
    room: &mut usize,
    left_out: &mut u32,
) -> Result<(), NvmlError> {
    let device = nvml.device_by_index(to.index)?;
    to.uuid = device.uuid()?;
    to.name = known(device.name())?.unwrap_or_default();
    to.used_percent = known(device.utilization_rates())?.map(|used| used.gpu);
    to.memory = memory(&device)?;
    to.power_mw = known(device.power_usage())?;
    to.power_limit_mw = known(device.enforced_power_limit())?;
    to.sm_mhz = known(device.clock_info(Clock::SM))?;
    to.memory_mhz = known(device.clock_info(Clock::Memory))?;
    to.celsius = known(device.temperature(TemperatureSensor::Gpu))?;
    to.throttled_by = known(device.current_throttle_reasons())?.map_or_else(Vec::new, names);
    let errors = device.total_ecc_errors(MemoryError::Uncorrected, EccCounter::Volatile);
    to.ecc_uncorrected = known(errors)?;
    to.mig = known(device.mig_mode())?.map(|mode| mode.current != 0);
    if to.mig == Some(true) {
        to.instances = instances(&device)?;
    }
    to.processes = processes(&device, hierarchies, room, left_out)?;
    Ok(())
}

/// Memory in use and in all, in bytes.
fn memory(device: &Handle<'_>) -> Result<Option<(u64, u64)>, NvmlError> {
    Ok(known(device.memory_info())?.map(|memory| (memory.used, memory.total)))
}

fn instances(device: &Handle<'_>) -> Result<Vec<Instance>, NvmlError> {
    let count = known(device.mig_device_count())?.unwrap_or(0);
    let mut found = Vec::new();
    for index in 0..count.min(MAX_INSTANCES) {
        // Numbers need not follow each other.
        let Some(instance) = known(device.mig_device_by_index(index))? else {
            continue;
        };
        found.push(Instance {
            index,
            uuid: known(instance.uuid())?.unwrap_or_default(),
            memory: memory(&instance)?,
        });
    }
    Ok(found)
}

/// Reasons by name. That a device idles is no reason why it is slow.
fn names(reasons: ThrottleReasons) -> Vec<&'static str> {
    [
        (
            ThrottleReasons::APPLICATIONS_CLOCKS_SETTING,
            "applications-clocks",
        ),
        (ThrottleReasons::SW_POWER_CAP, "sw-power-cap"),
        (ThrottleReasons::HW_SLOWDOWN, "hw-slowdown"),
        (ThrottleReasons::SYNC_BOOST, "sync-boost"),
        (ThrottleReasons::SW_THERMAL_SLOWDOWN, "sw-thermal"),
        (ThrottleReasons::HW_THERMAL_SLOWDOWN, "hw-thermal"),
        (ThrottleReasons::HW_POWER_BRAKE_SLOWDOWN, "hw-power-brake"),
        (ThrottleReasons::DISPLAY_CLOCK_SETTING, "display-clocks"),
    ]
    .into_iter()
    .filter(|(reason, _)| reasons.contains(*reason))
    .map(|(_, name)| name)
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_errors_say() {
        for error in [
            NvmlError::GpuLost,
            NvmlError::ResetRequired,
            NvmlError::DriverNotLoaded,
        ] {
            assert!(known::<u32>(Err(error)).is_err());
        }
        for error in [
            NvmlError::NotSupported,
            NvmlError::NoPermission,
            NvmlError::Unknown,
        ] {
            assert!(known::<u32>(Err(error)).unwrap().is_none());
        }
        assert_eq!(state(&NvmlError::GpuLost), DeviceState::Lost);
        assert_eq!(state(&NvmlError::NoPermission), DeviceState::Denied);
        assert!(matches!(
            state(&NvmlError::IrqIssue),
            DeviceState::Unreadable(_)
        ));
    }

    #[test]
    fn reasons_have_names_and_idling_is_none() {
        assert!(names(ThrottleReasons::GPU_IDLE).is_empty());
        let reasons = ThrottleReasons::GPU_IDLE
            | ThrottleReasons::SW_POWER_CAP
            | ThrottleReasons::HW_THERMAL_SLOWDOWN;
        assert_eq!(names(reasons), ["sw-power-cap", "hw-thermal"]);
    }

    #[test]
    fn a_lost_device_keeps_its_name_and_nothing_else() {
        let whole = Device {
            index: 3,
            name: "a".into(),
            uuid: "GPU-1".into(),
            used_percent: Some(5),
            ..Device::default()
        };
        let before = Reading {
            devices: vec![whole.clone()],
            ..Reading::default()
        };
        let lost = Device {
            index: 3,
            state: DeviceState::Lost,
            name: "a".into(),
            uuid: "GPU-1".into(),
            ..Device::default()
        };
        let empty = Device {
            index: 3,
            ..Device::default()
        };
        assert_eq!(without(&empty, &NvmlError::GpuLost, &before), lost);
        assert_eq!(
            without(&whole, &NvmlError::GpuLost, &Reading::default()),
            lost
        );
    }
}
