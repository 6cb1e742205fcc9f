//! Which amounts the kernel can hold: a limit that it rounds would look like a foreign write.

use crate::signal::{Amount, Resource};
use serde::{Deserialize, Serialize};

/// The direction in which an amount that the kernel cannot hold is moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Round {
    /// To the next larger amount.
    Up,
    /// To the next smaller amount, but never below the least one.
    Down,
}

/// The amounts that the kernel can hold exactly: multiples of `step` from `least` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grain {
    /// Distance between two neighbouring amounts, in micro-CPUs or bytes.
    pub step: u64,
    /// The smallest amount, in micro-CPUs or bytes; a multiple of `step`.
    pub least: u64,
}

/// The kernel's smallest CPU quota in us per period (`min_cfs_quota_period`).
const LEAST_QUOTA_US: u64 = 1_000;

/// Micro-CPUs in one CPU.
const MICRO: u64 = 1_000_000;

impl Grain {
    /// Memory: whole pages of 4 KiB.
    pub const MEMORY: Self = Self {
        step: 4096,
        least: 4096,
    };

    /// CPU at the kernel's default period of 100 ms: 10 us of quota in 1 s, at least 1 ms of 100 ms.
    pub const CPU: Self = Self::cpu(100_000);

    /// CPU at a period of `period_us`: every amount is a whole number of us of quota.
    ///
    /// A period outside the kernel's 1 ms to 1 s is treated as the nearest inside.
    #[must_use]
    pub const fn cpu(period_us: u64) -> Self {
        let period = if period_us < 1_000 {
            1_000
        } else if period_us > MICRO {
            MICRO
        } else {
            period_us
        };
        let step = MICRO / gcd(MICRO, period);
        let least = (LEAST_QUOTA_US * MICRO).div_ceil(period);
        Self {
            step,
            least: least.div_ceil(step) * step,
        }
    }

    /// The grain of a resource, CPU at the default period.
    #[must_use]
    pub const fn of(resource: Resource) -> Self {
        match resource {
            Resource::Cpu => Self::CPU,
            Resource::Memory => Self::MEMORY,
        }
    }

    /// The nearest amount in a direction that the kernel can hold; unlimited stays unlimited.
    #[must_use]
    pub const fn quantise(self, amount: Amount, round: Round) -> Amount {
        if amount.is_unlimited() {
            return amount;
        }
        if amount.0 <= self.least {
            return Amount(self.least);
        }
        let down = amount.0 - amount.0 % self.step;
        match round {
            Round::Up if down < amount.0 => Amount(down.saturating_add(self.step)),
            Round::Up | Round::Down => Amount(down),
        }
    }
}

/// [`Grain::quantise`] with the grain of a resource, CPU at the default period of 100 ms.
#[must_use]
pub const fn quantise(resource: Resource, amount: Amount, round: Round) -> Amount {
    Grain::of(resource).quantise(amount, round)
}

/// The greatest common divisor of two positive numbers.
const fn gcd(a: u64, b: u64) -> u64 {
    let (mut a, mut b) = (a, b);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_amounts_are_whole_microseconds_of_quota() {
        assert_eq!(
            Grain::CPU,
            Grain {
                step: 10,
                least: 10_000
            }
        );
        assert_eq!(
            Grain::cpu(1_000_000),
            Grain {
                step: 1,
                least: 1_000
            }
        );
        assert_eq!(Grain::cpu(1), Grain::cpu(1_000));
        for period in [
            1_000, 7_000, 10_000, 25_000, 30_000, 33_333, 50_000, 100_000, 1_000_000,
        ] {
            let grain = Grain::cpu(period);
            for raw in [0, 1, 9_999, 123_457, 1_000_001, 77_777_777] {
                for round in [Round::Up, Round::Down] {
                    let amount = grain.quantise(Amount(raw), round).0;
                    assert_eq!(amount * period % MICRO, 0, "{raw} at {period} us");
                    assert!(
                        amount * period / MICRO >= LEAST_QUOTA_US,
                        "{raw} at {period} us"
                    );
                }
            }
        }
    }

    #[test]
    fn rounding_goes_the_way_it_says() {
        assert_eq!(
            quantise(Resource::Cpu, Amount(12_345), Round::Up),
            Amount(12_350)
        );
        assert_eq!(
            quantise(Resource::Cpu, Amount(12_345), Round::Down),
            Amount(12_340)
        );
        assert_eq!(
            quantise(Resource::Cpu, Amount(12_340), Round::Up),
            Amount(12_340)
        );
        assert_eq!(
            quantise(Resource::Cpu, Amount(7), Round::Down),
            Amount(10_000)
        );
        assert_eq!(
            quantise(Resource::Memory, Amount(4097), Round::Up),
            Amount(8192)
        );
        assert_eq!(
            quantise(Resource::Memory, Amount::UNLIMITED, Round::Down),
            Amount::UNLIMITED
        );
        assert_eq!(
            quantise(Resource::Memory, Amount(u64::MAX - 1), Round::Up),
            Amount::UNLIMITED
        );
    }
}
