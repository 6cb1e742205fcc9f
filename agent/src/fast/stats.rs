//! What the fast thread says about itself, in cells that the slow loop reads whenever it likes.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use trimtab_ebpf::{HIST_BUCKETS, bucket, bucket_start};

/// Counters and latency histograms of the fast thread. One writer, many readers.
#[derive(Debug)]
pub struct Stats {
    /// Kernel's time stamp to the thread's first look: the thread's own waiting is in here.
    seen: Histogram,
    /// Kernel's time stamp to the end of the write.
    written: Histogram,
    /// The sum of these, in ns.
    written_ns: AtomicU64,
    /// Events taken from the ring.
    pub events: AtomicU64,
    /// Limits written.
    pub writes: AtomicU64,
    /// Reports dropped because the slow loop had fallen behind.
    pub dropped: AtomicU64,
}

impl Default for Stats {
    fn default() -> Self {
        Self {
            seen: Histogram::new(),
            written: Histogram::new(),
            written_ns: AtomicU64::new(0),
            events: AtomicU64::new(0),
            writes: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        }
    }
}

impl Stats {
    /// Counts an event's way from the kernel to the thread, in ns.
    pub fn saw(&self, ns: u64) {
        self.events.fetch_add(1, Relaxed);
        self.seen.count(ns);
    }

    /// Counts an event's way from the kernel to the end of the write, in ns.
    pub fn wrote(&self, ns: u64) {
        self.writes.fetch_add(1, Relaxed);
        self.written.count(ns);
        self.written_ns.fetch_add(ns, Relaxed);
    }

    /// Event to first look.
    #[must_use]
    pub fn seen(&self) -> Summary {
        self.seen.summary()
    }

    /// Event to the end of the write: how often, by bucket, and the sum in ns.
    #[must_use]
    pub fn reaction(&self) -> ([u64; HIST_BUCKETS], u64) {
        let counts = self.written.0.each_ref().map(|cell| cell.load(Relaxed));
        (counts, self.written_ns.load(Relaxed))
    }

    /// Event to the end of the write.
    #[must_use]
    pub fn written(&self) -> Summary {
        self.written.summary()
    }
}

/// A distribution in four numbers, in ns; quantiles are the upper ends of their buckets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// How many.
    pub count: u64,
    /// Half are at most this.
    pub p50: u64,
    /// 99 % are at most this.
    pub p99: u64,
    /// All are at most this.
    pub max: u64,
}

/// The upper end, in ns, of the bucket in which a quantile of a histogram lies; `None` when
/// nothing was counted.
#[must_use]
pub fn quantile(counts: &[u64], per_mille: u64) -> Option<u64> {
    let count: u64 = counts.iter().sum();
    let rank = (count * per_mille).div_ceil(1000).max(1);
    let mut below = 0;
    let index = counts.iter().position(|n| {
        below += n;
        below >= rank
    })?;
    Some(bucket_start(index + 1).saturating_sub(1))
}

#[derive(Debug)]
struct Histogram([AtomicU64; HIST_BUCKETS]);

impl Histogram {
    const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; HIST_BUCKETS])
    }

    fn count(&self, ns: u64) {
        if let Some(cell) = self.0.get(bucket(ns)) {
            cell.fetch_add(1, Relaxed);
        }
    }

    fn summary(&self) -> Summary {
        let counts: Vec<u64> = self.0.iter().map(|cell| cell.load(Relaxed)).collect();
        let at = |per_mille| quantile(&counts, per_mille).unwrap_or_default();
        Summary {
            count: counts.iter().sum(),
            p50: at(500),
            p99: at(990),
            max: at(1000),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_a_bucket() {
        let stats = Stats::default();
        for us in 1..=100 {
            stats.wrote(us * 1000);
        }
        let summary = stats.written();
        assert_eq!(summary.count, 100);
        assert!((50_000..65_000).contains(&summary.p50), "{summary:?}");
        assert!((99_000..125_000).contains(&summary.p99), "{summary:?}");
    }

    #[test]
    fn nothing_counted_is_nothing_claimed() {
        assert_eq!(Stats::default().seen(), Summary::default());
    }
}
