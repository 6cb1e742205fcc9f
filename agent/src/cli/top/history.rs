//! What a value was lately, for sparklines.

use std::collections::VecDeque;

/// The last values of something, oldest first, and no more than so many.
#[derive(Clone, Debug)]
pub(super) struct Series {
    /// [`u32::MAX`] where it was not known.
    values: VecDeque<u32>,
    most: usize,
}

impl Series {
    /// Room for so many values, taken as they come.
    pub(super) const fn of(most: usize) -> Self {
        Self {
            values: VecDeque::new(),
            most,
        }
    }

    /// The next value; what is too large counts as the largest.
    pub(super) fn push(&mut self, value: Option<u64>) {
        if self.values.len() >= self.most {
            self.values.pop_front();
        }
        let small = |value| u32::try_from(value).unwrap_or(u32::MAX).min(u32::MAX - 1);
        self.values.push_back(value.map_or(u32::MAX, small));
    }

    /// The last so many, oldest first; `None` where it was not known.
    pub(super) fn last(&self, count: usize) -> impl Iterator<Item = Option<u64>> + '_ {
        let skipped = self.values.len().saturating_sub(count);
        let known = |value: &u32| (*value < u32::MAX).then_some(u64::from(*value));
        self.values.iter().skip(skipped).map(known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_and_what_is_not_known_stays_so() {
        let mut series = Series::of(3);
        for value in [Some(1), None, Some(u64::MAX), Some(0)] {
            series.push(value);
        }
        let largest = u64::from(u32::MAX - 1);
        let last: Vec<_> = series.last(9).collect();
        assert_eq!(last, [None, Some(largest), Some(0)]);
        assert_eq!(series.last(1).collect::<Vec<_>>(), [Some(0)]);
    }
}
