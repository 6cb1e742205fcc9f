//! Why a workload's tasks waited for a CPU.

use serde::{Deserialize, Serialize};

/// How a workload's tasks spent the time in which they could have run, summed over the tasks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    /// The workload's name.
    pub workload: String,
    /// Its path.
    pub path: String,
    /// Over how long.
    pub window_ns: u64,
    /// They ran.
    pub ran_ns: u64,
    /// They waited.
    pub waited_ns: u64,
    /// What they waited for, the worst first.
    pub causes: Vec<WaitCause>,
}

/// One cause of waiting.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitCause {
    /// What kind of cause.
    pub cause: WaitKind,
    /// The group behind whose tasks they waited: a workload's name, or else its path.
    pub behind: Option<String>,
    /// For how long.
    pub ns: u64,
}

/// The kinds of causes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WaitKind {
    /// Throttled by a quota: its own, or one above.
    Quota,
    /// Behind its own tasks.
    Siblings,
    /// Behind the tasks of another workload.
    Workload,
    /// Behind the tasks of a group that is no workload.
    Group,
    /// Behind the kernel's tasks.
    System,
    /// Behind softirqs: what the kernel does for interrupts, in whoever's name.
    Interrupts,
    /// Although the CPU was idle: until it was awake.
    Idle,
    /// Behind groups that were too many to be named.
    Others,
    /// Too short to ask behind whom.
    #[default]
    Short,
}
