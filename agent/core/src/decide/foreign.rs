//! Somebody else writes the limit: step back, and give up when it goes on.

use super::settings::Settings;
use crate::signal::Nanos;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// What an owner writes within this time is one change of mind, as quota and period on v1 are.
const ONE_CHANGE: Nanos = Nanos::SECOND;

/// What is remembered of foreign writes to one limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Foreign {
    /// When they were found, oldest first, within the window.
    writes: VecDeque<Nanos>,
    /// Until when the limit is left alone.
    until: Option<Nanos>,
    war: bool,
}

impl Foreign {
    /// One more foreign write; how many there are within the window.
    pub(super) fn found(&mut self, now: Nanos, settings: &Settings) -> u32 {
        while self
            .writes
            .front()
            .is_some_and(|at| now.since(*at) > settings.foreign_window)
        {
            self.writes.pop_front();
        }
        let again = |last: &Nanos| now.since(*last) < ONE_CHANGE;
        if !self.writes.back().is_some_and(again) {
            self.writes.push_back(now);
        }
        self.until = Some(now.plus(settings.foreign_backoff));
        let writes = u32::try_from(self.writes.len()).unwrap_or(u32::MAX);
        self.war = writes >= settings.foreign_writes;
        writes
    }

    /// Whether the limit is to be left alone.
    pub(super) const fn stands_back(&self) -> bool {
        self.war || self.until.is_some()
    }

    /// Whether it is not managed any more.
    pub(super) const fn at_war(&self) -> bool {
        self.war
    }

    /// Until when it is left alone.
    pub(super) const fn until(&self) -> Option<Nanos> {
        self.until
    }

    /// Ends the back-off when it is over; true at that moment. A write war does not end by itself.
    pub(super) fn resume(&mut self, now: Nanos) -> bool {
        let over = !self.war && self.until.is_some_and(|until| now >= until);
        if over {
            self.until = None;
        }
        over
    }

    /// A person has decided anew: nothing is held against anybody.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_write_within_the_window_is_a_war() {
        let settings = Settings::default();
        let minute = |n| Nanos(n * Nanos::MINUTE.0);
        let mut foreign = Foreign::default();
        assert_eq!(foreign.found(minute(1), &settings), 1);
        assert!(foreign.stands_back());
        assert!(!foreign.resume(minute(1)));
        assert!(foreign.resume(minute(2)));
        assert!(!foreign.stands_back());
        assert_eq!(
            foreign.found(minute(12), &settings),
            1,
            "the first one is too old to count"
        );
        assert_eq!(foreign.found(minute(13), &settings), 2);
        let at_once = Nanos(minute(13).0 + 1);
        assert_eq!(foreign.found(at_once, &settings), 2, "the same change");
        assert_eq!(foreign.found(minute(14), &settings), 3);
        assert!(foreign.at_war() && !foreign.resume(minute(100)));
        foreign.forget();
        assert!(!foreign.stands_back());
    }
}
