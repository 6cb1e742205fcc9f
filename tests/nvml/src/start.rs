//! Opening, closing, counting, handles.

use std::ffi::{c_char, c_int, c_uint};

use crate::{
    answer::{Handle, INVALID_ARGUMENT, SUCCESS, handle, number, put, put_text},
    script::{ask, load, unload},
};

#[unsafe(no_mangle)]
extern "C" fn nvmlInit_v2() -> c_int {
    match load() {
        SUCCESS => number(ask("nvmlInit_v2").map(drop)),
        error => error,
    }
}

#[unsafe(no_mangle)]
extern "C" fn nvmlShutdown() -> c_int {
    unload();
    SUCCESS
}

/// # Safety
/// `version` has room for `length` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlSystemGetDriverVersion(version: *mut c_char, length: c_uint) -> c_int {
    // SAFETY: by our own contract.
    let put = |_| unsafe { put_text(version, length, "580.95.05") };
    number(ask("nvmlSystemGetDriverVersion").and_then(put))
}

/// # Safety
/// `count` is null or may be written.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetCount_v2(count: *mut c_uint) -> c_int {
    // Damage while it is rewritten is looked over: the script before stays in force.
    load();
    number(ask("nvmlDeviceGetCount_v2").and_then(|script| {
        // SAFETY: by our own contract.
        unsafe { put(count, c_uint::try_from(script.devices.len()).ok()) }
    }))
}

/// # Safety
/// `device` is null or may be written.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetHandleByIndex_v2(index: c_uint, device: *mut Handle) -> c_int {
    let function = "nvmlDeviceGetHandleByIndex_v2";
    number(ask(function).and_then(|script| {
        let index = usize::try_from(index).map_err(|_| INVALID_ARGUMENT)?;
        script.device(index, function)?;
        // SAFETY: by our own contract.
        unsafe { put(device, Some(handle(index))) }
    }))
}
