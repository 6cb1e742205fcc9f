//! Energy: from counters that wrap around to whose it was.
//!
//! What is drawn is divided by use, and whatever no use accounts for stays apart: the parts, what is
//! idle and what is nobody's add up to what was drawn, to the microjoule.

use crate::signal::Nanos;

/// Nothing that has a counter of its own draws more, in W: what seems to has been set back.
const MOST: u64 = 5_000;

/// A counter of energy that wraps around, such as those of RAPL, in microjoules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counter {
    /// The largest value before it begins at 0 again (`max_energy_range_uj`).
    range: u64,
    last: Option<(Nanos, u64)>,
}

impl Counter {
    /// A counter that has not been read yet.
    #[must_use]
    pub const fn new(range: u64) -> Self {
        Self { range, last: None }
    }

    /// Takes a reading in: what was drawn since the one before. `None` for the first, and where the
    /// counter was set back or forth: more than [`MOST`] seems to have been drawn then.
    ///
    /// It must be read before it can wrap around twice: those of RAPL do at the soonest in a minute.
    pub fn push(&mut self, now: Nanos, value: u64) -> Option<u64> {
        let (before, last) = self.last.replace((now, value))?;
        let drawn = if value >= last {
            value - last
        } else {
            self.range.checked_sub(last)?.saturating_add(value)
        };
        let most = u128::from(now.since(before).0) * u128::from(MOST) / 1_000;
        (u128::from(drawn) <= most).then_some(drawn)
    }
}

/// What the node draws when it does nothing: the least that was ever seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Idle {
    /// In microwatts.
    least: Option<u64>,
}

impl Idle {
    /// Takes in what was drawn within a time, in microjoules, and says how much of it is idle.
    pub fn push(&mut self, drawn: u64, time: Nanos) -> u64 {
        if time == Nanos(0) {
            return drawn;
        }
        let power = u128::from(drawn) * u128::from(Nanos::SECOND.0) / u128::from(time.0);
        let power = u64::try_from(power).unwrap_or(u64::MAX);
        let least = *self
            .least
            .insert(self.least.map_or(power, |least| least.min(power)));
        let idle = u128::from(least) * u128::from(time.0) / u128::from(Nanos::SECOND.0);
        u64::try_from(idle).unwrap_or(u64::MAX).min(drawn)
    }
}

/// Divides what was drawn by use, out of a whole that may be more than all of these uses together;
/// what is left of it is returned. No part is rounded up.
pub fn divide(drawn: u64, used: &[u64], whole: u64, mut part: impl FnMut(usize, u64)) -> u64 {
    let sum: u128 = used.iter().map(|used| u128::from(*used)).sum();
    let whole = sum.max(u128::from(whole)).max(1);
    let mut left = drawn;
    for (place, used) in used.iter().enumerate() {
        let share = u128::from(drawn) * u128::from(*used) / whole;
        // No more than what was drawn, since no use is more than the whole.
        let share = u64::try_from(share).unwrap_or(left).min(left);
        left -= share;
        part(place, share);
    }
    left
}

/// Power in milliwatts: microjoules within a time.
#[must_use]
pub fn milliwatts(drawn: u64, time: Nanos) -> u64 {
    let power = u128::from(drawn) * 1_000_000 / u128::from(time.0.max(1));
    u64::try_from(power).unwrap_or(u64::MAX)
}

