//! How often, how far and to and fro the limit of a workload moved.

use serde::{Deserialize, Serialize};

use crate::signal::{Amount, Nanos};

/// Changes of limits that took effect: `memory.high` and `memory.max` count as one limit, the lower of them,
/// and several writes at one moment as one change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// How many.
    pub count: u64,
    /// How many of them went the other way than the one before: oscillation.
    pub turns: u64,
    /// Their sizes, summed, in thousandths of the larger of the two limits.
    pub moved: u64,
}

impl Changes {
    /// Adds those of others.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.turns += other.turns;
        self.moved += other.moved;
    }

    /// The mean size of a change, in thousandths of the larger of the two limits.
    #[must_use]
    pub const fn mean_size(&self) -> u64 {
        match self.moved.checked_div(self.count) {
            Some(mean) => mean,
            None => 0,
        }
    }
}

/// Follows the limit of one workload.
#[derive(Clone, Copy, Debug)]
pub(super) struct Follow {
    /// All that the node has: what no limit comes to.
    whole: u64,
    /// The hard limit and the one above which memory is reclaimed, as they were last written.
    limits: [Amount; 2],
    /// When that was.
    at: Nanos,
    /// What stood before that moment.
    stood: u64,
    rose: Option<bool>,
    sum: u128,
    changes: Changes,
}

impl Follow {
    /// From a moment on.
    pub(super) fn new(begun: Nanos, whole: Amount, limits: [Amount; 2]) -> Self {
        let mut new = Self {
            whole: whole.0,
            limits,
            at: begun,
            stood: 0,
            rose: None,
            sum: 0,
            changes: Changes::default(),
        };
        new.stood = new.stands();
        new
    }

    fn stands(&self) -> u64 {
        self.limits[0].min(self.limits[1]).0.min(self.whole)
    }

    /// Goes on to a moment; what was written at an earlier one has become a change.
    fn advance(&mut self, now: Nanos) {
        if now <= self.at {
            return;
        }
        let stands = self.stands();
        if stands != self.stood {
            let (less, more) = (stands.min(self.stood), stands.max(self.stood));
            let moved = u128::from(more - less) * 1000 / u128::from(more);
            let rose = stands > self.stood;
            self.changes.count += 1;
            self.changes.moved += u64::try_from(moved).unwrap_or(1000);
            self.changes.turns += u64::from(self.rose.is_some_and(|before| before != rose));
            self.rose = Some(rose);
            self.stood = stands;
        }
        self.sum += u128::from(stands) * u128::from(now.since(self.at).0);
        self.at = now;
    }

    /// One of the limits was written, or both were put back.
    pub(super) fn set(&mut self, now: Nanos, limits: [Option<Amount>; 2]) {
        self.advance(now);
        for (limit, set) in self.limits.iter_mut().zip(limits) {
            *limit = set.unwrap_or(*limit);
        }
    }

    /// The integral of the limit over time and its changes, up to now.
    pub(super) fn read(&mut self, now: Nanos) -> (u128, Changes) {
        self.advance(now);
        (self.sum, self.changes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow() -> Follow {
        Follow::new(Nanos(0), Amount(1000), [Amount(400), Amount::UNLIMITED])
    }

    #[test]
    fn writes_of_one_moment_are_one_change() {
        let mut follow = follow();
        follow.set(Nanos(10), [Some(Amount::UNLIMITED), None]);
        follow.set(Nanos(10), [None, Some(Amount(400))]);
        assert_eq!(follow.read(Nanos(20)), (8_000, Changes::default()));
        follow.set(Nanos(20), [None, Some(Amount(100))]);
        follow.set(Nanos(30), [None, Some(Amount(200))]);
        follow.set(Nanos(40), [None, Some(Amount(200))]);
        let (sum, changes) = follow.read(Nanos(50));
        assert_eq!(sum, 8_000 + 1_000 + 2_000 + 2_000);
        let (count, turns, moved) = (2, 1, 750 + 500);
        let wanted = Changes {
            count,
            turns,
            moved,
        };
        assert_eq!(changes, wanted);
        assert_eq!(changes.mean_size(), 625);
    }

    #[test]
    fn no_limit_is_all_that_the_node_has() {
        let mut follow = follow();
        follow.set(Nanos(0), [Some(Amount::UNLIMITED), None]);
        assert_eq!(follow.read(Nanos(10)).0, 10_000);
    }
}
