//! Two policies beside each other.

use super::course::{Course, mean};
use crate::signal::{Amount, Nanos};
use serde::{Deserialize, Serialize};

/// What a workload's policy and its shadow have made of the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beside {
    /// When it began: when the two met, or one of them was last changed.
    pub since: Nanos,
    /// For how long of that both were asked: no time in which the workload was pinned, left alone after a
    /// foreign write, or only observed.
    pub time: Nanos,
    /// The workload's own.
    pub active: Course,
    /// The shadow's.
    pub shadow: Course,
    /// Use, summed over time.
    used: u128,
}

impl Beside {
    /// Begins, with the limit that both have.
    pub(super) const fn new(since: Nanos, limit: Amount) -> Self {
        Self {
            since,
            time: Nanos(0),
            active: Course::new(limit),
            shadow: Course::new(limit),
            used: 0,
        }
    }

    /// A tick ends with this use; `held`: what of each limit could be promised to nobody else.
    pub(super) fn tick(&mut self, elapsed: Nanos, used: Amount, [active, shadow]: [Amount; 2]) {
        self.time = self.time.plus(elapsed);
        let used = u128::from(used.0) * u128::from(elapsed.0);
        self.used = self.used.saturating_add(used);
        self.active.tick(elapsed, active);
        self.shadow.tick(elapsed, shadow);
    }

    /// A tick ends that does not count.
    pub(super) const fn skip(&mut self) {
        self.active.skip();
        self.shadow.skip();
    }

    /// Mean use.
    #[must_use]
    pub fn mean_used(&self) -> Amount {
        mean(self.used, self.time)
    }

    /// What part of what was held was not used, in thousandths: the active policy, and the shadow. Negative
    /// for one that lives on loans; `None` where nothing was held.
    #[must_use]
    pub fn slack(&self) -> [Option<i64>; 2] {
        [&self.active, &self.shadow].map(|course| course.slack(self.used))
    }
}
