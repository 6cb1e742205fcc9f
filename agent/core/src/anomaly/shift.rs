//! Need of CPU that is suddenly another.
//!
//! Two cumulative sums (Page 1954), one upwards and one downwards, of what each minute's need is away from the usual, in
//! spreads, less a reference of 1, up to a threshold of 12; a single minute counts for 4 at most. With independent normal
//! minutes these two together raise an alarm once in 10^10 minutes (Siegmund 1985). Minutes are neither, so that besides the
//! change must be one that matters: half as much again or a third less, and a tenth of a CPU.

use crate::signal::{Amount, Nanos};
use serde::Serialize;

/// Minutes to learn from, and kept.
const KEPT: usize = 32;

/// The new level is the median of so many minutes.
const LEVEL: usize = 5;

/// For so many minutes a new level is news.
const NEWS: u32 = 60;

/// After one it is only learned for so many minutes.
const REST: u32 = 15;

/// Spreads in thousandths: what is taken off each minute, the threshold, and the most that a minute counts for.
const REFERENCE: i64 = 1_000;
const THRESHOLD: i64 = 12_000;
const CLIP: i64 = 4_000;

/// A change below this is none: a tenth of a CPU.
const LEAST: i64 = 100_000;

/// Neither is the spread less than this: a hundredth of a CPU; nor less than this part of the level.
const LEAST_SPREAD: i64 = 10_000;
const LEAST_SPREAD_SHARE: i64 = 20;

/// A new minute's weight in the usual level, and in the spread when that is larger, and when it is smaller: what varied once
/// is remembered for hours.
const FOLLOW: i64 = 32;
const FORGET: i64 = 512;

/// From which need to which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Shift {
    /// What was usual before.
    pub from: Amount,
    /// What it is now: the median of the last five minutes.
    pub to: Amount,
    /// Since how long it has been found.
    pub over: Nanos,
}

/// Looks for shifts.
#[derive(Clone, Debug, Default)]
pub struct Shifts {
    /// The last minutes, a ring.
    minutes: [u32; KEPT],
    /// How many there have been.
    seen: usize,
    /// The usual need, and how much it spreads, in micro-CPUs.
    level: i64,
    spread: i64,
    /// The sums upwards and downwards, in thousandths of a spread.
    sums: [i64; 2],
    /// For how many minutes it is only learned.
    rest: u32,
    shift: Option<Shifted>,
}

#[derive(Clone, Copy, Debug)]
struct Shifted {
    from: i64,
    to: i64,
    lasts: u32,
}

impl Shifts {
    /// Takes the mean need of a minute in.
    pub fn push(&mut self, need: Amount) {
        let need = u32::try_from(need.0).unwrap_or(u32::MAX);
        self.minutes[self.seen % KEPT] = need;
        self.seen += 1;
        if self.seen == KEPT {
            self.learn();
        }
        if self.seen <= KEPT {
            return;
        }
        let median = self.median(LEVEL);
        if let Some(shift) = &mut self.shift {
            shift.lasts += 1;
            let back = (median - shift.from).abs() < (median - shift.to).abs();
            let (Shifted { from, to, lasts }, old) = (*shift, self.spread);
            if back {
                // What has happened once is usual, for some hours.
                (self.level, self.spread) = (from, old.max((to - from).abs()));
            } else if lasts >= NEWS {
                self.learn();
            } else {
                shift.to = median;
                return;
            }
            (self.shift, self.sums, self.rest) = (None, [0, 0], REST);
            return;
        }
        self.sum(i64::from(need));
        if self.rest > 0 {
            (self.sums, self.rest) = ([0, 0], self.rest - 1);
            return;
        }
        if self.sums.contains(&THRESHOLD) && self.matters(median) {
            self.shift = Some(Shifted {
                from: self.level,
                to: median,
                lasts: 0,
            });
        }
    }

    /// What is found now.
    #[must_use]
    pub fn found(&self) -> Option<Shift> {
        let amount = |micro: i64| Amount(micro.max(0).unsigned_abs());
        self.shift.map(|shift| Shift {
            from: amount(shift.from),
            to: amount(shift.to),
            over: Nanos(u64::from(shift.lasts) * Nanos::MINUTE.0),
        })
    }

