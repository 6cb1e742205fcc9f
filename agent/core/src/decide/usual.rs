//! From where on a period or a fill level is unusual for a workload: the kernel warns only then.

use super::control::Control;
use crate::signal::Resource;

/// The percentile of demand that counts as usual.
const PERCENTILE: u32 = 95;

/// A process that grows at full speed fills some 4 MiB per millisecond, and the kernel may look
/// only every 4 ms, when the scheduler ticks: two looks.
const MEMORY_ROOM: u64 = 32 << 20;

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

/// Halfway between what the workload usually needs and its limit; 0, which always warns, when it
/// usually needs less than half.
fn usual(control: &Control) -> u64 {
    let limit = control.known;
    let demand = control.usage.demand(PERCENTILE);
    if limit.is_unlimited() || demand.0 < limit.0 / 2 {
        return 0;
    }
    let halfway = demand.0.midpoint(limit.0);
    let room = match control.resource {
        Resource::Cpu => limit.0 / 16,
        Resource::Memory => (limit.0 / 16).max(MEMORY_ROOM),
    };
    halfway.min(limit.0.saturating_sub(room))
}
