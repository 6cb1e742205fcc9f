//! `headroom`: a high percentile of use over a window, and a margin on top.
//!
//! Events lift at once, ticks lower slowly. Between 'a tenth less than the limit would do' and
//! 'half of the margin is eaten' nothing happens, so a steady workload causes no writes. A trim
//! that is followed by throttling is given back twice and widens the margin for a while.

use super::types::{Basis, LEAST_SAMPLES, Memory, Need, Proposal};
use crate::decide::reason::Rule;
use crate::decide::settings::Headroom;

/// What the rule says now.
pub(super) fn propose(policy: &Headroom, memory: &mut Memory, need: &Need<'_>) -> Option<Proposal> {
    if let Some(cut) = need.cut
        && need.usage.throttling().now()
    {
        memory.widen();
        let ago = need.now.since(cut.at);
        let (periods, of) = need.usage.throttling().recent();
        let twice = cut.from.plus(cut.from.minus(cut.to));
        let basis = Basis::Hurt {
            cut,
            ago,
            periods,
            of,
        };
        return Some(Proposal {
            to: twice.max(need.limit),
            rule: Rule::Undo,
            basis,
        });
    }
    let demand = need.usage.demand(policy.percentile);
    let margin = policy.margin + memory.wider;
    let target = demand.percent(100 + margin);
    let basis = Basis::Percentile {
        percent: policy.percentile,
        window: policy.window,
        amount: demand,
        margin,
    };
    // What was needed some time ago is no reason to hold it now: events lift when it comes back.
    if demand
        .min(need.usage.wanted())
        .percent(100 + policy.margin / 2)
        > need.limit
    {
        Some(Proposal {
            to: target,
            rule: Rule::Raise,
            basis,
        })
    } else if target <= need.limit.percent(90) && need.usage.samples() >= LEAST_SAMPLES {
        Some(Proposal {
            to: target,
            rule: Rule::Trim,
            basis,
        })
    } else {
        None
    }
}
