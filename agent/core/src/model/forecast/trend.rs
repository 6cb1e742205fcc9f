//! Level and damped trend: Holt's method, with the trend fading out.

use serde::{Deserialize, Serialize};

use super::skill::Skill;

/// Level and slope are kept in this part of a unit.
const FINE: i64 = 1024;

/// What part of an error goes into the level, and into the slope: one in so many.
const LEVEL: i64 = 2;
const SLOPE: i64 = 8;

/// What is left of the slope after each step: all but one in so many.
const FADE: i64 = 16;

/// Over how many steps errors roll.
const SPAN: u32 = 120;

/// Judged steps before it may be believed.
const ENOUGH: u32 = 60;

/// Beyond this many steps nothing is left of the slope that would matter.
const FAR: u64 = 60;

/// A level that moves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Trend {
    level: i64,
    slope: i64,
    skill: Skill,
}

impl Trend {
    /// Takes the next step in; `last` is the one before, unless there was none.
    pub(super) fn push(&mut self, value: i64, last: Option<i64>, coverage: u32) {
        let Some(last) = last else {
            (self.level, self.slope) = (value.saturating_mul(FINE), 0);
            return;
        };
        self.skill.judge(self.ahead(1), last, value, SPAN, coverage);
        let expected = self.level.saturating_add(faded(self.slope));
        let error = value.saturating_mul(FINE).saturating_sub(expected);
        self.level = expected.saturating_add(error / LEVEL);
        self.slope = faded(self.slope).saturating_add(error / SLOPE);
    }

    /// What is expected so many steps after the last.
    pub(super) fn ahead(&self, steps: u64) -> i64 {
        let (mut level, mut slope) = (self.level, self.slope);
        for _ in 0..steps.min(FAR) {
            slope = faded(slope);
            level = level.saturating_add(slope);
        }
        (level / FINE).max(0)
    }

    pub(super) const fn skill(&self) -> &Skill {
        &self.skill
    }

    /// See [`Skill::error`].
    pub(super) const fn error(&self, before: bool) -> Option<i64> {
        self.skill.error(ENOUGH, before)
    }
}

const fn faded(slope: i64) -> i64 {
    slope - slope / FADE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pushed(values: impl IntoIterator<Item = i64>) -> Trend {
        let (mut trend, mut last) = (Trend::default(), None);
        for value in values {
            trend.push(value, last, 90);
            last = Some(value);
        }
        trend
    }

    #[test]
    fn a_ramp_is_followed() {
        let trend = pushed((0..120).map(|minute| 100_000 + 5_000 * minute));
        assert!(trend.error(false).is_some(), "{trend:?}");
        let ahead = trend.ahead(1);
        assert!((696_000..=701_000).contains(&ahead), "{ahead}");
        // It fades out: nothing rises for ever.
        assert_eq!(trend.ahead(1_000), trend.ahead(FAR));
    }

    #[test]
    fn what_is_steady_or_steps_has_no_trend() {
        assert_eq!(pushed([100_000; 120]).error(false), None);
        let steps = (0..240).map(|minute| 100_000 + 50_000 * (minute / 5 % 3));
        assert_eq!(pushed(steps).error(false), None);
    }

    #[test]
    fn nothing_falls_below_nothing() {
        let trend = pushed((0..100).map(|minute| 1_000 - 10 * minute));
        assert_eq!(trend.ahead(20), 0);
    }
}
