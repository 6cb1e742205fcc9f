//! `memory`: gives back what is above a padded working set, beside whichever policy a workload has.
//!
//! That one says when memory is to be raised, and how much must stay at least; this one adds what must
//! stay of the page cache, the room that a lift needs to be in time, and takes a trim back that hurt.

use super::types::{Basis, LEAST_SAMPLES, Memory, Need, Proposal};
use crate::decide::reason::Rule;
use crate::decide::settings::GiveBack;
use crate::decide::thresholds::MEMORY_ROOM;
use crate::model::WorkingSet;
use crate::signal::Amount;

/// What the rule makes of what the workload's own policy has proposed.
pub(super) fn propose(
    policy: &GiveBack,
    memory: &mut Memory,
    need: &Need<'_>,
    set: &WorkingSet,
    own: Option<Proposal>,
) -> Option<Proposal> {
    if let Some(cut) = need.cut
        && set.is_short()
    {
        memory.widen();
        let (refaults, stalled) = set.lost();
        let twice = cut.from.plus(cut.from.minus(cut.to));
        return Some(Proposal {
            to: twice.max(need.limit),
            rule: Rule::Undo,
            basis: Basis::Short {
                cut,
                ago: need.now.since(cut.at),
                refaults,
                stalled,
            },
        });
    }
    // Whoever raises, or would hold what there is, is right: a trim below that would be raised again.
    let own = own?;
    if own.to > need.limit {
        return Some(own);
    }
    // Being late costs a wait at `memory.high`, and a life at the hard limit.
    let times = if set.kills() { 2 } else { 1 };
    let margin = policy.margin * times + memory.wider;
    let room = Amount(MEMORY_ROOM * u64::from(times));
    let amount = set.percentile(policy.percentile);
    let to = amount.percent(100 + margin).max(amount.plus(room));
    let trim = if own.to >= to {
        own
    } else {
        Proposal {
            to,
            rule: Rule::Trim,
            basis: Basis::WorkingSet {
                percent: policy.percentile,
                window: policy.window,
                amount,
                margin,
                room,
            },
        }
    };
    (trim.to <= need.limit.percent(90) && set.samples() >= LEAST_SAMPLES).then_some(trim)
}
