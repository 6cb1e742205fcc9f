//! Energy, and whose it is.

use serde::{Deserialize, Serialize};

/// What the node draws. Over the last tick in milliwatts, since the agent's start in millijoules;
/// what is drawn is idle, of workloads, or unattributed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Energy {
    /// How the counters of packages and memory (RAPL) stand; GPUs have their own.
    pub state: EnergyState,
    /// Why they stand so; empty where there is nothing to say.
    pub why: String,
    /// Everything that is measured; `None` where nothing is.
    pub milliwatts: Option<u64>,
    /// The processors' packages.
    pub package_milliwatts: Option<u64>,
    /// Memory, where it has counters of its own.
    pub memory_milliwatts: Option<u64>,
    /// GPUs, by their drivers.
    pub gpu_milliwatts: Option<u64>,
    /// What packages draw when nothing runs: the least that was seen.
    pub idle_milliwatts: Option<u64>,
    /// What no use of a workload accounts for.
    pub unattributed_milliwatts: Option<u64>,
    /// Everything that is measured.
    pub millijoules: u64,
    /// Of that, what packages draw when nothing runs.
    pub idle_millijoules: u64,
    /// Of that, what no use of a workload accounts for.
    pub unattributed_millijoules: u64,
}

/// How the counters of packages and memory stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EnergyState {
    /// The configuration says to leave them alone.
    Off,
    /// There are none.
    #[default]
    None,
    /// They are read.
    Here,
    /// They are there, and the agent may not read them.
    Refused,
}

/// What a workload draws by its use of CPUs and GPUs, those of workloads below it left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnergyShare {
    /// Over the last tick; `None` where nothing told.
    pub milliwatts: Option<u64>,
    /// Since adoption.
    pub millijoules: u64,
    /// Of that, what GPUs drew.
    pub gpu_millijoules: u64,
}