/// Energy in microjoules: milliwatts for a time.
#[must_use]
pub fn drawn(milliwatts: u64, time: Nanos) -> u64 {
    let energy = u128::from(milliwatts) * u128::from(time.0) / 1_000_000;
    u64::try_from(energy).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 262 kJ, as most sockets have it.
    const RANGE: u64 = 262_143_328_850;

    fn after(counter: &mut Counter, second: u64, value: u64) -> Option<u64> {
        counter.push(Nanos(second * Nanos::SECOND.0), value)
    }

    #[test]
    fn a_counter_tells_what_was_drawn_and_wraps_around() {
        let mut counter = Counter::new(RANGE);
        assert_eq!(after(&mut counter, 1, RANGE - 30_000_000), None);
        assert_eq!(after(&mut counter, 2, RANGE - 10_000_000), Some(20_000_000));
        assert_eq!(after(&mut counter, 3, 15_000_000), Some(25_000_000));
        assert_eq!(after(&mut counter, 4, 15_000_000), Some(0));
    }

    #[test]
    fn a_counter_that_was_set_back_or_forth_tells_nothing_once() {
        let mut counter = Counter::new(RANGE);
        assert_eq!(after(&mut counter, 1, 90_000_000), None);
        assert_eq!(after(&mut counter, 2, 80_000_000), None, "set back");
        assert_eq!(after(&mut counter, 3, 85_000_000), Some(5_000_000));
        assert_eq!(after(&mut counter, 4, 9_000_000_000), None, "set forth");
        assert_eq!(after(&mut counter, 5, 9_001_000_000), Some(1_000_000));
        let mut wrong = Counter::new(10);
        assert_eq!(after(&mut wrong, 1, 90), None);
        assert_eq!(after(&mut wrong, 2, 5), None, "beyond its own range");
    }

    #[test]
    fn the_least_that_was_seen_is_idle() {
        let mut idle = Idle::default();
        let second = Nanos::SECOND;
        assert_eq!(idle.push(50, second), 50, "all of the first");
        assert_eq!(idle.push(80, second), 50);
        assert_eq!(idle.push(20, second), 20);
        assert_eq!(idle.push(80, second), 20);
        assert_eq!(idle.push(80, Nanos(2 * Nanos::SECOND.0)), 40);
        assert_eq!(idle.push(7, Nanos(0)), 7);
    }

    fn divided(drawn: u64, used: &[u64], whole: u64) -> (Vec<u64>, u64) {
        let mut parts = vec![0; used.len()];
        let left = divide(drawn, used, whole, |place, part| parts[place] = part);
        (parts, left)
    }

    #[test]
    fn parts_follow_use_and_the_rest_is_nobodys() {
        assert_eq!(divided(100, &[1, 2], 4), (vec![25, 50], 25));
        assert_eq!(divided(100, &[1, 2], 0), (vec![33, 66], 1));
        assert_eq!(divided(100, &[0, 0], 0), (vec![0, 0], 100));
        assert_eq!(divided(100, &[], 7), (vec![], 100));
        let most = u64::MAX;
        assert_eq!(divided(most, &[most, most], most), (vec![most / 2; 2], 1));
    }

    #[test]
    fn parts_always_add_up_to_the_whole() {
        let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
        let mut random = || {
            seed ^= seed >> 12;
            seed ^= seed << 25;
            seed ^= seed >> 27;
            let value = seed.wrapping_mul(0x2545_F491_4F6C_DD1D);
            value >> (value % 64)
        };
        for _ in 0..100_000 {
            let used: Vec<_> = (0..random() % 9).map(|_| random()).collect();
            let (energy, whole) = (random(), random());
            let (parts, left) = divided(energy, &used, whole);
            let sum: u128 = parts.iter().map(|part| u128::from(*part)).sum();
            assert_eq!(sum + u128::from(left), u128::from(energy), "{used:?}");
            for (part, used) in parts.iter().zip(&used) {
                assert!(*used > 0 || *part == 0, "nothing used, nothing drawn");
            }
            let idle = Idle::default().push(energy, Nanos(random()));
            assert!(idle <= energy);
        }
    }

    #[test]
    fn power_and_energy_are_each_others_inverse() {
        let tenth = Nanos(100 * Nanos::MILLI.0);
        assert_eq!(drawn(310_000, tenth), 31_000_000);
        assert_eq!(milliwatts(31_000_000, tenth), 310_000);
        assert_eq!(milliwatts(0, Nanos(0)), 0);
    }
}
