//! Distributions of durations with buckets at powers of two.

use trimtab_ebpf::{HIST_BUCKETS, bucket_start};

/// The first bucket ends at 2^10 ns, some microsecond.
const FIRST: u32 = 10;
/// Buckets with an end, the last at 2^32 ns, some four seconds; one more holds what is above.
const BOUNDED: usize = 23;

/// A distribution of durations.
///
/// The kernel's histograms have four buckets for each power of two. Here each power of two is one bucket: that
/// moves no count across a border, makes a quarter of the series, and is at the same time an exponential histogram of
/// OpenTelemetry of scale 0 (four even parts of a power of two fit no finer scale).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// How many fell into each bucket.
    pub buckets: [u64; BOUNDED + 1],
    /// Sum of all durations in ns.
    pub sum_ns: u64,
}

impl Histogram {
    /// From one that the kernel has counted, and the sum of what went into it.
    #[must_use]
    pub fn of(counts: &[u64; HIST_BUCKETS], sum_ns: u64) -> Self {
        let mut buckets = [0; BOUNDED + 1];
        for (index, count) in counts.iter().enumerate() {
            let bits = u64::BITS - bucket_start(index).leading_zeros();
            let place = bits.saturating_sub(FIRST) as usize;
            buckets[place.min(BOUNDED)] += count;
        }
        Self { buckets, sum_ns }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Where buckets end, in ns, with how many lie below; the last one, which has no end, is left out.
    pub fn below(&self) -> impl Iterator<Item = (u64, u64)> {
        let mut below = 0;
        let bounded = self.buckets.iter().take(BOUNDED);
        (FIRST..).zip(bounded).map(move |(bits, count)| {
            below += count;
            (1 << bits, below)
        })
    }

    /// What came since `last`; all of it where counting has begun anew meanwhile.
    #[must_use]
    pub fn since(&self, last: &Self) -> Self {
        let fewer = |(now, last): (&u64, &u64)| now < last;
        if self.sum_ns < last.sum_ns || self.buckets.iter().zip(&last.buckets).any(fewer) {
            return *self;
        }
        let mut since = *self;
        since.sum_ns -= last.sum_ns;
        for (count, last) in since.buckets.iter_mut().zip(&last.buckets) {
            *count -= last;
        }
        since
    }

    /// Adds another one.
    pub fn add(&mut self, other: &Self) {
        self.sum_ns = self.sum_ns.saturating_add(other.sum_ns);
        for (count, other) in self.buckets.iter_mut().zip(&other.buckets) {
            *count = count.saturating_add(*other);
        }
    }
}

#[cfg(test)]
mod tests {
    use trimtab_ebpf::bucket;

    use super::*;

    #[test]
    fn no_count_crosses_a_border() {
        let all = [
            0,
            1,
            1023,
            1024,
            1025,
            5_000_000,
            (1 << 32) - 1,
            1 << 32,
            1 << 40,
        ];
        for ns in all {
            let mut counts = [0; HIST_BUCKETS];
            counts[bucket(ns)] += 1;
            let histogram = Histogram::of(&counts, ns);
            assert_eq!(histogram.count(), 1);
            for (end, below) in histogram.below() {
                assert_eq!(below, u64::from(ns < end), "{ns} ns and a bucket to {end}");
            }
        }
    }

    #[test]
    fn counting_anew_loses_nothing() {
        let mut counts = [0; HIST_BUCKETS];
        counts[20] = 5;
        let before = Histogram::of(&counts, 500);
        counts[30] = 2;
        let after = Histogram::of(&counts, 900);
        let since = after.since(&before);
        assert_eq!((since.count(), since.sum_ns), (2, 400));
        assert_eq!(before.since(&after), before);
        let mut sum = before;
        sum.add(&since);
        assert_eq!(sum, after);
    }
}
