//! What the agent itself costs.

use serde::{Deserialize, Serialize};

/// What the agent costs, and what it may.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// CPU of the agent's own threads over the last seconds; `None` before the first sample.
    pub cpu_micro_cpus: Option<u64>,
    /// CPU of all programs in the kernel, whoever's time it is; `None` where it is not counted.
    pub probes_micro_cpus: Option<u64>,
    /// What both may take.
    pub budget_micro_cpus: u64,
    /// Whether they have taken more for a while.
    pub over_cpu: bool,
    /// Kernel memory of the probes' maps.
    pub map_bytes: u64,
    /// Memory that the guardian holds.
    pub guardian_bytes: u64,
    /// What the agent's memory and the maps may take.
    pub budget_bytes: u64,
    /// Whether they have taken more for a while.
    pub over_memory: bool,
    /// How long ago the last sample ended.
    pub age_ns: Option<u64>,
    /// How long the last tick took; `None` before the first.
    pub tick_ns: Option<u64>,
    /// How long the longest took since the start.
    pub longest_tick_ns: Option<u64>,
    /// Why it is not known what the programs cost; empty where it is.
    pub why: String,
    /// The programs that are attached, the dearest first.
    pub programs: Vec<ProgramCost>,
    /// The probes that are left out for the budget's sake.
    pub shed: Vec<Shed>,
}

/// What one program in the kernel costs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramCost {
    /// Its name.
    pub name: String,
    /// The tracepoint that it is attached to.
    pub hook: String,
    /// The probes that it serves.
    pub probes: Vec<String>,
    /// How often it runs.
    pub runs_per_second: u64,
    /// How long one run takes, the way in and out not counted; `None` before the first.
    pub ns_per_run: Option<u64>,
    /// Part of a CPU.
    pub micro_cpus: u64,
}

/// A probe that is left out for the budget's sake; those that need it are off as well.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shed {
    /// Its name.
    pub probe: String,
    /// For how long it has been off.
    pub for_ns: u64,
    /// After how long it comes back at the soonest.
    pub back_after_ns: u64,
}
