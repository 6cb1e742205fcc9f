//! Nothing divides better: the optimum of the linear programs, on random nodes.

use crate::instance::instance;
use crate::program::{float, solve};
use proptest::prelude::*;

/// How far from the optimum a share may be, of the largest want, and beyond that by rounding.
const EXACT: f64 = 1e-6;

proptest! {
    // `PROPTEST_CASES` asks for more.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn shares_are_those_of_the_linear_programs(instance in instance(8)) {
        let shares = instance.divide();
        let optimum = solve(&instance);
        let largest = optimum.iter().copied().fold(0.0, f64::max);
        // What rounding leaves over for one is missing, or too much, for all others together.
        let rounding = float(instance.claims.len() as u64);
        for (share, best) in shares.iter().zip(&optimum) {
            let off = (float(share.0) - best).abs();
            prop_assert!(
                off <= EXACT * largest + rounding,
                "{shares:?} instead of {optimum:?}"
            );
        }
    }
}
