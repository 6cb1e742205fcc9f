//! Random nodes that may be full.

use proptest::prelude::*;
use trimtab_core::decide::{Arbiter, Claim, Entitlement, Priority};
use trimtab_core::signal::Amount;

/// Claims and what they are divided from.
#[derive(Clone, Debug)]
pub(crate) struct Instance {
    pub(crate) claims: Vec<Claim>,
    pub(crate) spare: Amount,
}

impl Instance {
    pub(crate) fn divide(&self) -> Vec<Amount> {
        Arbiter::default().divide(&self.claims, self.spare).to_vec()
    }

    /// What those who draw on the node have beyond their floors.
    pub(crate) fn taken(&self, shares: &[Amount]) -> u64 {
        let tops = self.claims.iter().zip(shares);
        tops.filter(|(claim, _)| claim.parent.is_none())
            .map(|(claim, share)| share.0 - claim.floor.0)
            .sum()
    }

    /// The same for what cannot be taken back.
    pub(crate) fn held(&self) -> u64 {
        let tops = self.claims.iter().filter(|claim| claim.parent.is_none());
        tops.map(|claim| claim.held.0.saturating_sub(claim.floor.0))
            .sum()
    }
}

/// No less than floor and what it holds.
pub(crate) fn least(claim: &Claim) -> Amount {
    claim.floor.max(claim.held)
}

/// No more than what it wants and may have, but for what it has anyway.
pub(crate) fn most(claim: &Claim) -> Amount {
    claim.want.min(claim.ceiling).max(least(claim))
}

fn entitlement() -> impl Strategy<Value = Entitlement> {
    let weight = prop_oneof![
        Just(100_u16),
        prop::sample::select(vec![1, 50, 200, 1_000, Entitlement::HEAVIEST]),
        1..=Entitlement::HEAVIEST,
    ];
    (weight, prop::sample::select(Priority::DESCENDING.to_vec()))
        .prop_map(|(weight, priority)| Entitlement { weight, priority })
}

prop_compose! {
    fn claim(scale: u64)(
        floor in 0..=scale / 8,
        held in prop_oneof![2 => Just(0), 1 => 0..=scale / 4],
        more in 0..=scale,
        ceiling in prop_oneof![2 => Just(u64::MAX), 1 => 0..=scale],
        entitlement in entitlement(),
        parent in prop::option::weighted(0.3, any::<prop::sample::Index>()),
    ) -> (Claim, Option<prop::sample::Index>) {
        let claim = Claim {
            floor: Amount(floor),
            held: Amount(held),
            want: Amount(floor + more),
            ceiling: Amount(ceiling),
            entitlement,
            parent: None,
        };
        (claim, parent)
    }
}

/// A node with so many claims at most. No child has a larger floor than its parent, or holds more.
pub(crate) fn instance(most: usize) -> impl Strategy<Value = Instance> {
    let scale = prop::sample::select(vec![20, 4_000_000, 1 << 36]);
    scale
        .prop_flat_map(move |scale| {
            let claims = prop::collection::vec(claim(scale), 1..=most);
            (claims, 0..=scale * 4)
        })
        .prop_map(|(drawn, spare)| {
            let mut claims: Vec<Claim> = Vec::new();
            for (mut claim, parent) in drawn {
                claim.parent = parent
                    .filter(|_| !claims.is_empty())
                    .map(|parent| parent.index(claims.len()));
                if let Some(above) = claim.parent.map(|parent| claims[parent]) {
                    claim.floor = claim.floor.min(above.floor);
                    claim.held = claim.held.min(least(&above));
                }
                claims.push(claim);
            }
            Instance {
                claims,
                spare: Amount(spare),
            }
        })
}
