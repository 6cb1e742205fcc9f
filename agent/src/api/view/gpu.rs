//! GPUs and who uses them.

use serde::{Deserialize, Serialize};

/// The GPUs of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gpus {
    /// How the driver stands.
    pub driver: GpuDriver,
    /// Why it stands so; empty where there is nothing to say.
    pub why: String,
    /// How old everything below is; `None` before the driver has answered at all.
    pub age_ns: Option<u64>,
    /// For how long the driver has owed an answer; `None` unless it is `silent`.
    pub silent_ns: Option<u64>,
    /// By index.
    pub devices: Vec<Gpu>,
    /// Devices that there was no room for.
    pub devices_left_out: u32,
    /// Processes that there was no room for.
    pub processes_left_out: u32,
}

/// How the driver stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GpuDriver {
    /// The configuration says to leave it alone.
    Off,
    /// There is none.
    #[default]
    None,
    /// It has been asked for the first time a moment ago.
    Starting,
    /// It answers.
    Here,
    /// It is there and cannot be used.
    Refuses,
    /// It has not answered for seconds.
    Silent,
}

/// How a device stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GpuState {
    /// It answers.
    #[default]
    Here,
    /// It has fallen off the bus, was taken away, or must be reset.
    Lost,
    /// The agent may not open it.
    Denied,
    /// It fails otherwise.
    Unreadable,
}

/// One device; `None` where it cannot be known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gpu {
    /// The driver's number for it.
    pub index: u32,
    /// Its UUID.
    pub uuid: String,
    /// Its product name.
    pub name: String,
    /// How it stands.
    pub state: GpuState,
    /// Why it is `unreadable`; empty otherwise.
    pub why: String,
    /// Part of the last second in which it ran anything.
    pub used_percent: Option<u32>,
    /// Memory in use.
    pub memory_used_bytes: Option<u64>,
    /// Memory in all.
    pub memory_total_bytes: Option<u64>,
    /// Power drawn.
    pub power_milliwatts: Option<u32>,
    /// Power that it may draw.
    pub power_limit_milliwatts: Option<u32>,
    /// Clock of the processors.
    pub sm_clock_mhz: Option<u32>,
    /// Clock of the memory.
    pub memory_clock_mhz: Option<u32>,
    /// Temperature of the die.
    pub temperature_celsius: Option<u32>,
    /// Why its clocks are lower than they could be.
    pub throttled_by: Vec<String>,
    /// Memory errors that could not be corrected, since the driver was loaded.
    pub ecc_uncorrected: Option<u64>,
    /// The last critical error (XID) since the agent has been listening.
    pub last_xid: Option<u64>,
    /// Whether it is divided into instances (MIG).
    pub mig: Option<bool>,
    /// The instances.
    pub instances: Vec<GpuInstance>,
    /// How many processes have a context on it.
    pub processes: Option<u32>,
    /// Memory of processes that belong to no workload.
    pub unattributed_memory_bytes: Option<u64>,
    /// Use by processes that belong to no workload, or that stand for others, as an MPS server.
    pub unattributed_percent: Option<u32>,
    /// Whether an MPS server runs on it, to whom all use of its clients is counted.
    pub mps: bool,
    /// Paths of workloads that wait for a CPU while the device idles.
    pub waits_for_cpu: Vec<String>,
}

/// One MIG instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GpuInstance {
    /// The driver's number for it within its device.
    pub index: u32,
    /// Its UUID.
    pub uuid: String,
    /// Memory in use.
    pub memory_used_bytes: Option<u64>,
    /// Memory in all.
    pub memory_total_bytes: Option<u64>,
}

/// What a workload has of one device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GpuShare {
    /// The driver's number for the device.
    pub index: u32,
    /// Memory that its processes hold.
    pub memory_bytes: Option<u64>,
    /// Part of the last second in which they used the processors; `None` where it cannot be told
    /// apart: on a MIG device, under MPS.
    pub used_percent: Option<u32>,
    /// Whether the device idles while the workload waits for a CPU.
    pub waits_for_cpu: bool,
}
