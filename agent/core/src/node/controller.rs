//! What steers a simulated node: our own engine, or a law that we are compared with.

use crate::signal::{Amount, Event, Nanos, Resource, Slot};

/// Steers the limits of a node's workloads. Deterministic: same calls, same orders.
pub trait Controller {
    /// What tables call it: lower case, words joined by hyphens.
    fn name(&self) -> &'static str;

    /// How often it looks; it looks first at time 0.
    fn interval(&self) -> Nanos;

    /// From a look to when its orders have taken effect: sensing, deciding and actuation together.
    fn delay(&self) -> Nanos;

    /// A workload has started, for the first time or again under the same slot. What it would hold
    /// without a controller is in `seen`. Orders take effect at once: it has not run yet.
    fn begin(&mut self, now: Nanos, seen: &Seen, out: &mut Vec<Write>);

    /// A workload has ended for good: nothing is to be held for it any more.
    fn end(&mut self, _slot: Slot) {}

    /// Looks at the node and all its workloads, slots ascending.
    fn look(&mut self, now: Nanos, node: &NodeSeen, seen: &[Seen], out: &mut Vec<Write>);

    /// From a kernel event to when the order that answers it has taken effect; `None` for one that
    /// does not listen to events.
    fn reaction(&self) -> Option<Nanos> {
        None
    }

    /// A workload is short of a resource at this moment.
    fn event(&mut self, _event: &Event, _out: &mut Vec<Write>) {}

    /// What it holds for a workload and what can therefore be promised to nobody else: floors, targets
    /// and reserved grants, or a request; never a momentary limit for which nothing is set aside.
    fn held(&self, slot: Slot, resource: Resource) -> Amount;

    /// Why it ordered what it ordered last at a look, for people; `None` where it does not say.
    fn why(&self, _slot: Slot, _resource: Resource) -> Option<String> {
        None
    }

    /// What it keeps free on the node for all workloads together, beyond what it holds for each.
    fn shared(&self, _resource: Resource) -> Amount {
        Amount::ZERO
    }

    /// By when a workload's requests are to be answered, of one that asks how many are late.
    fn objective(&self, _slot: Slot) -> Option<Nanos> {
        None
    }

    /// Use below which the kernel need not warn it: ns of CPU in a period, or bytes. 0 always warns.
    fn usual(&self, _slot: Slot, _resource: Resource) -> u64 {
        0
    }
}

/// An order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// The CPU quota or the hard memory limit (`cpu.max`, `memory.max`).
    Limit {
        /// Whose.
        slot: Slot,
        /// Of what.
        resource: Resource,
        /// Where it is to stand.
        to: Amount,
    },
    /// The limit above which memory is reclaimed (`memory.high`).
    High {
        /// Whose.
        slot: Slot,
        /// Where it is to stand.
        to: Amount,
    },
    /// What may be carried over from periods in which less was used (`cpu.max.burst`).
    Burst {
        /// Whose.
        slot: Slot,
        /// In ns of CPU time per period.
        to: Nanos,
    },
    /// The share beside siblings (`cpu.weight`).
    Weight {
        /// Whose.
        slot: Slot,
        /// 1 to 10000.
        to: u64,
    },
    /// Reclaim at once (`memory.reclaim`).
    Reclaim {
        /// From whom.
        slot: Slot,
        /// How much.
        amount: Amount,
    },
    /// End the workload and start it again: limits that are ordered with it hold from its new start.
    Restart {
        /// Which.
        slot: Slot,
    },
}

/// The node as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeSeen {
    /// CPU time that it can give, in micro-CPUs.
    pub cpus: Amount,
    /// CPU time that all have used since time 0.
    pub cpu_used: Nanos,
    /// Its memory in bytes.
    pub memory: Amount,
    /// What of it is free or can be dropped.
    pub memory_available: Amount,
}

/// One workload as the kernel counts it: totals since its first start unless said otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Which one.
    pub slot: Slot,
    /// When it started last.
    pub started: Nanos,
    /// CPU.
    pub cpu: CpuSeen,
    /// Memory.
    pub memory: MemorySeen,
    /// Requests.
    pub requests: RequestsSeen,
}

impl Seen {
    /// What it has asked to be guaranteed; where it has not, its limit, as Kubernetes fills it in; 0 if
    /// there is neither.
    #[must_use]
    pub fn request(&self, resource: Resource) -> Amount {
        let (request, limit) = match resource {
            Resource::Cpu => (self.cpu.request, self.cpu.limit),
            Resource::Memory => (self.memory.request, self.memory.limit),
        };
        if request == Amount::ZERO && !limit.is_unlimited() {
            limit
        } else {
            request
        }
    }
}

/// CPU of one workload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuSeen {
    /// Time used.
    pub used: Nanos,
    /// Periods in which it wanted to run.
    pub periods: u64,
    /// Periods in which it was throttled.
    pub throttled_periods: u64,
    /// Time for which it was throttled.
    pub throttled: Nanos,
    /// Time that its tasks waited behind others, summed over tasks.
    pub waited: Nanos,
    /// The present quota, in micro-CPUs.
    pub limit: Amount,
    /// What it has asked to be guaranteed, in micro-CPUs.
    pub request: Amount,
    /// Its share beside siblings (`cpu.weight`).
    pub weight: u64,
    /// The kernel's period.
    pub period: Nanos,
}

/// Requests to one workload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestsSeen {
    /// How many were answered.
    pub answered: u64,
    /// How many of them later than [`Controller::objective`] said at that time.
    pub late: u64,
}

/// Memory of one workload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemorySeen {
    /// All that is charged now.
    pub used: Amount,
    /// What of it cannot be dropped.
    pub anonymous: Amount,
    /// What of it was used lately (the working set).
    pub working_set: Amount,
    /// The most that was charged since the last start.
    pub peak: Amount,
    /// The present hard limit.
    pub limit: Amount,
    /// The present limit above which memory is reclaimed.
    pub high: Amount,
    /// What it has asked to be guaranteed.
    pub request: Amount,
    /// How often the limit above which memory is reclaimed was exceeded.
    pub high_events: u64,
    /// How often it was killed at the hard limit, or for want of memory on the node.
    pub oom_kills: u64,
    /// Time for which some task stalled on memory (PSI `some`).
    pub stalled: Nanos,
    /// Pages that were dropped and came back.
    pub refaults: u64,
}
