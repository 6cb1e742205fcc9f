//! The same division as a sequence of linear programs, solved by a library in floating point.
//!
//! Priority by priority: raise the level of all who can still rise, find who cannot rise further
//! without another one falling, fix these, and go on. It knows nothing of how the arbiter works.

use crate::instance::{Instance, least, most};
use microlp::{ComparisonOp, OptimizationDirection, Problem, Variable};
use trimtab_core::decide::Priority;

/// What may be counted as equal, of the largest amount.
const EQUAL: f64 = 1e-9;

#[expect(clippy::cast_precision_loss, reason = "amounts stay far below 2^52")]
pub(crate) fn float(amount: u64) -> f64 {
    amount as f64
}

/// The share of each claim.
pub(crate) fn solve(instance: &Instance) -> Vec<f64> {
    let claims = &instance.claims;
    let largest = claims.iter().map(|claim| most(claim).0).max();
    let equal = (float(largest.unwrap_or(0)) * EQUAL).max(1e-6);
    let mut bounds: Vec<(f64, f64)> = claims
        .iter()
        .map(|claim| (float(least(claim).0), float(most(claim).0)))
        .collect();
    for priority in Priority::DESCENDING {
        let mut rising: Vec<usize> = (0..claims.len())
            .filter(|place| claims[*place].entitlement.priority == priority)
            .collect();
        while !rising.is_empty() {
            let level = highest_level(instance, &bounds, &rising);
            let base = |place: usize| {
                let claim = &claims[place];
                float(claim.floor.0) + f64::from(claim.entitlement.weight) * level
            };
            let mut at_level = bounds.clone();
            for place in &rising {
                at_level[*place].0 = at_level[*place].0.max(base(*place).min(bounds[*place].1));
            }
            let stuck = |place: &usize| {
                highest_share(instance, &at_level, *place) <= at_level[*place].0 + equal
                    && at_level[*place].0 <= base(*place) + equal
            };
            let (fixed, others): (Vec<usize>, Vec<usize>) = rising.iter().partition(|at| stuck(at));
            assert!(
                !fixed.is_empty(),
                "nobody is stuck at {level}: {instance:?}"
            );
            for place in fixed {
                bounds[place].0 = at_level[place].0;
            }
            rising = others;
        }
    }
    bounds.into_iter().map(|(share, _)| share).collect()
}

/// The constraints, without an objective yet.
fn program(instance: &Instance, bounds: &[(f64, f64)], weigh: usize) -> (Problem, Vec<Variable>) {
    let mut problem = Problem::new(OptimizationDirection::Maximize);
    let share = |(place, bounds): (usize, &(f64, f64))| {
        problem.add_var(f64::from(u8::from(place == weigh)), *bounds)
    };
    let shares: Vec<Variable> = bounds.iter().enumerate().map(share).collect();
    let tops = instance.claims.iter().zip(&shares);
    let tops: Vec<_> = tops
        .filter(|(claim, _)| claim.parent.is_none())
        .map(|(_, share)| (*share, 1.0))
        .collect();
    let floors: u64 = instance
        .claims
        .iter()
        .filter(|claim| claim.parent.is_none())
        .map(|claim| claim.floor.0)
        .sum();
    let capacity = float(floors + instance.spare.0.max(instance.held()));
    problem.add_constraint(tops, ComparisonOp::Le, capacity);
    for (claim, share) in instance.claims.iter().zip(&shares) {
        if let Some(parent) = claim.parent {
            let below = [(*share, 1.0), (shares[parent], -1.0)];
            problem.add_constraint(below, ComparisonOp::Le, 0.0);
        }
    }
    (problem, shares)
}

fn highest_share(instance: &Instance, bounds: &[(f64, f64)], place: usize) -> f64 {
    let (problem, shares) = program(instance, bounds, place);
    value(&problem, shares[place])
}

/// The highest level at which all of `rising` can stand.
fn highest_level(instance: &Instance, bounds: &[(f64, f64)], rising: &[usize]) -> f64 {
    let (mut problem, shares) = program(instance, bounds, usize::MAX);
    let level = problem.add_var(1.0, (0.0, f64::INFINITY));
    for place in rising {
        let claim = &instance.claims[*place];
        let weight = f64::from(claim.entitlement.weight);
        let above = [(shares[*place], 1.0), (level, -weight)];
        problem.add_constraint(above, ComparisonOp::Ge, float(claim.floor.0));
    }
    value(&problem, level)
}

fn value(problem: &Problem, variable: Variable) -> f64 {
    let outcome = problem.solve().expect("there is a solution");
    let solution = outcome.into_solution().expect("nothing interrupts it");
    solution.var_value(variable)
}
