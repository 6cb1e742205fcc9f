//! One device's values.

use std::ffi::{c_char, c_int, c_uint, c_ulonglong};

use crate::answer::{
    ARGUMENT_VERSION_MISMATCH, Handle, INVALID_ARGUMENT, NOT_FOUND, NOT_SUPPORTED, about,
    about_any, instance_handle, meant, put, put_text,
};

/// `NVML_CLOCK_SM`
const SM: c_uint = 1;
/// `NVML_CLOCK_MEM`
const MEM: c_uint = 2;

/// `nvmlUtilization_t`
#[repr(C)]
struct Utilization {
    gpu: c_uint,
    memory: c_uint,
}

/// `nvmlMemory_v2_t`
#[repr(C)]
struct Memory {
    version: c_uint,
    total: c_ulonglong,
    reserved: c_ulonglong,
    free: c_ulonglong,
    used: c_ulonglong,
}

impl Memory {
    /// `nvmlMemory_v2`: the size, and above it the version.
    const VERSION: usize = size_of::<Self>() | 2 << 24;
}

/// Defines functions that write one number about a device.
macro_rules! numbers {
    ($($name:ident -> $type:ty: $value:expr;)*) => {$(
        /// # Safety
        /// `to` is null or may be written.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(device: Handle, to: *mut $type) -> c_int {
            about(device, stringify!($name), |device| {
                let value: fn(&crate::script::Device) -> Option<$type> = $value;
                // SAFETY: by our own contract.
                unsafe { put(to, value(device)) }
            })
        }
    )*};
}

numbers! {
    nvmlDeviceGetUtilizationRates -> Utilization: |device| {
        let gpu = device.used_percent?;
        Some(Utilization { gpu, memory: 0 })
    };
    nvmlDeviceGetPowerUsage -> c_uint: |device| device.power_mw;
    nvmlDeviceGetEnforcedPowerLimit -> c_uint: |device| device.power_limit_mw;
    nvmlDeviceGetCurrentClocksThrottleReasons -> c_ulonglong: |device| device.throttle_bits;
    nvmlDeviceGetMaxMigDeviceCount -> c_uint: |device| {
        c_uint::try_from(device.mig.as_ref()?.len()).ok()
    };
}

/// # Safety
/// `to` has room for `length` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetName(device: Handle, to: *mut c_char, length: c_uint) -> c_int {
    about(device, "nvmlDeviceGetName", |device| {
        // SAFETY: by our own contract.
        unsafe { put_text(to, length, &device.name) }
    })
}

/// # Safety
/// `to` has room for `length` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetUUID(device: Handle, to: *mut c_char, length: c_uint) -> c_int {
    about_any(device, "nvmlDeviceGetUUID", |device, instance| {
        let uuid = instance.map_or(&device.uuid, |instance| &instance.uuid);
        // SAFETY: by our own contract.
        unsafe { put_text(to, length, uuid) }
    })
}

/// # Safety
/// `to` is null or may be read and written.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetMemoryInfo_v2(device: Handle, to: *mut Memory) -> c_int {
    about_any(device, "nvmlDeviceGetMemoryInfo_v2", |device, instance| {
        if to.is_null() {
            return Err(INVALID_ARGUMENT);
        }
        // SAFETY: it is not null, so by our own contract it may be read; the version comes first.
        let version = unsafe { to.cast::<c_uint>().read() };
        if version as usize != Memory::VERSION {
            return Err(ARGUMENT_VERSION_MISMATCH);
        }
        let memory = match instance {
            Some(instance) => instance.memory,
            None => device.memory.ok_or(NOT_SUPPORTED)?,
        };
        let (used, total) = memory;
        let memory = Memory {
            version,
            total,
            reserved: 0,
            free: total.saturating_sub(used),
            used,
        };
        // SAFETY: by our own contract.
        unsafe { put(to, Some(memory)) }
    })
}

/// # Safety
/// `to` is null or may be written.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetClockInfo(
    device: Handle,
    clock: c_uint,
    to: *mut c_uint,
) -> c_int {
    about(device, "nvmlDeviceGetClockInfo", |device| {
        let mhz = match clock {
            SM => device.sm_mhz,
            MEM => device.memory_mhz,
            _ => return Err(INVALID_ARGUMENT),
        };
        // SAFETY: by our own contract.
        unsafe { put(to, mhz) }
    })
}

/// # Safety
/// `to` is null or may be written.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetTemperature(
    device: Handle,
    sensor: c_uint,
    to: *mut c_uint,
) -> c_int {
    about(device, "nvmlDeviceGetTemperature", |device| {
        if sensor != 0 {
            return Err(INVALID_ARGUMENT);
        }
        // SAFETY: by our own contract.
        unsafe { put(to, device.celsius) }
    })
}

/// # Safety
/// `to` is null or may be written.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetTotalEccErrors(
    device: Handle,
    kind: c_uint,
    counter: c_uint,
    to: *mut c_ulonglong,
) -> c_int {
    about(device, "nvmlDeviceGetTotalEccErrors", |device| {
        // Uncorrected, and since the driver was loaded: the others are not scripted.
        if (kind, counter) != (1, 0) {
            return Err(INVALID_ARGUMENT);
        }
        // SAFETY: by our own contract.
        unsafe { put(to, device.ecc_uncorrected) }
    })
}

/// # Safety
/// `current` and `pending` are null or may be written.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetMigMode(
    device: Handle,
    current: *mut c_uint,
    pending: *mut c_uint,
) -> c_int {
    about(device, "nvmlDeviceGetMigMode", |device| {
        let mode = device.mig.as_ref().map(|all| u32::from(!all.is_empty()));
        // SAFETY: by our own contract.
        unsafe {
            put(current, mode)?;
            put(pending, mode)
        }
    })
}

/// # Safety
/// `to` is null or may be written.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetMigDeviceHandleByIndex(
    device: Handle,
    index: c_uint,
    to: *mut Handle,
) -> c_int {
    let (number, _) = meant(device);
    about(device, "nvmlDeviceGetMigDeviceHandleByIndex", |device| {
        let all = device.mig.as_ref().ok_or(NOT_SUPPORTED)?;
        let index = index as usize;
        let instance = all.get(index).ok_or(INVALID_ARGUMENT)?;
        instance.as_ref().ok_or(NOT_FOUND)?;
        // SAFETY: by our own contract.
        unsafe { put(to, Some(instance_handle(number, index))) }
    })
}
