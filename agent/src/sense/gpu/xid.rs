//! Critical errors of devices, which NVIDIA numbers (XID).

use std::collections::BTreeMap;

use nvml_wrapper::{EventSet, Nvml, bitmasks::event::EventTypes, enums::event::XidError};

use super::reading::MAX_DEVICES;

/// Errors that are taken in per round; the rest waits for the next.
const PER_ROUND: u32 = 64;
/// NVML's number for an error that has none.
const UNKNOWN: u64 = 999;

/// The last error of each device, by its UUID.
pub(super) type Last = BTreeMap<String, u64>;

/// A set of events to listen to; `None` where the driver has none for us.
pub(super) fn listen(nvml: &Nvml) -> Option<EventSet<'_>> {
    let mut set = nvml.create_event_set().ok()?;
    for index in 0..nvml.device_count().ok()?.min(MAX_DEVICES) {
        let Ok(device) = nvml.device_by_index(index) else {
            continue;
        };
        let xid = EventTypes::CRITICAL_XID_ERROR;
        if device
            .supported_event_types()
            .is_ok_and(|types| types.contains(xid))
        {
            // A set that was refused once is of no use any more.
            set = device.register_events(xid, set).ok()?;
        }
    }
    Some(set)
}

/// Takes in what has happened, without waiting for more.
pub(super) fn hear(set: &EventSet<'_>, last: &mut Last) {
    for _ in 0..PER_ROUND {
        let Ok(event) = set.wait(0) else { return };
        let number = match event.event_data {
            Some(XidError::Value(number)) => number,
            Some(XidError::Unknown) => UNKNOWN,
            None => continue,
        };
        if let Ok(uuid) = event.device.uuid()
            && (last.contains_key(&uuid) || last.len() < MAX_DEVICES as usize)
        {
            last.insert(uuid, number);
        }
    }
}
