//! How good one candidate's forecasts have been, and how far above them what came has been.

use serde::{Deserialize, Serialize};

/// A candidate is believed once its error is below so many percent of that of expecting no change ...
const BELIEVED: i64 = 65;

/// ... and until it is above so many.
const DOUBTED: i64 = 80;

/// Errors are kept in this part of a unit.
const FINE: i64 = 1024;

/// One in the interval: a thousandth of the forecast, and a hundredth of that for the percent of its coverage.
const ONE: i64 = 1000 * 100;

/// By how many thousandths the interval moves, in all of both directions.
const PACE: i64 = 32;

/// Rolling errors of a candidate and of the forecast that nothing will change, over the same steps: their ratio is
/// the scaled error of Hyndman and Koehler (2006).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Skill {
    own: i64,
    naive: i64,
    /// How many steps have been judged, up to the span.
    steps: u32,
    /// By how much the interval's upper end lies above the forecast.
    above: i64,
}

impl Skill {
    /// Judges a forecast by what came; `naive` is what had come before. Errors roll over about `span` steps.
    ///
    /// The interval's upper end moves up a little with each value above it and down a little less with each
    /// below, so that in the long run `coverage` percent of values lie below it, however they are distributed
    /// (Gibbs and Candès, *Adaptive conformal inference under distribution shift*, 2021).
    pub(super) fn judge(&mut self, forecast: i64, naive: i64, came: i64, span: u32, coverage: u32) {
        let weight = i64::from(self.steps.min(span.max(1) - 1)) + 1;
        roll(&mut self.own, forecast.abs_diff(came), weight);
        roll(&mut self.naive, naive.abs_diff(came), weight);
        self.steps = self.steps.saturating_add(1).min(span);
        let coverage = i64::from(coverage.min(100));
        let moved = if came > self.upper(forecast) {
            PACE * coverage
        } else {
            -PACE * (100 - coverage)
        };
        self.above = self.above.saturating_add(moved).clamp(0, ONE);
    }

    /// The upper end of the interval of a forecast; at most twice as much.
    pub(super) const fn upper(&self, forecast: i64) -> i64 {
        forecast.saturating_add(forecast.saturating_mul(self.above) / ONE)
    }

    /// How many steps have been judged, up to the span.
    pub(super) const fn steps(&self) -> u32 {
        self.steps
    }

    /// The error in thousandths of that of expecting no change, if the candidate has been judged for `enough` steps
    /// and may be believed; `before` is whether it has been so far.
    pub(super) const fn error(&self, enough: u32, before: bool) -> Option<i64> {
        let bound = if before { DOUBTED } else { BELIEVED };
        let well = self.own.saturating_mul(100) < self.naive.saturating_mul(bound);
        if self.steps >= enough && self.naive > 0 && well {
            Some(self.own.saturating_mul(1000) / self.naive)
        } else {
            None
        }
    }
}

/// Takes one more into a mean: of all so far, and then exponentially weighted.
fn roll(mean: &mut i64, value: u64, weight: i64) {
    let value = i64::try_from(value)
        .unwrap_or(i64::MAX)
        .saturating_mul(FINE);
    *mean = mean.saturating_add(value.saturating_sub(*mean) / weight);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_is_that_of_all_until_the_span_is_full() {
        let mut skill = Skill::default();
        for came in [10, 30, 50] {
            skill.judge(0, 0, came, 10, 90);
        }
        assert_eq!(skill.own, 30 * FINE);
    }

    #[test]
    fn one_that_is_no_better_is_not_believed() {
        let mut skill = Skill::default();
        for step in 0..100 {
            skill.judge(100, 100, 100 + step % 7, 50, 90);
        }
        assert_eq!(skill.error(50, false), None);
        // Half the error is enough, but not before it is known for long enough.
        let mut skill = Skill::default();
        for step in 0..100 {
            skill.judge(100, 90, 110 + step % 2, 50, 90);
            assert_eq!(skill.error(50, false).is_some(), step >= 49, "{step}");
        }
    }

    #[test]
    fn belief_outlasts_a_little_worse_times() {
        let mut skill = Skill::default();
        for _ in 0..100 {
            skill.judge(30, 0, 100, 50, 90);
        }
        assert_eq!(
            (skill.error(50, false), skill.error(50, true)),
            (None, Some(700))
        );
    }

    #[test]
    fn the_interval_covers_as_much_as_it_should() {
        let mut skill = Skill::default();
        let mut noise = 1_u64;
        let mut covered = 0;
        for step in 0..20_000 {
            noise = noise
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let came = 1000 + i64::try_from(noise >> 55).unwrap();
            covered += u32::from(step >= 1000 && came <= skill.upper(1000));
            skill.judge(1000, 1000, came, 100, 90);
        }
        let percent = f64::from(covered) / 190.0;
        assert!((89.0..91.0).contains(&percent), "{percent}");
    }
}
