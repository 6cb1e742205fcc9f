//! Language runtimes in a workload.

use serde::{Deserialize, Serialize};

/// A language runtime, and what it makes of its limits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Runtime {
    /// What it is called, such as `Java`.
    pub name: String,
    /// Its version, where the executable tells.
    pub version: Option<String>,
    /// How many of the workload's processes run it.
    pub processes: u32,
    /// What it makes of its limits, in words.
    pub sizing: String,
    /// Keys of the policy that would bound what trims show it, and are not set.
    pub unbounded: Vec<String>,
}
