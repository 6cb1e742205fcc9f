//! Critical errors, told once each.

use std::{
    collections::{BTreeSet, VecDeque},
    ffi::{c_int, c_uint, c_ulonglong, c_void},
    sync::{Mutex, PoisonError},
};

use crate::{
    answer::{Handle, NOT_SUPPORTED, SUCCESS, TIMEOUT, about, handle, meant, number, put},
    script::{Script, ask},
};

/// `nvmlEventTypeXidCriticalError`
const XID: c_ulonglong = 8;

/// `nvmlEventData_t`
#[repr(C)]
struct EventData {
    device: Handle,
    kind: c_ulonglong,
    data: c_ulonglong,
    gpu_instance_id: c_uint,
    compute_instance_id: c_uint,
}

/// Errors that nobody has been told of, and all that have ever been scripted, by device.
#[derive(Default)]
struct Events {
    told_of: BTreeSet<(usize, u64)>,
    waiting: VecDeque<(usize, u64)>,
    listened_to: BTreeSet<usize>,
}

static EVENTS: Mutex<Option<Events>> = Mutex::new(None);

fn with<T>(work: impl FnOnce(&mut Events) -> T) -> T {
    let mut events = EVENTS.lock().unwrap_or_else(PoisonError::into_inner);
    work(events.get_or_insert_default())
}

/// Notes the errors of a script that are new, of devices that somebody listens to.
pub(crate) fn take_in(script: &Script) {
    with(|events| {
        for (index, device) in script.devices.iter().enumerate() {
            for xid in &device.xids {
                if events.listened_to.contains(&index) && events.told_of.insert((index, *xid)) {
                    events.waiting.push_back((index, *xid));
                }
            }
        }
    });
}

/// # Safety
/// `set` is null or may be written.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlEventSetCreate(set: *mut *mut c_void) -> c_int {
    let one = std::ptr::without_provenance_mut(1);
    // SAFETY: by our own contract.
    let put = |_| unsafe { put(set, Some(one)) };
    number(ask("nvmlEventSetCreate").and_then(put))
}

#[unsafe(no_mangle)]
extern "C" fn nvmlEventSetFree(_: *mut c_void) -> c_int {
    with(|events| events.listened_to.clear());
    SUCCESS
}

/// # Safety
/// `to` is null or may be written.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetSupportedEventTypes(
    device: Handle,
    to: *mut c_ulonglong,
) -> c_int {
    about(device, "nvmlDeviceGetSupportedEventTypes", |_| {
        // SAFETY: by our own contract.
        unsafe { put(to, Some(XID)) }
    })
}

#[unsafe(no_mangle)]
extern "C" fn nvmlDeviceRegisterEvents(
    device: Handle,
    types: c_ulonglong,
    _: *mut c_void,
) -> c_int {
    let (index, _) = meant(device);
    about(device, "nvmlDeviceRegisterEvents", |_| {
        if types != XID {
            return Err(NOT_SUPPORTED);
        }
        with(|events| events.listened_to.insert(index));
        Ok(())
    })
}

/// # Safety
/// `to` is null or may be written.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlEventSetWait_v2(
    _: *mut c_void,
    to: *mut EventData,
    timeout_ms: c_uint,
) -> c_int {
    // Real waiting would be a fault of the caller's, and is one here.
    if timeout_ms != 0 {
        std::thread::sleep(std::time::Duration::from_millis(timeout_ms.into()));
    }
    number(ask("nvmlEventSetWait_v2").and_then(|_| {
        let next = with(|events| events.waiting.pop_front());
        let (index, xid) = next.ok_or(TIMEOUT)?;
        let data = EventData {
            device: handle(index),
            kind: XID,
            data: xid,
            gpu_instance_id: c_uint::MAX,
            compute_instance_id: c_uint::MAX,
        };
        // SAFETY: by our own contract.
        unsafe { put(to, Some(data)) }
    }))
}
