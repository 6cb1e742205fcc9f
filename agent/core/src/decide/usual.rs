//! From where on a period or a fill level is unusual for a workload: the kernel warns only then.

use super::control::Control;
use super::engine::Engine;
use crate::signal::{Resource, Slot};

/// The percentile of demand that counts as usual.
const PERCENTILE: u32 = 95;

/// A process that grows at full speed fills some 4 MiB per millisecond, and the kernel may look
/// only every 4 ms, when the scheduler ticks: two looks.
const MEMORY_ROOM: u64 = 32 << 20;

impl Engine {
    /// The kernel's threshold for a limit that has just changed, without waiting for a tick: under
    /// the one for the old limit, a period like any other could seem unusual. `None` for no news.
    pub fn usual(&mut self, slot: Slot, resource: Resource) -> Option<u64> {
        self.control(slot, resource).and_then(news)
    }
}

/// The kernel's threshold if it has changed noticeably since it was last sent.
pub(super) fn news(control: &mut Control) -> Option<u64> {
    let usual = match control.resource {
        Resource::Cpu => usual(control) * control.period_us / 1_000,
        Resource::Memory => usual(control),
    };
    let old = control.usual;
    if old.is_some_and(|old| old.abs_diff(usual) <= old / 16) {
        return None;
    }
    control.usual = Some(usual);
    Some(usual)
}

/// A quarter more than the workload usually needs, but no more than halfway from there to its limit;
/// 0, which always warns, as long as nothing is known.
fn usual(control: &Control) -> u64 {
    let limit = control.known;
    if limit.is_unlimited() {
        return 0;
    }
    let demand = control.usage.demand(PERCENTILE);
    let usual = demand.percent(125).0.min(demand.0.midpoint(limit.0));
    let room = match control.resource {
        Resource::Cpu => limit.0 / 16,
        Resource::Memory => (limit.0 / 16).max(MEMORY_ROOM),
    };
    usual.min(limit.0.saturating_sub(room))
}
