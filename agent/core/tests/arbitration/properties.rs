//! What makes a division fair, on random nodes.

use crate::instance::{Instance, instance, least, most};
use proptest::prelude::*;
use trimtab_core::decide::{Arbiter, Claim, Priority};
use trimtab_core::signal::Amount;

/// The instance with its claims in another order.
fn permuted(instance: &Instance, order: &[usize]) -> Instance {
    let new_place = |old: usize| order.iter().position(|place| *place == old);
    let claim = |old: &usize| Claim {
        parent: instance.claims[*old].parent.and_then(new_place),
        ..instance.claims[*old]
    };
    Instance {
        claims: order.iter().map(claim).collect(),
        spare: instance.spare,
    }
}

/// Whether two compete: both draw on the node, in one priority.
fn compete(one: &Claim, other: &Claim) -> bool {
    let tops = one.parent.is_none() && other.parent.is_none();
    tops && one.entitlement.priority == other.entitlement.priority
}

/// Whether it is where it is for its own sake, and not for that of one below it.
fn stands_alone(instance: &Instance, place: usize) -> bool {
    instance
        .claims
        .iter()
        .all(|claim| claim.parent != Some(place))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_more_is_given_than_there_is(instance in instance(40)) {
        let taken = instance.taken(&instance.divide());
        prop_assert!(taken <= instance.spare.0.max(instance.held()));
    }

    #[test]
    fn nothing_is_left_over_while_somebody_wants_it(instance in instance(40)) {
        let shares = instance.divide();
        let hungry = instance.claims.iter().zip(&shares);
        let hungry = hungry.filter(|(claim, share)| claim.parent.is_none() && **share < most(claim));
        if hungry.count() > 0 {
            let many = instance.claims.len() as u64;
            prop_assert!(instance.taken(&shares) + many >= instance.spare.0);
        }
    }

    #[test]
    fn a_share_lies_between_floor_and_want_and_below_its_parents(instance in instance(40)) {
        let shares = instance.divide();
        for (claim, share) in instance.claims.iter().zip(&shares) {
            prop_assert!(*share >= least(claim) && *share <= most(claim));
            if let Some(parent) = claim.parent {
                prop_assert!(*share <= shares[parent].max(least(claim)));
            }
        }
    }

    #[test]
    fn who_has_less_than_it_wants_envies_nobody(instance in instance(40)) {
        let shares = instance.divide();
        let claims = &instance.claims;
        let per_weight = |of: usize, weight: u16| {
            u128::from(shares[of].0 - claims[of].floor.0) * u128::from(weight)
        };
        for one in 0..claims.len() {
            for other in 0..claims.len() {
                let chosen = shares[other] > claims[other].held && stands_alone(&instance, other);
                if !compete(&claims[one], &claims[other]) || shares[one] >= most(&claims[one]) || !chosen {
                    continue;
                }
                let (w_one, w_other) = (claims[one].entitlement.weight, claims[other].entitlement.weight);
                // Rounding takes less than a unit from each.
                let theirs = per_weight(other, w_one);
                let mine = per_weight(one, w_other) + u128::from(w_one.max(w_other));
                prop_assert!(theirs <= mine, "{one} envies {other}: {shares:?}");
            }
        }
    }

    #[test]
    fn a_priority_gets_nothing_beyond_its_floor_while_a_higher_one_wants_more(instance in instance(40)) {
        let shares = instance.divide();
        let claims = &instance.claims;
        let is_hungry = |(claim, share): &(&Claim, &Amount)| claim.parent.is_none() && **share < most(claim);
        let highest = claims.iter().zip(&shares).filter(is_hungry).map(|(claim, _)| claim.entitlement.priority).max();
        let Some(highest) = highest else { return Ok(()) };
        for (place, claim) in claims.iter().enumerate() {
            if claim.entitlement.priority < highest && claim.parent.is_none() && stands_alone(&instance, place) {
                prop_assert_eq!(shares[place], least(claim));
            }
        }
    }

    #[test]
    fn more_to_divide_leaves_nobody_with_less(instance in instance(40), more in 0..4_000_000_u64) {
        let shares = instance.divide();
        let richer = Instance { spare: instance.spare.plus(Amount(more)), ..instance };
        for (less, more) in shares.iter().zip(richer.divide()) {
            prop_assert!(*less <= more);
        }
    }

    #[test]
    fn the_order_of_claims_makes_no_difference(
        (instance, order) in instance(40).prop_flat_map(|instance| {
            let places: Vec<usize> = (0..instance.claims.len()).collect();
            (Just(instance), Just(places).prop_shuffle())
        })
    ) {
        let shares = instance.divide();
        let others = permuted(&instance, &order).divide();
        for (new, old) in order.iter().enumerate() {
            prop_assert_eq!(others[new], shares[*old]);
        }
    }

    #[test]
    fn one_arbiter_divides_again_as_a_new_one_would(first in instance(40), second in instance(10)) {
        let mut arbiter = Arbiter::default();
        let _ = arbiter.divide(&first.claims, first.spare);
        let again = arbiter.divide(&second.claims, second.spare);
        prop_assert_eq!(again, second.divide());
    }

    #[test]
    fn who_wants_more_without_being_given_it_changes_nothing(instance in instance(12), who in any::<prop::sample::Index>()) {
        let shares = instance.divide();
        let place = who.index(instance.claims.len());
        let top = instance.claims[place].parent.is_none();
        if top && stands_alone(&instance, place) && shares[place] < most(&instance.claims[place]) {
            let mut greedy = instance.clone();
            greedy.claims[place].want = Amount::UNLIMITED;
            prop_assert_eq!(greedy.divide(), shares, "asking for more than one gets is worth nothing");
        }
    }
}

#[test]
fn priorities_are_all_there() {
    assert!(Priority::DESCENDING.is_sorted_by(|one, next| one > next));
}
