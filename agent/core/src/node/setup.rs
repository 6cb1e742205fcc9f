//! What a simulated node is made of.

use crate::signal::{Amount, Nanos, Slot};

use super::{load::Demand, memory::MemoryDemand};

/// A node and the kernel that runs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setup {
    /// CPU time that it can give, in micro-CPUs.
    pub cpus: Amount,
    /// Memory in bytes.
    pub memory: Amount,
    /// Memory that the agent leaves alone: events count what is available beyond it.
    pub reserve: Amount,
    /// CPU time that one write of a limit costs.
    pub write: Nanos,
}

impl Default for Setup {
    /// Two CPUs, 4 GiB, nothing reserved, writes for nothing.
    fn default() -> Self {
        Self {
            cpus: Amount(2 * Amount::CPU.0),
            memory: Amount(4 << 30),
            reserve: Amount::ZERO,
            write: Nanos(0),
        }
    }
}

/// A workload: a leaf of the tree with a demand, or an inner node without one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// Below which it stands.
    pub parent: Option<Slot>,
    /// Its share beside siblings (`cpu.weight`).
    pub weight: u64,
    /// Who is killed last when the node runs out of memory: the larger stays.
    pub priority: u32,
    /// When it starts first.
    pub start: Nanos,
    /// When it ends for good.
    pub end: Option<Nanos>,
    /// How long it is away after a kill or a restart.
    pub restart: Nanos,
    /// The kernel's period.
    pub period: Nanos,
    /// By how much its periods come after whole multiples of the period.
    pub phase: Nanos,
    /// CPU that it asks to be guaranteed.
    pub cpu_request: Amount,
    /// CPU quota without a controller.
    pub cpu_limit: Amount,
    /// What may be carried over from one period to the next without a controller.
    pub burst: Nanos,
    /// Memory that it asks to be guaranteed.
    pub memory_request: Amount,
    /// Hard memory limit without a controller; an inner node's is not enforced.
    pub memory_limit: Amount,
    /// Limit above which memory is reclaimed without a controller; an inner node's is not enforced.
    pub memory_high: Amount,
    /// What it wants of the CPU; `None` for an inner node.
    pub demand: Option<Demand>,
    /// What it wants of memory.
    pub memory: Option<MemoryDemand>,
}

impl Default for Workload {
    /// Nothing wanted and nothing limited, from time 0 on; periods of 100 ms.
    fn default() -> Self {
        Self {
            parent: None,
            weight: 100,
            priority: 0,
            start: Nanos(0),
            end: None,
            restart: Nanos::SECOND,
            period: Nanos(100_000_000),
            phase: Nanos(0),
            cpu_request: Amount::ZERO,
            cpu_limit: Amount::UNLIMITED,
            burst: Nanos(0),
            memory_request: Amount::ZERO,
            memory_limit: Amount::UNLIMITED,
            memory_high: Amount::UNLIMITED,
            demand: None,
            memory: None,
        }
    }
}

impl Workload {
    /// With a demand of CPU and a quota.
    #[must_use]
    pub fn cpu(demand: Demand, limit: Amount) -> Self {
        Self {
            demand: Some(demand),
            cpu_limit: limit,
            ..Self::default()
        }
    }

    /// With a demand of memory and a hard limit.
    #[must_use]
    pub fn memory(demand: MemoryDemand, limit: Amount) -> Self {
        Self {
            memory: Some(demand),
            memory_limit: limit,
            ..Self::default()
        }
    }

    /// The same below another workload.
    #[must_use]
    pub fn below(self, parent: Slot) -> Self {
        Self {
            parent: Some(parent),
            ..self
        }
    }
}
