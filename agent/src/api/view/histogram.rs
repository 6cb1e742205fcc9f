//! Distributions of durations.

use serde::{Deserialize, Serialize};

/// How many durations there were of one size. A histogram is a list of these, in order, without those that are empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bin {
    /// The shortest that it counts; the longest is less than a quarter longer.
    pub from_ns: u64,
    /// How many.
    pub count: u64,
}