    /// Adds a minute to the sums, and to what is usual.
    fn sum(&mut self, need: i64) {
        let away = need - self.level;
        let spreads = (away * 1_000 / self.spread).clamp(-CLIP, CLIP);
        let [up, down] = self.sums;
        let add = |sum: i64, by: i64| (sum + by - REFERENCE).clamp(0, THRESHOLD);
        self.sums = [add(up, spreads), add(down, -spreads)];
        self.level += away.clamp(-2 * self.spread, 2 * self.spread) / FOLLOW;
        // The standard deviation of a normal distribution is 1.25 of the mean deviation.
        let wide = (away.abs() * 5 / 4).min(4 * self.spread);
        let weight = if wide > self.spread { FOLLOW } else { FORGET };
        self.spread = (self.spread + (wide - self.spread) / weight).max(self.narrowest());
    }

    /// Takes the minutes that are kept for what is usual.
    fn learn(&mut self) {
        self.level = self.median(KEPT);
        let mut away = self
            .minutes
            .map(|minute| (i64::from(minute) - self.level).abs());
        away.sort_unstable();
        // 1.48 of the median deviation, likewise.
        let spread = away[KEPT / 2] * 37 / 25;
        self.spread = spread.max(self.narrowest());
    }

    fn narrowest(&self) -> i64 {
        LEAST_SPREAD.max(self.level / LEAST_SPREAD_SHARE)
    }

    /// Whether anybody would call it another level.
    fn matters(&self, median: i64) -> bool {
        let (up, down) = (self.sums[0] == THRESHOLD, self.sums[1] == THRESHOLD);
        let rises = up && median * 2 >= self.level * 3;
        let falls = down && median * 3 <= self.level * 2;
        (rises || falls) && (median - self.level).abs() >= LEAST
    }

    /// The median of the last minutes.
    fn median(&self, of: usize) -> i64 {
        let mut last = [0; KEPT];
        for (age, place) in last[..of].iter_mut().enumerate() {
            *place = self.minutes[(self.seen + KEPT - 1 - age) % KEPT];
        }
        last[..of].sort_unstable();
        i64::from(last[of / 2])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The shifts that are found, in order, of milli-CPUs: minute, from, to.
    fn found(needs: impl IntoIterator<Item = u64>) -> Vec<(usize, u64, u64)> {
        let mut shifts = Shifts::default();
        let mut found = Vec::new();
        for (minute, need) in needs.into_iter().enumerate() {
            let before = shifts.found();
            shifts.push(Amount(need * 1_000));
            if let (None, Some(now)) = (before, shifts.found()) {
                found.push((minute, now.from.0 / 1_000, now.to.0 / 1_000));
            }
        }
        found
    }

    #[test]
    fn a_new_level_is_found_within_minutes_and_is_usual_an_hour_later() {
        let step = |minute: u64| if minute < 100 { 500 } else { 1_200 };
        let all = found((0..1_000).map(step));
        assert_eq!(all.len(), 1, "{all:?}");
        let (minute, from, to) = all[0];
        assert!((102..=105).contains(&minute), "{minute}");
        assert!((500..=560).contains(&from) && to == 1_200, "{from} {to}");
    }

    #[test]
    fn less_is_a_shift_as_well() {
        let all = found((0..300).map(|minute| if minute < 100 { 2_000 } else { 300 }));
        assert_eq!(all.len(), 1, "{all:?}");
        assert!(all[0].0 <= 105 && all[0].2 == 300, "{all:?}");
    }

    #[test]
    fn a_burst_of_two_minutes_and_little_of_nothing_are_none() {
        let burst = |minute: u64| if minute % 60 < 2 { 4_000 } else { 500 };
        assert_eq!(found((0..3_000).map(burst)).len(), 0);
        let little = |minute: u64| if minute < 100 { 1 } else { 90 };
        assert_eq!(found((0..300).map(little)).len(), 0);
    }

    #[test]
    fn what_keeps_flipping_is_told_once() {
        let flips = |minute: u64| {
            if minute < 200 || (minute / 20).is_multiple_of(2) {
                500
            } else {
                1_500
            }
        };
        let all = found((0..2_000).map(flips));
        assert!((1..=2).contains(&all.len()), "{all:?}");
    }

    #[test]
    fn a_day_that_rises_slowly_is_none() {
        // From 0.5 to 2 CPUs and back in twelve hours each.
        let day = |minute: u64| {
            let half = minute % 1_440;
            500 + 1_500 * half.min(1_440 - half) / 720
        };
        assert_eq!(found((0..10_000).map(day)).len(), 0);
    }
}
