//! One round of questions to the driver, as plain data.

/// Devices that are read; more are counted.
pub(super) const MAX_DEVICES: u32 = 64;
/// MIG instances that are read per device; a device has at most seven.
pub(super) const MAX_INSTANCES: u32 = 16;
/// Processes that are read on all devices together; more are counted.
pub(super) const MAX_PROCESSES: usize = 4096;

/// What the driver said in one round.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// How the driver stands.
    pub driver: Driver,
    /// By index.
    pub devices: Vec<Device>,
    /// Devices that there was no room for.
    pub devices_left_out: u32,
    /// Processes that there was no room for.
    pub processes_left_out: u32,
}

/// How the driver stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Driver {
    /// It has not been asked to the end yet.
    #[default]
    Unknown,
    /// There is none: no library, or the module is not loaded.
    None(String),
    /// It answers.
    Here,
    /// It is there and cannot be used: why.
    Refuses(String),
}

/// How a device stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DeviceState {
    /// It answers.
    #[default]
    Here,
    /// It has fallen off the bus, was taken away, or must be reset.
    Lost,
    /// We may not open it.
    Denied,
    /// It fails otherwise: why.
    Unreadable(String),
}

/// One device. What it or its driver cannot tell is `None`; of one that is not
/// [`DeviceState::Here`] nothing is known but what it is called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// NVML's number for it.
    pub index: u32,
    /// How it stands.
    pub state: DeviceState,
    /// Its product name; empty where it has never answered.
    pub name: String,
    /// Its UUID; empty where it has never answered.
    pub uuid: String,
    /// Part of the last sample, a second at most, in which it ran anything.
    pub used_percent: Option<u32>,
    /// Memory in use and in all, in bytes.
    pub memory: Option<(u64, u64)>,
    /// Power drawn, in milliwatts.
    pub power_mw: Option<u32>,
    /// Power that it may draw, in milliwatts.
    pub power_limit_mw: Option<u32>,
    /// Clock of the processors, in MHz.
    pub sm_mhz: Option<u32>,
    /// Clock of the memory, in MHz.
    pub memory_mhz: Option<u32>,
    /// Temperature of the die, in degrees Celsius.
    pub celsius: Option<u32>,
    /// Why its clocks are lower than they could be; empty also where it cannot be known.
    pub throttled_by: Vec<&'static str>,
    /// Memory errors that could not be corrected, since the driver was loaded.
    pub ecc_uncorrected: Option<u64>,
    /// The number of the last critical error (XID) that was heard of.
    pub xid: Option<u64>,
    /// Whether it is divided into instances; `None` where it cannot be.
    pub mig: Option<bool>,
    /// The instances.
    pub instances: Vec<Instance>,
    /// Who has a context on it; `None` where that cannot be known.
    pub processes: Option<Vec<Process>>,
}

/// One MIG instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Instance {
    /// NVML's number for it within its device.
    pub index: u32,
    /// Its UUID.
    pub uuid: String,
    /// Memory in use and in all, in bytes.
    pub memory: Option<(u64, u64)>,
}

/// One process on one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its pid, as the driver counts: on the host.
    pub pid: u32,
    /// Whose use it stands for.
    pub role: Role,
    /// Its cgroup, without a leading slash; `None` where it has gone or cannot be seen.
    pub group: Option<String>,
    /// Memory that it holds, in bytes.
    pub memory: Option<u64>,
    /// Part of the last sample in which it used the processors; not known on a MIG device.
    pub used_percent: Option<u32>,
}

/// Whose use a process stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Its own.
    Own,
    /// That of its clients, which cannot be told apart: the server of the Multi-Process Service.
    MpsServer,
    /// None: its use is counted as its server's, its memory as its own.
    MpsClient,
}
