//! A token bucket that is one number.

use crate::signal::Nanos;
use serde::{Deserialize, Serialize};

/// How much of a rate is used up, as the time at which the next one would be due if they came
/// evenly. A quarter of a minute's worth, and at least two, may come at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// When the next one is due at an even rate.
    pub due: Nanos,
}

impl Rate {
    /// Whether one more is allowed now.
    #[must_use]
    pub fn admits(self, now: Nanos, per_minute: u32) -> bool {
        let Some(interval) = Nanos::MINUTE.0.checked_div(u64::from(per_minute)) else {
            return false;
        };
        let at_once = u64::from((per_minute / 4).max(2));
        self.due <= now.plus(Nanos(interval.saturating_mul(at_once - 1)))
    }

    /// Counts one.
    pub fn count(&mut self, now: Nanos, per_minute: u32) {
        let interval = Nanos::MINUTE.0 / u64::from(per_minute.max(1));
        self.due = self.due.max(now).plus(Nanos(interval));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_allows_a_quarter_at_once_and_then_the_rate() {
        let mut rate = Rate::default();
        let start = Nanos(Nanos::MINUTE.0);
        let mut take = |now: Nanos| {
            let yes = rate.admits(now, 60);
            if yes {
                rate.count(now, 60);
            }
            yes
        };
        assert_eq!((0..100).filter(|_| take(start)).count(), 15);
        let minute = (0..6_000)
            .filter(|i| take(start.plus(Nanos(i * 10_000_000))))
            .count();
        assert!((59..=60).contains(&minute), "{minute}");
    }

    #[test]
    fn no_rate_allows_nothing() {
        assert!(!Rate::default().admits(Nanos::MINUTE, 0));
    }
}
