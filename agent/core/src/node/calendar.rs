//! Who is due next: a tournament, so that a change costs a walk to the root and looking costs nothing.

use crate::signal::Nanos;

use super::work::NEVER;

/// The next event of each workload. Of several at one moment the smallest index comes first.
#[derive(Clone, Debug)]
pub(super) struct Calendar {
    /// The leaves are the second half; a node holds the earlier of its two children.
    times: Vec<Nanos>,
    leaves: usize,
}

impl Calendar {
    pub(super) fn new(count: usize) -> Self {
        let leaves = count.max(1).next_power_of_two();
        Self {
            times: vec![NEVER; 2 * leaves],
            leaves,
        }
    }

    /// The same with one more place at the end.
    pub(super) fn grown(&self, count: usize) -> Self {
        let mut grown = Self::new(count + 1);
        for index in 0..count {
            grown.set(index, self.at(index));
        }
        grown
    }

    /// When an index is due.
    pub(super) fn at(&self, index: usize) -> Nanos {
        self.times[self.leaves + index]
    }

    /// Sets when an index is due.
    pub(super) fn set(&mut self, index: usize, time: Nanos) {
        let mut place = self.leaves + index;
        self.times[place] = time;
        while place > 1 {
            let earlier = self.times[place].min(self.times[place ^ 1]);
            place /= 2;
            if self.times[place] == earlier {
                return;
            }
            self.times[place] = earlier;
        }
    }

    /// When the first is due.
    pub(super) fn time(&self) -> Nanos {
        self.times[1]
    }

    /// Who that is.
    pub(super) fn first(&self) -> usize {
        let mut place = 1;
        while place < self.leaves {
            place *= 2;
            if self.times[place] > self.times[place + 1] {
                place += 1;
            }
        }
        place - self.leaves
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_found_whatever_is_set() {
        let mut random = fastrand::Rng::with_seed(5);
        for count in [1, 2, 3, 8, 13] {
            let mut calendar = Calendar::new(count);
            let mut times = vec![NEVER; count];
            for _ in 0..500 {
                let (index, time) = (random.usize(0..count), Nanos(random.u64(0..20)));
                calendar.set(index, time);
                times[index] = time;
                let first = (0..count).min_by_key(|index| times[*index]).unwrap();
                assert_eq!((calendar.time(), calendar.first()), (times[first], first));
            }
        }
    }
}
