//! Where a limit stood, how often it moved, and for how long it did not suffice.

use crate::signal::{Amount, Nanos};
use serde::{Deserialize, Serialize};

/// The course of one limit, from tick to tick. What lies between two ticks is seen only as far as the fast
/// loop has told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Course {
    /// Where it stands; where there is no limit, the highest that there could be.
    pub limit: Amount,
    /// How often a tick found it elsewhere than the one before.
    pub changes: u64,
    /// How often it moved the other way than the time before.
    pub turns: u64,
    /// The ticks in which it did not suffice: use went beyond it, it was to be lifted, or it throttled.
    pub short: Nanos,
    /// Sums over time, in micro-CPU nanoseconds.
    limits: u128,
    held: u128,
    /// Whether the last move was upwards.
    rose: Option<bool>,
    /// Whether it did not suffice in the tick that is under way.
    lacks: bool,
}

impl Course {
    /// Begins at a limit.
    pub(super) const fn new(limit: Amount) -> Self {
        Self {
            limit,
            changes: 0,
            turns: 0,
            short: Nanos(0),
            limits: 0,
            held: 0,
            rose: None,
            lacks: false,
        }
    }

    /// The limit stands here from now on.
    pub(super) fn moves(&mut self, limit: Amount) {
        if limit == self.limit {
            return;
        }
        let rises = limit > self.limit;
        self.changes += 1;
        self.turns += u64::from(self.rose.is_some_and(|rose| rose != rises));
        self.rose = Some(rises);
        self.limit = limit;
    }

    /// It has not sufficed in the tick that is under way.
    pub(super) const fn lacks(&mut self) {
        self.lacks = true;
    }

    /// A tick ends; `held`: what of the limit could be promised to nobody else.
    pub(super) fn tick(&mut self, elapsed: Nanos, held: Amount) {
        let time = u128::from(elapsed.0);
        self.limits = self.limits.saturating_add(u128::from(self.limit.0) * time);
        self.held = self.held.saturating_add(u128::from(held.0) * time);
        if std::mem::take(&mut self.lacks) {
            self.short = self.short.plus(elapsed);
        }
    }

    /// A tick ends that does not count.
    pub(super) const fn skip(&mut self) {
        self.lacks = false;
    }

    /// The mean of the limit over so long as it was followed.
    #[must_use]
    pub fn mean_limit(&self, time: Nanos) -> Amount {
        mean(self.limits, time)
    }

    /// The mean of what could be promised to nobody else.
    #[must_use]
    pub fn mean_held(&self, time: Nanos) -> Amount {
        mean(self.held, time)
    }

    /// `(held - used) / held` in thousandths, where `used` is summed over the same time; negative for one
    /// that lives on loans. `None` where nothing was held.
    pub(super) fn slack(&self, used: u128) -> Option<i64> {
        let held = i128::try_from(self.held).ok().filter(|held| *held > 0)?;
        let used = i128::try_from(used).ok()?;
        i64::try_from((held - used).saturating_mul(1000) / held).ok()
    }
}

/// A sum over time as a mean.
pub(super) fn mean(sum: u128, time: Nanos) -> Amount {
    let mean = sum / u128::from(time.0.max(1));
    Amount(u64::try_from(mean).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Nanos = Nanos::SECOND;

    #[test]
    fn moves_and_turns_are_counted_and_time_is_weighed() {
        let mut course = Course::new(Amount(400));
        course.tick(TICK, Amount(300));
        for limit in [400, 200, 100, 300] {
            course.moves(Amount(limit));
        }
        assert_eq!((course.changes, course.turns), (3, 1));
        course.tick(Nanos(3 * TICK.0), Amount(300));
        let time = Nanos(4 * TICK.0);
        assert_eq!(course.mean_limit(time), Amount(325));
        assert_eq!(course.mean_held(time), Amount(300));
    }

    #[test]
    fn a_tick_that_lacked_counts_once_and_one_that_is_skipped_does_not() {
        let mut course = Course::new(Amount(400));
        course.lacks();
        course.lacks();
        course.tick(TICK, Amount(400));
        course.tick(TICK, Amount(400));
        assert_eq!(course.short, TICK);
        course.lacks();
        course.skip();
        course.tick(TICK, Amount(400));
        assert_eq!(course.short, TICK);
    }

    #[test]
    fn slack_is_what_is_held_and_not_used() {
        let mut course = Course::new(Amount(400));
        assert_eq!(course.slack(0), None);
        course.tick(TICK, Amount(200));
        let used = |used: u128| used * u128::from(TICK.0);
        assert_eq!(course.slack(used(150)), Some(250));
        assert_eq!(course.slack(used(300)), Some(-500));
    }
}
