//! The node that a configuration is for.

use procfs::{Current, CurrentSI};
use trimtab_core::signal::{Amount, Resource};

/// What percentages are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    /// CPUs, in micro-CPUs.
    pub cpu: Amount,
    /// `MemTotal` in bytes.
    pub memory: Amount,
}

impl Node {
    /// This node, as far as procfs tells.
    #[must_use]
    pub fn here() -> Option<Self> {
        let cpus = procfs::KernelStats::current().ok()?.cpu_time.len();
        let memory = procfs::Meminfo::current().ok()?.mem_total;
        Some(Self {
            cpu: Amount(u64::try_from(cpus).ok()?.saturating_mul(Amount::CPU.0)),
            memory: Amount(memory),
        })
    }

    /// What it has of a resource.
    #[must_use]
    pub const fn capacity(&self, resource: Resource) -> Amount {
        match resource {
            Resource::Cpu => self.cpu,
            Resource::Memory => self.memory,
        }
    }
}
