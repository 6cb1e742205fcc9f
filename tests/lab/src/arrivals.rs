//! When requests are due: fixed before the first is sent, so that a slow server cannot slow its own load.

use std::time::Duration;

use fastrand::Rng;

/// How the rate changes over time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pattern {
    /// Always the same.
    Steady,
    /// In every `period`, `factor` times the rate for the first `length`.
    Burst {
        /// From the start of one burst to the start of the next.
        period: Duration,
        /// How long a burst lasts.
        length: Duration,
        /// By how much the rate is multiplied during a burst.
        factor: f64,
    },
    /// A new rate every 100 ms, evenly distributed between none and twice the mean.
    Noisy,
}

/// How requests are spread at a given rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spacing {
    /// At equal distances.
    Even,
    /// Independent of each other: exponentially distributed distances.
    Poisson,
}

impl Spacing {
    /// From one request to the next, in units of the mean.
    pub(crate) fn distance(self, random: &mut Rng) -> f64 {
        match self {
            Self::Even => 1.0,
            // The uniform number is below one, so the logarithm's argument is above zero.
            Self::Poisson => -(1.0 - random.f64()).ln(),
        }
    }
}

/// Walks through pieces of constant rate up to the end: `piece` says for a moment in seconds the rate that holds
/// there, and until when; `distance` says the next distance in units of the mean.
pub(crate) fn walk(
    end: Duration,
    mut distance: impl FnMut() -> f64,
    mut piece: impl FnMut(f64) -> (f64, f64),
) -> Vec<Duration> {
    let end = end.as_secs_f64();
    let mut times = Vec::new();
    let (mut now, mut next) = (0.0, distance());
    while now < end {
        let (rate, until) = piece(now);
        let room = (until - now) * rate;
        if room < next || rate <= 0.0 {
            next -= room;
            now = until;
            continue;
        }
        now += next / rate;
        if now < end {
            times.push(Duration::from_secs_f64(now));
        }
        next = distance();
    }
    times
}

/// A plan of send times.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// Requests a second, outside bursts.
    pub rate: f64,
    /// From the first moment to the last.
    pub duration: Duration,
    /// How the rate changes.
    pub pattern: Pattern,
    /// How requests are spread.
    pub spacing: Spacing,
    /// The same seed gives the same plan.
    pub seed: u64,
}

/// How long the noisy pattern keeps a rate.
const NOISE_SLOT: Duration = Duration::from_millis(100);

impl Plan {
    /// The send times, since the start, in order.
    #[must_use]
    pub fn times(&self) -> Vec<Duration> {
        let mut random = Rng::with_seed(self.seed);
        let mut noise = Rng::with_seed(self.seed ^ 0x6e6f_6973_6521);
        let mut factors = Vec::new();
        let piece = |now| {
            let (factor, until) = self.piece(now, &mut noise, &mut factors);
            (self.rate * factor, until)
        };
        walk(self.duration, || self.spacing.distance(&mut random), piece)
    }

    /// The factor of the rate at this moment, and the moment at which it changes.
    fn piece(&self, now: f64, noise: &mut Rng, factors: &mut Vec<f64>) -> (f64, f64) {
        match self.pattern {
            Pattern::Steady => (1.0, f64::INFINITY),
            Pattern::Burst {
                period,
                length,
                factor,
            } => {
                let (period, length) = (period.as_secs_f64(), length.as_secs_f64());
                let start = slot(now, period) * period;
                if now < start + length {
                    (factor, start + length)
                } else {
                    (1.0, start + period)
                }
            }
            Pattern::Noisy => {
                let width = NOISE_SLOT.as_secs_f64();
                let slot = slot(now, width);
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a small whole number"
                )]
                let index = slot as usize;
                while factors.len() <= index {
                    factors.push(noise.f64() * 2.0);
                }
                (factors[index], (slot + 1.0) * width)
            }
        }
    }
}

/// The index of the slot that holds this moment, where a moment a rounding error short of a border belongs to the next.
fn slot(now: f64, width: f64) -> f64 {
    (now / width + 1e-9).floor()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(pattern: Pattern, spacing: Spacing) -> Plan {
        Plan {
            rate: 1000.0,
            duration: Duration::from_secs(10),
            pattern,
            spacing,
            seed: 7,
        }
    }

    #[test]
    fn even_arrivals_are_a_millisecond_apart() {
        let times = plan(Pattern::Steady, Spacing::Even).times();
        assert!((9_998..=10_000).contains(&times.len()), "{}", times.len());
        let gaps = times.windows(2).map(|pair| pair[1].abs_diff(pair[0]));
        assert!(
            gaps.into_iter()
                .all(|gap| gap.abs_diff(Duration::from_millis(1)) < Duration::from_nanos(10))
        );
    }

    #[test]
    fn poisson_arrivals_have_the_mean_and_spread_of_their_kind() {
        let times = plan(Pattern::Steady, Spacing::Poisson).times();
        let count = times.len();
        assert!((9_700..10_300).contains(&count), "{count}");
        // A share of exp(-1) of the gaps is longer than the mean.
        let long = times
            .windows(2)
            .filter(|pair| pair[1].abs_diff(pair[0]) > Duration::from_millis(1))
            .count();
        assert!((3_400..3_950).contains(&long), "{long}");
    }

    #[test]
    fn bursts_have_their_factor_and_their_place() {
        let burst = Pattern::Burst {
            period: Duration::from_secs(1),
            length: Duration::from_millis(200),
            factor: 5.0,
        };
        let times = plan(burst, Spacing::Even).times();
        let inside = times
            .iter()
            .filter(|time| time.subsec_millis() < 200)
            .count();
        let outside = times.len() - inside;
        assert!((9_980..=10_020).contains(&inside), "{inside}");
        assert!((7_980..=8_020).contains(&outside), "{outside}");
    }

    #[test]
    fn noise_keeps_the_mean_and_repeats_with_its_seed() {
        let noisy = plan(Pattern::Noisy, Spacing::Poisson);
        let times = noisy.times();
        assert!((8_500..11_500).contains(&times.len()), "{}", times.len());
        assert_eq!(times, noisy.times());
        assert_ne!(times, Plan { seed: 8, ..noisy }.times());
    }
}
