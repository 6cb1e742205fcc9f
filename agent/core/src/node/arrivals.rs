//! When requests come: fixed by a seed, whatever becomes of earlier requests.

use crate::signal::Nanos;

use super::work::clip;

/// How requests come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrivals {
    /// Some at a time at equal distances, the first at the start: a square wave when each keeps a
    /// thread busy.
    Even {
        /// From one time to the next.
        every: Nanos,
        /// How many come at once.
        together: u32,
    },
    /// Independent of each other: exponentially distributed distances.
    Poisson {
        /// The mean distance.
        mean: Nanos,
        /// The same seed gives the same times.
        seed: u64,
    },
    /// At these times since the start, in order.
    Given(Vec<Nanos>),
}

/// What a request needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Always the same CPU time.
    Fixed(Nanos),
    /// Exponentially distributed CPU time.
    Exponential {
        /// The mean.
        mean: Nanos,
        /// The same seed gives the same sizes.
        seed: u64,
    },
}

/// Walks through arrivals.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    arrivals: Arrivals,
    random: fastrand::Rng,
    /// When the next requests come; `None` when no more do.
    next: Option<Nanos>,
    /// How many times have been passed.
    passed: usize,
}

impl Clock {
    /// Begins at `start`.
    pub(super) fn new(arrivals: Arrivals, start: Nanos) -> Self {
        let seed = match arrivals {
            Arrivals::Poisson { seed, .. } => seed,
            _ => 0,
        };
        let mut clock = Self {
            arrivals,
            random: fastrand::Rng::with_seed(seed),
            next: None,
            passed: 0,
        };
        clock.next = match &clock.arrivals {
            Arrivals::Even { .. } => Some(start),
            Arrivals::Poisson { mean, .. } => {
                Some(start.plus(exponential(*mean, &mut clock.random)))
            }
            Arrivals::Given(times) => times.first().map(|time| start.plus(*time)),
        };
        clock
    }

    /// When the next requests come.
    pub(super) fn next(&self) -> Option<Nanos> {
        self.next
    }

    /// Goes on to the next time; returns how many requests have come at this one. `start` is where
    /// given times count from.
    pub(super) fn pass(&mut self, start: Nanos) -> u32 {
        let Some(now) = self.next else {
            return 0;
        };
        self.passed += 1;
        let (count, next) = match &self.arrivals {
            Arrivals::Even { every, together } => {
                (*together, (every.0 > 0).then(|| now.plus(*every)))
            }
            Arrivals::Poisson { mean, .. } => {
                (1, Some(now.plus(exponential(*mean, &mut self.random))))
            }
            Arrivals::Given(times) => (1, times.get(self.passed).map(|time| start.plus(*time))),
        };
        self.next = next;
        count
    }
}

/// Draws sizes of requests.
#[derive(Clone, Debug)]
pub(super) struct Sizes {
    service: Service,
    random: fastrand::Rng,
}

impl Sizes {
    pub(super) fn new(service: Service) -> Self {
        let seed = match service {
            Service::Exponential { seed, .. } => seed,
            Service::Fixed(_) => 0,
        };
        Self {
            service,
            random: fastrand::Rng::with_seed(seed),
        }
    }

    pub(super) fn draw(&mut self) -> Nanos {
        match self.service {
            Service::Fixed(size) => size,
            Service::Exponential { mean, .. } => exponential(mean, &mut self.random),
        }
    }
}

/// An exponentially distributed duration.
fn exponential(mean: Nanos, random: &mut fastrand::Rng) -> Nanos {
    let drawn = random.u64(1..=u64::MAX);
    Nanos(clip(
        (u128::from(mean.0) * u128::from(minus_ln(drawn))) >> 32,
    ))
}

/// `-ln(value / 2^64)` in units of 2^-32, to some 2^-28: whole numbers only, so that the times of
/// requests do not depend on whose logarithm it is. `value` is not 0.
fn minus_ln(value: u64) -> u64 {
    /// `ln 2` in units of 2^-32.
    const LN_2: u128 = 2_977_044_472;
    let zeros = value.leading_zeros();
    // Between 1 and 2 in units of 2^-63; squaring it doubles its logarithm, bit by bit.
    let mut mantissa = value << zeros;
    let mut fraction = 0_u64;
    for _ in 0..32 {
        let square = (u128::from(mantissa) * u128::from(mantissa)) >> 63;
        let carry = square >> 64 != 0;
        mantissa = clip(if carry { square >> 1 } else { square });
        fraction = fraction << 1 | u64::from(carry);
    }
    // log2(value / 2^64) = fraction - 1 - zeros
    let log2 = (u128::from(zeros) + 1) << 32;
    clip(((log2 - u128::from(fraction)) * LN_2) >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_are_those_of_the_mathematicians() {
        for value in [
            1,
            2,
            3,
            1 << 20,
            u64::MAX / 3,
            u64::MAX / 2,
            u64::MAX - 1,
            u64::MAX,
        ] {
            #[expect(clippy::cast_precision_loss, reason = "a test to eight digits")]
            let (found, expected) = (
                minus_ln(value) as f64 / 2_f64.powi(32),
                -(value as f64 / 2_f64.powi(64)).ln(),
            );
            assert!(
                (found - expected).abs() < 2e-8,
                "{value}: {found} {expected}"
            );
        }
    }

    #[test]
    fn exponential_distances_have_their_mean_and_their_spread() {
        let mut random = fastrand::Rng::with_seed(3);
        let mean = Nanos(1_000_000);
        let drawn: Vec<_> = (0..20_000)
            .map(|_| exponential(mean, &mut random).0)
            .collect();
        let average = drawn.iter().sum::<u64>() / 20_000;
        assert!((980_000..1_020_000).contains(&average), "{average}");
        // A share of exp(-1) is longer than the mean.
        let long = drawn.iter().filter(|gap| **gap > mean.0).count();
        assert!((7_150..7_560).contains(&long), "{long}");
    }

    #[test]
    fn times_count_from_the_start() {
        let start = Nanos(50);
        let walk = |arrivals| {
            let mut clock = Clock::new(arrivals, start);
            let mut seen = Vec::new();
            while let Some(next) = clock.next().filter(|_| seen.len() < 3) {
                seen.push((next.0, clock.pass(start)));
            }
            seen
        };
        let (every, together) = (Nanos(10), 2);
        assert_eq!(
            walk(Arrivals::Even { every, together }),
            [(50, 2), (60, 2), (70, 2)]
        );
        let given = Arrivals::Given(vec![Nanos(1), Nanos(7)]);
        assert_eq!(walk(given), [(51, 1), (57, 1)]);
    }
}
