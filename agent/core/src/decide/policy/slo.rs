//! `slo`: `headroom`, and of the limit no more is held than it takes to meet a latency objective.
//!
//! The limit follows need as under `headroom`; how much of it is the workload's own, and how much of it is lent, is
//! learned beside (`Attainment`). Here a missed objective raises a limit that may be the cause. Where nothing is heard of
//! latencies it is `headroom`, decision for decision.

use super::headroom;
use super::types::{Basis, Memory, Need, Proposal};
use crate::decide::reason::Rule;
use crate::decide::settings::Slo;

/// To how much a limit is raised that may be why an objective was missed, in percent.
const LATE: u32 = 150;

/// What the rule says now: never less than the reactive part alone.
pub(super) fn propose(policy: &Slo, memory: &mut Memory, need: &Need<'_>) -> Option<Proposal> {
    let reactive = headroom::propose(&policy.reactive, memory, need);
    let (periods, of) = need.usage.throttling().recent();
    // Without throttling, whatever keeps them waiting is not the limit.
    if !need.missed || periods == 0 {
        return reactive;
    }
    let late = Proposal {
        to: need.limit.percent(LATE),
        rule: Rule::Late,
        basis: Basis::Late { periods, of },
    };
    if reactive.is_some_and(|reactive| reactive.to >= late.to) {
        return reactive;
    }
    memory.hurt(need.now);
    Some(late)
}

#[cfg(test)]
mod tests {
    use super::super::testing::usage;
    use super::super::types::Cut;
    use super::*;
    use crate::signal::{Amount, Nanos};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_never_asks_for_less_than_the_reactive_part(
            ticks in prop::collection::vec((0..4_000_000_u64, prop_oneof![Just(0_u64), 0..10_u64]), 1..70),
            limit in 10_000..8_000_000_u64,
            trimmed in prop::option::of((1..8_000_000_u64, 1..8_000_000_u64)),
            missed in any::<bool>(),
        ) {
            let usage = usage(&ticks);
            let need = Need {
                now: Nanos(ticks.len() as u64 * Nanos::SECOND.0),
                limit: Amount(limit),
                usage: &usage,
                cut: trimmed.map(|(one, other)| Cut {
                    at: Nanos::SECOND,
                    from: Amount(one.max(other)),
                    to: Amount(one.min(other)),
                }),
                foreseen: None,
                missed,
                memory: None,
            };
            let policy = Slo::default();
            let (mut mine, mut theirs) = (Memory::default(), Memory::default());
            let slo = propose(&policy, &mut mine, &need);
            let reactive = headroom::propose(&policy.reactive, &mut theirs, &need);
            let to = |proposal: Option<Proposal>| proposal.map_or(need.limit, |one| one.to);
            prop_assert!(to(slo) >= to(reactive), "{slo:?} {reactive:?}");
            let throttled = usage.throttling().recent().0 > 0;
            if missed && throttled {
                prop_assert!(to(slo) > need.limit, "{slo:?}");
            } else {
                prop_assert_eq!(slo, reactive);
                prop_assert_eq!(mine, theirs);
            }
        }
    }
}
