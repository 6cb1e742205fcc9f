//! Who uses a device.

use std::{
    ffi::{c_int, c_uint, c_ulonglong},
    time::{SystemTime, UNIX_EPOCH},
};

use crate::{
    answer::{Handle, NOT_FOUND, NOT_SUPPORTED, about, put_list},
    script::{Device, Process},
};

/// What stands for no instance.
const NONE: c_uint = c_uint::MAX;

/// `nvmlProcessInfo_t`
#[derive(Clone, Copy)]
#[repr(C)]
struct ProcessInfo {
    pid: c_uint,
    used_gpu_memory: c_ulonglong,
    gpu_instance_id: c_uint,
    compute_instance_id: c_uint,
}

/// `nvmlProcessUtilizationSample_t`
#[derive(Clone, Copy)]
#[repr(C)]
struct Sample {
    pid: c_uint,
    time_stamp: c_ulonglong,
    sm_util: c_uint,
    mem_util: c_uint,
    enc_util: c_uint,
    dec_util: c_uint,
}

/// Defines functions that list processes.
macro_rules! lists {
    ($($name:ident: $field:ident;)*) => {$(
        /// # Safety
        /// `count` is null or may be read and written; `to` is null, or has room for so many.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(
            device: Handle,
            count: *mut c_uint,
            to: *mut ProcessInfo,
        ) -> c_int {
            about(device, stringify!($name), |device| {
                let list: Vec<_> = device.$field.iter().map(info).collect();
                // SAFETY: by our own contract.
                unsafe { put_list(to, count, &list) }
            })
        }
    )*};
}

lists! {
    nvmlDeviceGetComputeRunningProcesses_v3: compute;
    nvmlDeviceGetGraphicsRunningProcesses_v3: graphics;
    nvmlDeviceGetMPSComputeRunningProcesses_v3: mps_clients;
}

fn info(process: &Process) -> ProcessInfo {
    ProcessInfo {
        pid: process.pid,
        used_gpu_memory: process.memory,
        gpu_instance_id: NONE,
        compute_instance_id: NONE,
    }
}

/// # Safety
/// `count` is null or may be read and written; `to` is null, or has room for so many.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetProcessUtilization(
    device: Handle,
    to: *mut Sample,
    count: *mut c_uint,
    last_seen: c_ulonglong,
) -> c_int {
    about(device, "nvmlDeviceGetProcessUtilization", |device| {
        if device.mig.as_ref().is_some_and(|all| !all.is_empty()) {
            return Err(NOT_SUPPORTED);
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = u64::try_from(now.unwrap_or_default().as_micros()).unwrap_or(0);
        let samples: Vec<_> = samples(device, now)
            .filter(|sample| sample.time_stamp > last_seen)
            .collect();
        if samples.is_empty() {
            return Err(NOT_FOUND);
        }
        // SAFETY: by our own contract.
        unsafe { put_list(to, count, &samples) }
    })
}

/// Each process has an older sample beside its latest, and the first is noise, as from some drivers.
fn samples(device: &Device, now: u64) -> impl Iterator<Item = Sample> {
    let sample = move |pid, age: u64, sm_util| Sample {
        pid,
        time_stamp: now - age,
        sm_util,
        mem_util: 0,
        enc_util: 0,
        dec_util: 0,
    };
    let used = |process: &Process| Some((process.pid, process.used_percent?));
    let listed = [&device.compute, &device.graphics].into_iter().flatten();
    listed.filter_map(used).flat_map(move |(pid, used)| {
        [
            sample(pid, 100_000, 4_000_000_000),
            sample(pid, 500_000, used),
            sample(pid, 900_000, 100),
            sample(pid, 60_000_000, 100),
        ]
    })
}
