//! How much a workload was throttled over the last ticks.

use serde::{Deserialize, Serialize};

/// How many ticks are remembered.
const TICKS: usize = 10;

/// Throttled periods of the last ten ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Throttling {
    throttled: [u64; TICKS],
    periods: [u64; TICKS],
    /// Index of the newest tick, below `TICKS`.
    newest: usize,
}

impl Throttling {
    /// Takes one tick's counters in.
    pub fn push(&mut self, throttled: u64, periods: u64) {
        self.newest = (self.newest + 1) % TICKS;
        self.throttled[self.newest] = throttled;
        self.periods[self.newest] = periods;
    }

    /// Throttled periods, and periods in all.
    #[must_use]
    pub fn recent(&self) -> (u64, u64) {
        (self.throttled.iter().sum(), self.periods.iter().sum())
    }

    /// Whether the last tick had a throttled period.
    #[must_use]
    pub const fn now(&self) -> bool {
        self.throttled[self.newest % TICKS] > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_ticks_are_remembered() {
        let mut throttling = Throttling::default();
        throttling.push(3, 10);
        assert!(throttling.now());
        for _ in 0..9 {
            throttling.push(0, 10);
        }
        assert!(!throttling.now());
        assert_eq!(throttling.recent(), (3, 100));
        throttling.push(0, 10);
        assert_eq!(throttling.recent(), (0, 100));
    }
}
