//! From where on a period or a fill level is unusual for a workload, and more than its own: what
//! the kernel compares with.

use super::control::Control;
use super::engine::Engine;
use crate::model::OFTEN;
use crate::signal::{Resource, Slot};
use serde::{Deserialize, Serialize};

/// A process that grows at full speed fills some 4 MiB per millisecond, and the kernel may look
/// only every 4 ms, when the scheduler ticks: two looks.
pub(super) const MEMORY_ROOM: u64 = 32 << 20;

/// What the kernel is told about one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thresholds {
    /// Whose limit.
    pub slot: Slot,
    /// Of what.
    pub resource: Resource,
    /// Use below this is nothing to warn of: ns of CPU in a period, or bytes.
    pub usual: u64,
    /// What is the workload's own of a period, in ns of CPU; 0 when nothing can be lent to it.
    pub own: u64,
}

impl Engine {
    /// The kernel's thresholds for a limit if they have changed noticeably since they were last
    /// sent. After a change of the limit they cannot wait for a tick: under the old ones a period
    /// like any other could seem unusual.
    pub fn thresholds(&mut self, slot: Slot, resource: Resource) -> Option<Thresholds> {
        let nested = !self.cap(slot, resource).is_unlimited();
        let floor = self.floors.get(slot.0 as usize)?[resource.index()];
        let control = self.control(slot, resource)?;
        let ns = |amount: u64| amount * control.period_us / 1_000;
        let base = control.base(floor);
        let (usual, own) = match resource {
            Resource::Cpu if nested || base.is_unlimited() => (ns(usual(control)), 0),
            Resource::Cpu => (ns(usual(control)), ns(base.0)),
            Resource::Memory => (usual(control), 0),
        };
        let same = |told: (u64, u64)| told.0.abs_diff(usual) <= told.0 / 16 && told.1 == own;
        if control.told.is_some_and(same) {
            return None;
        }
        control.told = Some((usual, own));
        Some(Thresholds {
            slot,
            resource,
            usual,
            own,
        })
    }
}

/// A quarter more than the workload usually needs, but no more than halfway from there to its limit;
/// 0, which always warns, as long as nothing is known.
fn usual(control: &Control) -> u64 {
    let limit = control.known;
    if limit.is_unlimited() {
        return 0;
    }
    // A rise that was foreseen, and for which there is room, is not unusual when it comes.
    let foreseen = control.foreseen.map(|foreseen| foreseen.expected);
    let foreseen = foreseen.filter(|expected| *expected < limit);
    let demand = control
        .usage
        .demand(OFTEN)
        .max(foreseen.unwrap_or_default());
    let usual = demand.percent(125).0.min(demand.0.midpoint(limit.0));
    let room = match control.resource {
        Resource::Cpu => limit.0 / 16,
        Resource::Memory => (limit.0 / 16).max(MEMORY_ROOM),
    };
    usual.min(limit.0.saturating_sub(room))
}
