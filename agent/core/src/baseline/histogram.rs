//! A histogram with buckets that grow exponentially, whose old samples lose weight exponentially.
//!
//! Source: Vertical Pod Autoscaler, `pkg/recommender/util/{histogram,histogram_options,decaying_histogram}.go`
//! at kubernetes/autoscaler 55c37cd5eb (2026-08-22). Bucket `n` begins at `first * (ratio^n - 1) / (ratio - 1)`.

use super::number::{between, float, whole};
use crate::signal::Nanos;

/// Above this many half-lives since the reference, weights are scaled down.
const MAX_EXPONENT: u64 = 100;

/// How values are divided into buckets.
#[derive(Clone, Debug, PartialEq)]
pub struct Scale {
    first: f64,
    ratio: f64,
    epsilon: f64,
    starts: Vec<f64>,
}

impl Scale {
    /// Buckets of which the first ends at `first`, each is `ratio` times as wide as the one before, and
    /// the last begins at `max` or above. A bucket with less weight than `epsilon` counts as empty.
    #[must_use]
    pub fn up_to(max: f64, first: f64, ratio: f64, epsilon: f64) -> Self {
        let last = log(ratio, max * (ratio - 1.0) / first + 1.0).ceil();
        Self::of(whole(last) + 1, first, ratio, epsilon)
    }

    /// The same, with the number of buckets given.
    #[must_use]
    pub fn of(buckets: u64, first: f64, ratio: f64, epsilon: f64) -> Self {
        let start = |bucket| first * (ratio.powf(float(bucket)) - 1.0) / (ratio - 1.0);
        Self {
            first,
            ratio,
            epsilon,
            starts: (0..buckets.max(1)).map(start).collect(),
        }
    }

    /// How many buckets there are.
    #[must_use]
    pub const fn buckets(&self) -> usize {
        self.starts.len()
    }

    /// Where a bucket begins; the last one's beginning for all beyond.
    #[must_use]
    pub fn start(&self, bucket: usize) -> f64 {
        self.starts[bucket.min(self.last())]
    }

    /// Which bucket a value falls into.
    #[must_use]
    pub fn bucket(&self, value: f64) -> usize {
        if value < self.first {
            return 0;
        }
        let bucket = log(self.ratio, value * (self.ratio - 1.0) / self.first + 1.0);
        usize::try_from(whole(bucket)).map_or(self.last(), |bucket| bucket.min(self.last()))
    }

    const fn last(&self) -> usize {
        self.starts.len() - 1
    }
}

fn log(base: f64, value: f64) -> f64 {
    value.ln() / base.ln()
}

/// The histogram.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    scale: Scale,
    half_life: Nanos,
    /// When a sample's weight counts once; a multiple of the half-life.
    reference: Nanos,
    weights: Vec<f64>,
    total: f64,
    /// The first bucket that is not empty, or the last of all.
    lowest: usize,
    /// The last bucket that is not empty, or the first of all.
    highest: usize,
}

impl Histogram {
    /// An empty one.
    #[must_use]
    pub fn new(scale: Scale, half_life: Nanos) -> Self {
        Self {
            weights: vec![0.0; scale.buckets()],
            total: 0.0,
            lowest: scale.last(),
            highest: 0,
            reference: Nanos(0),
            half_life,
            scale,
        }
    }

    /// Takes a sample in.
    pub fn add(&mut self, value: f64, weight: f64, time: Nanos) {
        let weight = weight * self.factor(time);
        let bucket = self.scale.bucket(value);
        self.weights[bucket] += weight;
        self.total += weight;
        if self.weights[bucket] >= self.scale.epsilon {
            self.lowest = self.lowest.min(bucket);
            self.highest = self.highest.max(bucket);
        }
    }

    /// Takes a sample out that was once taken in.
    pub fn subtract(&mut self, value: f64, weight: f64, time: Nanos) {
        let weight = weight * self.factor(time);
        let bucket = self.scale.bucket(value);
        let left = |before: f64| {
            let after = before - weight;
            if after < self.scale.epsilon {
                0.0
            } else {
                after
            }
        };
        self.total = left(self.total);
        self.weights[bucket] = left(self.weights[bucket]);
        self.tighten();
    }

    /// The end of the bucket in which this part (0 to 1) of the weight is reached; 0 of an empty histogram.
    #[must_use]
    pub fn percentile(&self, part: f64) -> f64 {
        if self.is_empty() {
            return 0.0;
        }
        let threshold = part * self.total;
        let mut sum = 0.0;
        let mut bucket = self.lowest;
        while bucket < self.highest {
            sum += self.weights[bucket];
            if sum >= threshold {
                break;
            }
            bucket += 1;
        }
        self.scale.start(bucket + 1)
    }

    /// Whether there is no sample in it that still counts.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.weights[self.lowest] < self.scale.epsilon
    }

    /// What a sample of this time counts.
    fn factor(&mut self, time: Nanos) -> f64 {
        let most = Nanos(self.half_life.0.saturating_mul(MAX_EXPONENT));
        if time > self.reference.plus(most) {
            self.shift(time);
        }
        (between(time, self.reference) / float(self.half_life.0)).exp2()
    }

    /// Moves the reference to the multiple of the half-life that is nearest to `time`.
    fn shift(&mut self, time: Nanos) {
        let half_life = self.half_life.0.max(1);
        let reference = Nanos(time.plus(Nanos(half_life / 2)).0 / half_life * half_life);
        let exponent = (between(self.reference, reference) / float(half_life) + 0.5).floor();
        let factor = exponent.exp2();
        for weight in &mut self.weights {
            *weight *= factor;
        }
        self.total *= factor;
        self.tighten();
        self.reference = reference;
    }

    /// Finds the buckets again between which all the weight lies.
    fn tighten(&mut self) {
        let epsilon = self.scale.epsilon;
        while self.weights[self.lowest] < epsilon && self.lowest < self.scale.last() {
            self.lowest += 1;
        }
        while self.weights[self.highest] < epsilon && self.highest > 0 {
            self.highest -= 1;
        }
    }
}
