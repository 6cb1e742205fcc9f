//! `predictive`: `headroom`, and ahead of a rise that the workload's own past foretells.
//!
//! Where nothing is foreseen it is `headroom`, decision for decision. A foreseen rise raises the limit before it
//! comes, or keeps it from being trimmed; nothing that is foreseen ever lowers it.

use super::headroom;
use super::types::{Basis, Memory, Need, Proposal};
use crate::decide::reason::Rule;
use crate::decide::settings::Predictive;

/// What the rule says now: never less than the reactive part alone.
pub(super) fn propose(
    policy: &Predictive,
    memory: &mut Memory,
    need: &Need<'_>,
) -> Option<Proposal> {
    let reactive = headroom::propose(&policy.reactive, memory, need);
    let Some(foreseen) = need.foreseen else {
        return reactive;
    };
    let margin = policy.reactive.margin + memory.wider;
    // Up to the interval's upper end no raise should be needed any more.
    let to = foreseen
        .expected
        .percent(100 + margin)
        .max(foreseen.upper.percent(100 + policy.reactive.margin / 2));
    let ahead = |rule| Proposal {
        to,
        rule,
        basis: Basis::Foreseen {
            foreseen,
            within: policy.lead,
            margin,
        },
    };
    let suffices = reactive.is_some_and(|reactive| reactive.to >= to);
    let trims = reactive.is_some_and(|reactive| reactive.rule == Rule::Trim);
    if suffices {
        reactive
    } else if foreseen.upper.percent(100 + policy.reactive.margin / 2) > need.limit {
        Some(ahead(Rule::Ahead))
    } else if trims {
        // What is left of the trim, unless it is too little to be worth it.
        Some(ahead(Rule::Trim)).filter(|ahead| ahead.to <= need.limit.percent(90))
    } else {
        reactive
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::usage;
    use super::super::types::Cut;
    use super::*;
    use crate::model::{Foreseen, Pattern};
    use crate::signal::{Amount, Nanos};
    use proptest::prelude::*;

    fn cut(from: u64, to: u64) -> Cut {
        Cut {
            at: Nanos::SECOND,
            from: Amount(from.max(to)),
            to: Amount(from.min(to)),
        }
    }

    fn foreseen(expected: u64, above: u64) -> Foreseen {
        Foreseen {
            expected: Amount(expected),
            upper: Amount(expected + above),
            pattern: Pattern::Day,
        }
    }

    proptest! {
        #[test]
        fn it_never_asks_for_less_than_the_reactive_part(
            ticks in prop::collection::vec((0..4_000_000_u64, prop_oneof![Just(0_u64), 0..10_u64]), 1..70),
            limit in 10_000..8_000_000_u64,
            trimmed in prop::option::of((1..8_000_000_u64, 1..8_000_000_u64)),
            rise in prop::option::of((0..8_000_000_u64, 0..2_000_000_u64)),
            margin in 0..100_u32,
        ) {
            let usage = usage(&ticks);
            let need = Need {
                now: Nanos(ticks.len() as u64 * Nanos::SECOND.0),
                limit: Amount(limit),
                usage: &usage,
                cut: trimmed.map(|(from, to)| cut(from, to)),
                foreseen: rise.map(|(expected, above)| foreseen(expected, above)),
                missed: false,
                memory: None,
            };
            let mut policy = Predictive::default();
            policy.reactive.margin = margin;
            let (mut mine, mut theirs) = (Memory::default(), Memory::default());
            let ahead = propose(&policy, &mut mine, &need);
            let reactive = headroom::propose(&policy.reactive, &mut theirs, &need);
            let to = |proposal: Option<Proposal>| proposal.map_or(need.limit, |one| one.to);
            prop_assert!(to(ahead) >= to(reactive), "{ahead:?} {reactive:?}");
            prop_assert_eq!(mine, theirs);
            if rise.is_none() {
                prop_assert_eq!(ahead, reactive);
            }
        }
    }
}
