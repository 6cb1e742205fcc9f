//! What is counted of a workload since its adoption.

use super::Histogram;

/// What is counted, one number each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// CPU time used, in ns.
    CpuTime,
    /// Time throttled, in ns.
    Throttled,
    /// Periods of the quota in which something was to run.
    Periods,
    /// Of these, the throttled ones.
    ThrottledPeriods,
    /// Processes that the OOM killer took.
    OomKills,
    /// Times that memory went over `memory.high`.
    OverHigh,
    /// Times that memory was about to go over the hard limit.
    AtMax,
    /// Bytes that TCP servers read.
    BytesIn,
    /// Bytes that they sent.
    BytesOut,
    /// Limits raised.
    Lifts,
    /// Limits lowered.
    Trims,
    /// Trims taken back because they hurt.
    Undone,
    /// Lifts refused.
    Denials,
    /// Limits written by somebody else.
    ForeignWrites,
    /// The first verdict: five of CPU in the order of [`VERDICTS`], then five of memory.
    Verdicts,
}

/// The verdicts on changes, as in the journal.
pub const VERDICTS: [&str; 5] = [
    "helped",
    "no-difference",
    "hurt",
    "cut-short",
    "cannot-tell",
];

/// How many numbers there are.
const COUNTS: usize = Count::Verdicts as usize + 2 * VERDICTS.len();

/// What is counted as a distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    /// Waiting for a CPU behind others.
    Behind,
    /// Waiting for a CPU throttled.
    Throttled,
    /// Requests to TCP servers, from their first byte to the first byte of the answer.
    Requests,
}

/// Everything that is counted of a workload; `None` where nothing tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    counts: [Option<u64>; COUNTS],
    histograms: [Option<Box<Histogram>>; 3],
}

impl Totals {
    /// One number.
    #[must_use]
    pub const fn get(&self, count: Count) -> Option<u64> {
        self.counts[count as usize]
    }

    /// Sets one number.
    pub const fn set(&mut self, count: Count, value: u64) {
        self.counts[count as usize] = Some(value);
    }

    /// How often each verdict was given on changes of a resource, by its index.
    #[must_use]
    pub fn verdicts(&self, resource: usize) -> [Option<u64>; 5] {
        let first = Count::Verdicts as usize + resource * VERDICTS.len();
        std::array::from_fn(|place| self.counts.get(first + place).copied().flatten())
    }

    /// Sets how often each verdict was given.
    pub fn set_verdicts(&mut self, resource: usize, verdicts: [u64; 5]) {
        let first = Count::Verdicts as usize + resource * VERDICTS.len();
        let cells = self.counts.iter_mut().skip(first);
        for (cell, verdict) in cells.zip(verdicts) {
            *cell = Some(verdict);
        }
    }

    /// One distribution.
    #[must_use]
    pub fn histogram(&self, of: Waits) -> Option<&Histogram> {
        self.histograms[of as usize].as_deref()
    }

    /// Sets one distribution.
    pub fn set_histogram(&mut self, of: Waits, histogram: Histogram) {
        self.histograms[of as usize] = Some(Box::new(histogram));
    }

    /// What came since `last`; all of a number that is smaller than it was, since its counting has begun anew.
    #[must_use]
    pub fn since(&self, last: &Self) -> Self {
        let number = |now: u64, last: u64| now.checked_sub(last).unwrap_or(now);
        Self {
            counts: std::array::from_fn(|place| {
                Some(number(
                    self.counts[place]?,
                    last.counts[place].unwrap_or_default(),
                ))
            }),
            histograms: std::array::from_fn(|place| {
                let now = self.histograms[place].as_deref()?;
                let last = last.histograms[place].as_deref();
                Some(Box::new(last.map_or(*now, |last| now.since(last))))
            }),
        }
    }

    /// Becomes what is known now. What is not, since a map or a file could not be read, stays: were it forgotten, all of
    /// it would have come since when it can be read again.
    pub fn update(&mut self, now: &Self) {
        for (count, now) in self.counts.iter_mut().zip(&now.counts) {
            *count = now.or(*count);
        }
        for (histogram, now) in self.histograms.iter_mut().zip(&now.histograms) {
            if now.is_some() {
                histogram.clone_from(now);
            }
        }
    }

    /// Adds what came elsewhere, or since.
    pub fn add(&mut self, other: &Self) {
        for (sum, other) in self.counts.iter_mut().zip(&other.counts) {
            if let Some(other) = other {
                *sum = Some(sum.unwrap_or_default().saturating_add(*other));
            }
        }
        for (sum, other) in self.histograms.iter_mut().zip(&other.histograms) {
            if let Some(other) = other {
                sum.get_or_insert_default().add(other);
            }
        }
    }
}
