//! How often which value came: exact, and the same in whatever order it is put together.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Values with how often they came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tally(BTreeMap<i64, u64>);

impl Tally {
    /// Counts a value so many times.
    pub fn add(&mut self, value: i64, times: u64) {
        if times > 0 {
            *self.0.entry(value).or_default() += times;
        }
    }

    /// Counts all that another has counted.
    pub fn merge(&mut self, other: &Self) {
        for (value, times) in &other.0 {
            self.add(*value, *times);
        }
    }

    /// How many values were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.values().sum()
    }

    /// The least value that this share of all values does not exceed, in thousandths; `None` of nothing.
    #[must_use]
    pub fn quantile(&self, permille: u32) -> Option<i64> {
        let count = u128::from(self.count());
        let rank = (count * u128::from(permille)).div_ceil(1000).max(1);
        let mut passed = 0_u128;
        self.0.iter().find_map(|(value, times)| {
            passed += u128::from(*times);
            (passed >= rank).then_some(*value)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_came() {
        let mut tally = Tally::default();
        assert_eq!(tally.quantile(500), None);
        for (value, times) in [(-3, 1), (5, 2), (9, 1), (7, 0)] {
            tally.add(value, times);
        }
        assert_eq!(tally.count(), 4);
        let found = [0, 250, 251, 500, 750, 751, 1000].map(|permille| tally.quantile(permille));
        let wanted = [-3, -3, 5, 5, 5, 9, 9].map(Some);
        assert_eq!(found, wanted);
    }
}
