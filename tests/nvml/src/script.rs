//! What a test wants the devices to say.

use std::{
    collections::BTreeMap,
    ffi::{CStr, c_int, c_void},
    fs,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use serde::Deserialize;

use crate::answer::{GPU_IS_LOST, INVALID_ARGUMENT, SUCCESS, UNINITIALIZED, UNKNOWN};

/// The whole script.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Script {
    /// Functions that fail on every device, or have none, with NVML's number for the error.
    pub(crate) fail: BTreeMap<String, c_int>,
    /// Functions that hang, on every device, for so many milliseconds.
    hang_ms: BTreeMap<String, u64>,
    pub(crate) devices: Vec<Device>,
}

/// One device. A value that is left out is not supported.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Device {
    /// Functions that fail on this device.
    fail: BTreeMap<String, c_int>,
    /// The function from which on the device is lost.
    lost_at: Option<String>,
    pub(crate) name: String,
    pub(crate) uuid: String,
    pub(crate) used_percent: Option<u32>,
    /// In use and in all.
    pub(crate) memory: Option<(u64, u64)>,
    pub(crate) power_mw: Option<u32>,
    pub(crate) power_limit_mw: Option<u32>,
    pub(crate) sm_mhz: Option<u32>,
    pub(crate) memory_mhz: Option<u32>,
    pub(crate) celsius: Option<u32>,
    pub(crate) throttle_bits: Option<u64>,
    pub(crate) ecc_uncorrected: Option<u64>,
    /// Critical errors, each told once, whenever the script is read.
    pub(crate) xids: Vec<u64>,
    /// The instances; with any, MIG is on. One that is `null` is a number that is not in use.
    pub(crate) mig: Option<Vec<Option<Instance>>>,
    pub(crate) compute: Vec<Process>,
    pub(crate) graphics: Vec<Process>,
    pub(crate) mps_clients: Vec<Process>,
}

/// A MIG instance.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Instance {
    pub(crate) uuid: String,
    pub(crate) memory: (u64, u64),
}

/// A process on a device.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) memory: u64,
    /// Its use; without one, the driver has no sample of it.
    pub(crate) used_percent: Option<u32>,
}

/// The script in force; `None` while the library is not open.
static SCRIPT: Mutex<Option<Arc<Script>>> = Mutex::new(None);

/// Reads the script; what went wrong is an unknown error, as with the real library.
pub(crate) fn load() -> c_int {
    match read() {
        Some(script) => {
            crate::event::take_in(&script);
            replace(Some(Arc::new(script)));
            SUCCESS
        }
        None => UNKNOWN,
    }
}

/// Forgets the script.
pub(crate) fn unload() {
    replace(None);
}

fn replace(script: Option<Arc<Script>>) {
    *SCRIPT.lock().unwrap_or_else(PoisonError::into_inner) = script;
}

fn read() -> Option<Script> {
    let text = fs::read(directory()?.join("script.json")).ok()?;
    serde_json::from_slice(&text).ok()
}

/// Where this library lies.
fn directory() -> Option<PathBuf> {
    let mut info = libc::Dl_info {
        dli_fname: std::ptr::null(),
        dli_fbase: std::ptr::null_mut(),
        dli_sname: std::ptr::null(),
        dli_saddr: std::ptr::null_mut(),
    };
    let here: *const c_void = (&raw const SCRIPT).cast();
    // SAFETY: any address may be asked for, and `info` is ours to be written.
    let found = unsafe { libc::dladdr(here, &raw mut info) };
    if found == 0 || info.dli_fname.is_null() {
        return None;
    }
    // SAFETY: the loader's name of a loaded library ends with a zero and lives as long as that.
    let name = unsafe { CStr::from_ptr(info.dli_fname) };
    let path = PathBuf::from(name.to_str().ok()?);
    Some(path.parent()?.to_owned())
}

/// The script, after having hung if `function` is to; or the error that it is to fail with.
pub(crate) fn ask(function: &str) -> Result<Arc<Script>, c_int> {
    let script = SCRIPT
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let script = script.ok_or(UNINITIALIZED)?;
    if let Some(time) = script.hang_ms.get(function) {
        thread::sleep(Duration::from_millis(*time));
    }
    match script.fail.get(function) {
        Some(error) => Err(*error),
        None => Ok(script),
    }
}

impl Script {
    /// A device, unless `function` is to fail on it.
    pub(crate) fn device(&self, index: usize, function: &str) -> Result<&Device, c_int> {
        let device = self.devices.get(index).ok_or(INVALID_ARGUMENT)?;
        if let Some(error) = device.fail.get(function) {
            return Err(*error);
        }
        if device.lost_at.as_deref() == Some(function) {
            return Err(GPU_IS_LOST);
        }
        Ok(device)
    }
}
