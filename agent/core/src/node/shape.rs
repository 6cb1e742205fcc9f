//! Demands by which control is tested since there is control: a step, a ramp, a square wave, and noise.

use crate::signal::{Amount, Nanos};

use super::load::Demand;

/// How the demand of a lone workload moves between a low and a high rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Low, then high for good.
    Step {
        /// When it rises.
        at: Nanos,
    },
    /// Low, then evenly to high.
    Ramp {
        /// When it begins to rise.
        from: Nanos,
        /// When it has risen.
        to: Nanos,
    },
    /// Low and high in turns, low first.
    Wave {
        /// How long each lasts.
        half: Nanos,
    },
    /// Another rate each second: independent of each other, all between low and high as likely.
    Noise {
        /// The same seed gives the same rates.
        seed: u64,
    },
}

impl Shape {
    /// What tables call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Step { .. } => "step",
            Self::Ramp { .. } => "ramp",
            Self::Wave { .. } => "wave",
            Self::Noise { .. } => "noise",
        }
    }

    /// When the demand begins to change and when it has changed for good; `None` for one that never rests.
    #[must_use]
    pub const fn change(self) -> Option<[Nanos; 2]> {
        match self {
            Self::Step { at } => Some([at, at]),
            Self::Ramp { from, to } => Some([from, to]),
            Self::Wave { .. } | Self::Noise { .. } => None,
        }
    }

    /// From when on which rate is wanted, in order, up to `until`.
    #[must_use]
    pub fn rates(self, low: Amount, high: Amount, until: Nanos) -> Vec<(Nanos, Amount)> {
        match self {
            Self::Step { at } => vec![(Nanos(0), low), (at, high)],
            Self::Ramp { from, to } => {
                let long = to.since(from).0.max(1);
                // A new rate each second, as a trace would have it.
                let steps = 0..=long.div_ceil(Nanos::SECOND.0);
                let rise = steps.map(|second| {
                    let passed = (second * Nanos::SECOND.0).min(long);
                    let risen =
                        u128::from(high.minus(low).0) * u128::from(passed) / u128::from(long);
                    let risen = Amount(u64::try_from(risen).unwrap_or(u64::MAX));
                    (from.plus(Nanos(passed)), low.plus(risen))
                });
                [(Nanos(0), low)].into_iter().chain(rise).collect()
            }
            Self::Wave { half } => {
                let halves = 0..=until.0 / half.0.max(1);
                let rate = |nth: u64| if nth.is_multiple_of(2) { low } else { high };
                halves.map(|nth| (Nanos(nth * half.0), rate(nth))).collect()
            }
            Self::Noise { seed } => {
                let mut random = fastrand::Rng::with_seed(seed);
                let seconds = 0..=until.0 / Nanos::SECOND.0;
                let rate = |second| {
                    let rate = random.u64(low.0..=high.0.max(low.0));
                    (Nanos(second * Nanos::SECOND.0), Amount(rate))
                };
                seconds.map(rate).collect()
            }
        }
    }

    /// The same as a demand that works off its arrears on so many CPUs.
    #[must_use]
    pub fn demand(self, low: Amount, high: Amount, until: Nanos, threads: u32) -> Demand {
        Demand::Series {
            steps: self.rates(low, high, until),
            repeat: None,
            threads,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(count: u64) -> Nanos {
        Nanos(count * Nanos::SECOND.0)
    }

    fn rates(shape: Shape) -> Vec<(u64, u64)> {
        let rates = shape.rates(Amount(100), Amount(200), second(8));
        rates
            .iter()
            .map(|(at, rate)| (at.0 / Nanos::SECOND.0, rate.0))
            .collect()
    }

    #[test]
    fn a_step_rises_at_once_and_a_ramp_evenly() {
        assert_eq!(rates(Shape::Step { at: second(3) }), [(0, 100), (3, 200)]);
        let (from, to) = (second(2), second(6));
        assert_eq!(
            rates(Shape::Ramp { from, to }),
            [(0, 100), (2, 100), (3, 125), (4, 150), (5, 175), (6, 200)]
        );
    }

    #[test]
    fn a_wave_goes_to_and_fro_and_noise_stays_between() {
        assert_eq!(
            rates(Shape::Wave { half: second(3) }),
            [(0, 100), (3, 200), (6, 100)]
        );
        let noise = rates(Shape::Noise { seed: 1 });
        assert_eq!(noise.len(), 9);
        assert!(noise.iter().all(|(_, rate)| (100..=200).contains(rate)));
        assert_eq!(noise, rates(Shape::Noise { seed: 1 }));
        assert_ne!(noise, rates(Shape::Noise { seed: 2 }));
    }
}
