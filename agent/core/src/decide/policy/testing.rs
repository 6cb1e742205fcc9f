//! What tests of policies share.

use crate::model::Usage;
use crate::signal::{Amount, Nanos};
use crate::snapshot::CpuSignals;

/// Ticks of a second each: CPU used, and how many of ten periods were throttled.
pub(super) fn usage(ticks: &[(u64, u64)]) -> Usage {
    let mut usage = Usage::new(Nanos::MINUTE);
    for (second, &(used, throttled)) in (1..).zip(ticks) {
        let cpu = CpuSignals {
            used: Amount(used),
            periods: 10,
            throttled,
            ..CpuSignals::default()
        };
        usage.push_cpu(Nanos(second * Nanos::SECOND.0), &cpu);
    }
    usage
}
