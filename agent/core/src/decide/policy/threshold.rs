//! `threshold`: grow by S when utilisation stays over `T_high` for dt, shrink under `T_low`.
//!
//! The rule of the elastic-scaling literature, with hysteresis: a shrink never lands where the
//! same use would be over `T_high` again.

use super::types::{Basis, Memory, Need, Proposal};
use crate::decide::reason::Rule;
use crate::decide::settings::Threshold;
use crate::signal::{Amount, Nanos};

/// What the rule says now.
pub(super) fn propose(
    policy: &Threshold,
    memory: &mut Memory,
    need: &Need<'_>,
) -> Option<Proposal> {
    let used = need.usage.last();
    let percent = used.percent_of(need.limit);
    // Use cannot exceed a quota that throttles: being throttled is being over any threshold.
    let high = percent > policy.high || need.usage.throttling().now();
    let low = percent < policy.low && !high;
    let high_for = lasting(&mut memory.high_since, high, need.now);
    let low_for = lasting(&mut memory.low_since, low, need.now);
    let factor = policy.factor.max(101);
    if high && high_for >= policy.duration {
        let basis = Basis::Utilisation {
            percent,
            threshold: policy.high,
            lasted: high_for,
        };
        return Some(Proposal {
            to: need.limit.percent(factor),
            rule: Rule::Grow,
            basis,
        });
    }
    if low && low_for >= policy.duration {
        let shrunk = Amount(need.limit.0 / u64::from(factor) * 100);
        let landing = policy.low.midpoint(policy.high).max(1);
        let calm = Amount(need.usage.recent().0.saturating_mul(100) / u64::from(landing));
        let basis = Basis::Utilisation {
            percent,
            threshold: policy.low,
            lasted: low_for,
        };
        return Some(Proposal {
            to: shrunk.max(calm),
            rule: Rule::Shrink,
            basis,
        })
        .filter(|proposal| proposal.to < need.limit);
    }
    None
}

/// For how long a condition has held, given since when.
fn lasting(since: &mut Option<Nanos>, holds: bool, now: Nanos) -> Nanos {
    *since = if holds { since.or(Some(now)) } else { None };
    since.map_or(Nanos(0), |since| now.since(since))
}
