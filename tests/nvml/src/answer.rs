//! How NVML answers: numbers for errors, handles, values written through pointers.

use std::{
    ffi::{c_char, c_int, c_uint, c_void},
    sync::Arc,
};

use crate::script::{Device, Instance, Script, ask};

pub(crate) const SUCCESS: c_int = 0;
pub(crate) const UNINITIALIZED: c_int = 1;
pub(crate) const INVALID_ARGUMENT: c_int = 2;
pub(crate) const NOT_SUPPORTED: c_int = 3;
pub(crate) const NOT_FOUND: c_int = 6;
pub(crate) const INSUFFICIENT_SIZE: c_int = 7;
pub(crate) const TIMEOUT: c_int = 10;
pub(crate) const GPU_IS_LOST: c_int = 15;
pub(crate) const ARGUMENT_VERSION_MISMATCH: c_int = 25;
pub(crate) const UNKNOWN: c_int = 999;

/// Handles are numbers here, never followed: a device's index, and above it the number of one of
/// its instances, each from 1.
pub(crate) type Handle = *mut c_void;

const INSTANCE_BITS: usize = 16;

/// The handle of a device.
pub(crate) fn handle(index: usize) -> Handle {
    std::ptr::without_provenance_mut(index + 1)
}

/// The handle of an instance of a device.
pub(crate) fn instance_handle(device: usize, index: usize) -> Handle {
    std::ptr::without_provenance_mut((device + 1) | ((index + 1) << INSTANCE_BITS))
}

/// What a handle stands for: a device by its index, and one of its instances.
pub(crate) fn meant(handle: Handle) -> (usize, Option<usize>) {
    let device = handle.addr() & ((1 << INSTANCE_BITS) - 1);
    let instance = handle.addr() >> INSTANCE_BITS;
    // A null handle stands for a device that is never there.
    (device.wrapping_sub(1), instance.checked_sub(1))
}

/// What a function does about a device, as NVML's number.
pub(crate) fn about(
    handle: Handle,
    function: &str,
    work: impl FnOnce(&Device) -> Result<(), c_int>,
) -> c_int {
    number(ask(function).and_then(|script| match meant(handle) {
        (device, None) => work(script.device(device, function)?),
        (_, Some(_)) => Err(NOT_SUPPORTED),
    }))
}

/// The same for a function that may be asked about an instance too.
pub(crate) fn about_any(
    handle: Handle,
    function: &str,
    work: impl FnOnce(&Device, Option<&Instance>) -> Result<(), c_int>,
) -> c_int {
    let asked = |script: Arc<Script>| {
        let (device, instance) = meant(handle);
        let device = script.device(device, function)?;
        match instance {
            None => work(device, None),
            Some(index) => {
                let all = device.mig.as_deref().unwrap_or_default();
                let found = all.get(index).and_then(Option::as_ref);
                work(device, Some(found.ok_or(NOT_FOUND)?))
            }
        }
    };
    number(ask(function).and_then(asked))
}

/// NVML's number for a result.
pub(crate) fn number(result: Result<(), c_int>) -> c_int {
    result.err().unwrap_or(SUCCESS)
}

/// Writes a value where the caller wants it; one that there is not is not supported.
///
/// # Safety
/// `to` is null or may be written.
pub(crate) unsafe fn put<T>(to: *mut T, value: Option<T>) -> Result<(), c_int> {
    let value = value.ok_or(NOT_SUPPORTED)?;
    if to.is_null() {
        return Err(INVALID_ARGUMENT);
    }
    // SAFETY: it is not null, so by our own contract it may be written.
    unsafe { to.write(value) };
    Ok(())
}

/// Writes text with its closing zero into a buffer.
///
/// # Safety
/// `to` has room for `length` bytes.
pub(crate) unsafe fn put_text(to: *mut c_char, length: c_uint, text: &str) -> Result<(), c_int> {
    if text.len() >= length as usize {
        return Err(INSUFFICIENT_SIZE);
    }
    // SAFETY: there is room for the text and one byte more.
    unsafe {
        to.cast::<u8>()
            .copy_from_nonoverlapping(text.as_ptr(), text.len());
        to.add(text.len()).write(0);
    }
    Ok(())
}

/// Writes a list as NVML does: what there is room for, or only how much room it takes.
///
/// # Safety
/// `count` may be read and written; `to` is null, or has room for so many.
pub(crate) unsafe fn put_list<T: Copy>(
    to: *mut T,
    count: *mut c_uint,
    list: &[T],
) -> Result<(), c_int> {
    if count.is_null() {
        return Err(INVALID_ARGUMENT);
    }
    // SAFETY: by our own contract.
    let room = unsafe { count.read() } as usize;
    let length = c_uint::try_from(list.len()).map_err(|_| UNKNOWN)?;
    // SAFETY: by our own contract.
    unsafe { count.write(length) };
    if room < list.len() {
        return Err(INSUFFICIENT_SIZE);
    }
    if !to.is_null() {
        // SAFETY: there is room for `room` of them, which are no fewer.
        unsafe { to.copy_from_nonoverlapping(list.as_ptr(), list.len()) };
    }
    Ok(())
}
