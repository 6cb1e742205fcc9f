//! With how little above its mean need a workload meets its latency objective: learned on line, and safe meanwhile.
//!
//! A contextual bandit with few arms. The context is the level of load; the arms are margins above the mean need, of
//! which the last is to leave a workload all that it has. What is looked for is the smallest margin under which 99 of
//! 100 are in time. Three things keep it safe:
//! - a smaller margin is tried only from the one above it, and only after a window that shows with a confidence of 95 %
//!   that no more than one of 100 is late;
//! - once more are, all of the margin comes back at once, without waiting for the end of the window;
//! - a margin that has hurt is not tried again for a while at that level, nor is any that is smaller, and each time it
//!   hurts again that while is twice as long.
//!
//! Without enough to judge by there is no margin either: the workload has all that it has.

use crate::signal::{Amount, Nanos};
use crate::snapshot::LatencySignals;
use serde::{Deserialize, Serialize};

/// The margins that are tried, in percent of the mean need.
pub const MARGINS: [u32; 8] = [5, 10, 15, 20, 30, 40, 60, 100];

/// The rung above them all: a workload has all that it has.
const ALL: u8 = 8;

const _: () = assert!(MARGINS.len() == ALL as usize);

/// Over how long need is averaged.
const MEAN: Nanos = Nanos(16 * Nanos::SECOND.0);

/// What is looked at at once, at the least; it goes on until [`LEAST`] have ended in it.
pub const WINDOW: Nanos = Nanos(10 * Nanos::SECOND.0);

/// When nothing can be said of a window that is so old, nothing is known any more.
pub const SILENCE: Nanos = Nanos(5 * Nanos::MINUTE.0);

/// None late of so many: fewer than one of 100 are, with a confidence of 95 % (the rule of three).
pub const LEAST: u64 = 300;

/// For each one that is late so many more must have ended. `300 + 175 * late` is no less than 100 times the upper end of
/// the confidence interval of a Poisson variable, whatever `late` is.
const MORE: u64 = 175;

/// Fewer that are late may be an accident.
const ACCIDENTS: u64 = 4;

/// For how long a margin that has hurt is not tried again, the first time.
const BACK_OFF: Nanos = Nanos(10 * Nanos::MINUTE.0);

/// Each time it is twice as long, but no more often than this.
const DOUBLINGS: u8 = 6;

/// How many levels of load are remembered: eight octaves by halves.
const LEVELS: usize = 16;

/// What has been learned of one workload.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attainment {
    /// Mean need, in micro-CPUs; `None` before the first tick.
    mean: Option<u64>,
    /// When the present window began, and what has ended in it.
    began: Nanos,
    heard: LatencySignals,
    /// What had ended in the window before.
    before: LatencySignals,
    /// Whether the last tick has shown a miss.
    missed: bool,
    /// Which level of load it is.
    level: u8,
    levels: [Option<Level>; LEVELS],
}

/// What has been learned at one level of load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Level {
    /// Which it is: those that are a multiple of [`LEVELS`] apart share a place.
    number: u8,
    /// The margin at present, as its place among all.
    rung: u8,
    /// The smallest margin that may be tried.
    least: u8,
    /// Until when; then the next smaller one may be tried once more.
    until: Nanos,
    /// How often it hurt.
    hurts: u8,
}

/// What a window says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// More than one of 100 are late.
    Missed,
    /// One of 100 may soon be.
    Near,
    /// Surely fewer are.
    Met,
    /// Nothing for certain.
    Unclear,
    /// Too little has ended to say anything.
    Silent,
}

impl Attainment {
    /// Takes a tick in: the need in it, and what has ended.
    pub fn push(&mut self, now: Nanos, elapsed: Nanos, need: Amount, ended: LatencySignals) {
        let mean = self.average(elapsed, need);
        self.enter(now, mean);
        self.heard = self.heard.plus(ended);
        let verdict = self.verdict(now);
        self.missed = verdict == Some(Verdict::Missed);
        let Some(verdict) = verdict else {
            return;
        };
        match verdict {
            Verdict::Missed => self.retreat(now),
            Verdict::Near => self.widen(now),
            Verdict::Met => self.narrow(now),
            Verdict::Unclear => {}
            Verdict::Silent => self.forget(),
        }
        self.before = self.heard;
        self.begin(now);
    }

    /// What is to be the workload's own, in all that it has: its mean need and the margin, and no less than what it
    /// needed in both of the last ticks (`lasting`). `None`: all of it.
    #[must_use]
    pub fn own(&self, lasting: Amount) -> Option<Amount> {
        let margin = self.margin()?;
        let mean = Amount(self.mean?);
        Some(mean.percent(100 + margin).max(lasting))
    }

    /// The margin in percent of the mean need; `None` for all that there is.
    #[must_use]
    pub fn margin(&self) -> Option<u32> {
        let level = self.present()?;
        MARGINS.get(usize::from(level.rung)).copied()
    }

    /// Whether the last tick has shown that the objective is missed.
    #[must_use]
    pub const fn is_missed(&self) -> bool {
        self.missed
    }

    /// What has ended lately: in the present window and the one before.
    #[must_use]
    pub const fn lately(&self) -> LatencySignals {
        self.before.plus(self.heard)
    }

    fn average(&mut self, elapsed: Nanos, need: Amount) -> u64 {
        let whole = u128::from(MEAN.0) + u128::from(elapsed.0);
        let mean = self.mean.map_or(need.0, |mean| {
            let sum =
                u128::from(mean) * u128::from(MEAN.0) + u128::from(need.0) * u128::from(elapsed.0);
            u64::try_from(sum / whole).unwrap_or(u64::MAX)
        });
        self.mean = Some(mean);
        mean
    }

    /// Goes over to another level of load, if it is one for sure. Where nothing is known of that, one margin more than
    /// here is taken.
    fn enter(&mut self, now: Nanos, mean: u64) {
        let apart = mean / 16;
        let may_be = number(mean - apart)..=number(mean.saturating_add(apart));
        let known = self.present().copied();
        if known.is_some() && may_be.contains(&self.level) {
            return;
        }
        let cautious = known.map_or(ALL, |level| (level.rung + 1).min(ALL));
        self.level = number(mean);
        let cell = &mut self.levels[place(self.level)];
        if cell.is_none_or(|level| level.number != self.level) {
            *cell = Some(Level {
                number: self.level,
                rung: cautious,
                least: 0,
                until: Nanos(0),
                hurts: 0,
            });
        }
        self.begin(now);
    }

    /// What can be said by now; `None` while the window goes on.
    fn verdict(&self, now: Nanos) -> Option<Verdict> {
        let LatencySignals { count, late } = self.heard;
        let age = now.since(self.began);
        if late >= ACCIDENTS && late.saturating_mul(100) > count {
            return Some(Verdict::Missed);
        }
        if age < WINDOW || count < LEAST && age < SILENCE {
            return None;
        }
        Some(if count < LEAST {
            Verdict::Silent
        } else if late.saturating_mul(MORE).saturating_add(LEAST) <= count {
            Verdict::Met
        } else if late >= ACCIDENTS && late.saturating_mul(200) > count {
            Verdict::Near
        } else {
            Verdict::Unclear
        })
    }

    /// One margin less, unless it has hurt.
    fn narrow(&mut self, now: Nanos) {
        if let Some(level) = self.present_mut()
            && let Some(next) = level.rung.checked_sub(1)
            && (next >= level.least || now >= level.until)
        {
            level.least = level.least.min(next);
            level.rung = next;
        }
    }

    /// One margin more, and not back for a while.
    fn widen(&mut self, now: Nanos) {
        if let Some(level) = self.present_mut()
            && level.rung < ALL
        {
            level.rung += 1;
            level.least = level.rung;
            level.until = now.plus(back_off(level.hurts));
        }
    }

    /// All there is, and this margin not again for a while. Who has all already has not been hurt by a margin.
    fn retreat(&mut self, now: Nanos) {
        if let Some(level) = self.present_mut()
            && level.rung < ALL
        {
            level.least = level.rung + 1;
            level.until = now.plus(back_off(level.hurts));
            level.hurts = (level.hurts + 1).min(DOUBLINGS);
            level.rung = ALL;
        }
    }

    /// Nothing is known any more of what would do, at any level; what has hurt is remembered.
    fn forget(&mut self) {
        for level in self.levels.iter_mut().flatten() {
            level.rung = ALL;
        }
    }

    const fn begin(&mut self, now: Nanos) {
        self.began = now;
        self.heard = LatencySignals { count: 0, late: 0 };
    }

    fn present(&self) -> Option<&Level> {
        let level = self.levels[place(self.level)].as_ref()?;
        (level.number == self.level).then_some(level)
    }

    fn present_mut(&mut self) -> Option<&mut Level> {
        let level = self.levels[place(self.level)].as_mut()?;
        (level.number == self.level).then_some(level)
    }
}

fn place(level: u8) -> usize {
    usize::from(level) % LEVELS
}

/// Which half of which octave it is.
fn number(mean: u64) -> u8 {
    let mean = mean.max(1);
    let octave = mean.ilog2();
    let second = octave > 0 && mean & (1 << (octave - 1)) != 0;
    u8::try_from(2 * octave).unwrap_or(u8::MAX - 1) + u8::from(second)
}

/// For how long what has hurt is not tried again, after so many times before.
fn back_off(hurts: u8) -> Nanos {
    Nanos(BACK_OFF.0 << hurts.min(DOUBLINGS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: u64 = Nanos::SECOND.0;
    const NEED: Amount = Amount(900_000);

    /// A second after another, each with a need and what ended in it.
    #[derive(Default)]
    struct Bench {
        attainment: Attainment,
        second: u64,
    }

    impl Bench {
        fn tick(&mut self, need: Amount, count: u64, late: u64) {
            self.second += 1;
            let ended = LatencySignals { count, late };
            let now = Nanos(self.second * SECOND);
            self.attainment.push(now, Nanos::SECOND, need, ended);
        }

        fn ticks(&mut self, seconds: u64, count: u64, late: u64) -> Option<u32> {
            for _ in 0..seconds {
                self.tick(NEED, count, late);
            }
            self.attainment.margin()
        }
    }

    #[test]
    fn margins_are_tried_one_after_another_while_all_are_in_time() {
        let mut bench = Bench::default();
        let mut seen = vec![None];
        for _ in 0..120 {
            let margin = bench.ticks(1, 100, 0);
            if seen.last() != Some(&margin) {
                seen.push(margin);
            }
        }
        let all: Vec<_> = MARGINS.iter().rev().map(|margin| Some(*margin)).collect();
        assert_eq!(seen[1..], all[..]);
        assert_eq!(bench.attainment.own(Amount::ZERO), Some(Amount(945_000)));
        assert_eq!(
            bench.attainment.own(Amount(1_200_000)),
            Some(Amount(1_200_000)),
            "what is needed for longer is its own"
        );
    }

    #[test]
    fn few_requests_take_longer_and_too_few_say_nothing() {
        let mut bench = Bench::default();
        assert_eq!(bench.ticks(59, 5, 0), None);
        assert_eq!(bench.ticks(2, 5, 0), Some(100), "300 in a minute");
        let mut rare = Bench::default();
        assert_eq!(rare.ticks(3600, 0, 0), None);
    }

    #[test]
    fn what_was_learned_is_forgotten_when_requests_cease() {
        let mut bench = Bench::default();
        assert_eq!(bench.ticks(120, 100, 0), Some(5));
        assert_eq!(bench.ticks(290, 0, 0), Some(5));
        assert_eq!(bench.ticks(20, 0, 0), None);
        assert_eq!(bench.ticks(11, 100, 0), Some(100), "and found anew");
    }

    #[test]
    fn a_miss_brings_all_back_at_once_and_is_remembered() {
        let mut bench = Bench::default();
        assert_eq!(bench.ticks(120, 100, 0), Some(5));
        bench.tick(NEED, 100, 30);
        assert!(bench.attainment.is_missed());
        assert_eq!(bench.attainment.margin(), None, "in the tick that tells");
        let hurt = bench.second;
        let mut least = u32::MAX;
        while bench.second < hurt + 590 {
            least = least.min(bench.ticks(1, 100, 0).unwrap_or(u32::MAX));
        }
        assert_eq!(least, 10, "not again what has hurt");
        assert_eq!(bench.ticks(30, 100, 0), Some(5), "but after a while");
        bench.tick(NEED, 100, 30);
        let hurt = bench.second;
        assert_eq!(bench.ticks(1_180, 100, 0), Some(10), "twice as long");
        assert_eq!(bench.second, hurt + 1_180);
        assert_eq!(bench.ticks(40, 100, 0), Some(5));
    }

    #[test]
    fn near_the_objective_it_goes_back_by_one() {
        let mut bench = Bench::default();
        // A window ends in the first second of ten.
        assert_eq!(bench.ticks(51, 100, 0), Some(20));
        for second in 0..10 {
            bench.tick(NEED, 100, u64::from(second < 7));
        }
        assert_eq!(bench.attainment.margin(), Some(30), "seven of a thousand");
        assert_eq!(bench.ticks(300, 100, 0), Some(30), "and stays");
    }

    #[test]
    fn each_level_of_load_has_its_own() {
        let mut bench = Bench::default();
        assert_eq!(bench.ticks(120, 100, 0), Some(5));
        // Four times the load: first with a margin more, then it hurts.
        let mut margins = Vec::new();
        for _ in 0..200 {
            bench.tick(Amount(4 * NEED.0), 400, 0);
            margins.extend(bench.attainment.margin());
        }
        assert!(margins.contains(&15), "{margins:?}");
        assert_eq!(bench.attainment.margin(), Some(5));
        bench.tick(Amount(4 * NEED.0), 400, 100);
        assert_eq!(bench.attainment.margin(), None);
        for _ in 0..100 {
            bench.tick(NEED, 0, 0);
        }
        assert_eq!(bench.attainment.margin(), Some(5), "where it did not hurt");
    }

    #[test]
    fn one_workload_fits_into_half_a_kilobyte() {
        assert!(size_of::<Attainment>() <= 512);
    }

    #[test]
    fn levels_are_half_octaves() {
        let numbers = [0, 1, 2, 3, 4, 5, 6, 7, 8, 1 << 20, 3 << 19, 1 << 21].map(number);
        assert_eq!(numbers, [0, 0, 2, 3, 4, 4, 5, 5, 6, 40, 41, 42]);
        assert_eq!(number(u64::MAX), 127);
    }

    /// The upper end of the one-sided 95 % interval of a Poisson variable of which so many were seen.
    #[test]
    fn the_line_lies_above_the_confidence_interval() {
        let ends = [
            (0, 3.00),
            (1, 4.75),
            (2, 6.30),
            (3, 7.76),
            (5, 10.52),
            (10, 16.97),
            (20, 29.07),
            (50, 63.29),
            (100, 118.08),
        ];
        for (late, end) in ends {
            let line = LEAST + MORE * late;
            #[expect(clippy::cast_precision_loss, reason = "small")]
            let line = line as f64 / 100.0;
            assert!(line >= end - 0.005, "{late}: {line} {end}");
        }
    }

    proptest! {
        /// Whatever has been learned: once more than one of 100 are late, in a system that goes on like that, all of
        /// the margin is back within two windows.
        #[test]
        fn no_miss_lasts_longer_than_two_windows(
            past in prop::collection::vec((1..4_000_000_u64, 0..300_u64, 0..3_u64), 0..400),
            need in 1..4_000_000_u64,
            count in 50..500_u64,
            part in 3..100_u64,
        ) {
            let mut bench = Bench::default();
            for (need, count, late) in past {
                bench.tick(Amount(need), count, late.min(count));
            }
            let late = (count * part / 100).max(2);
            let mut within = 0;
            while bench.attainment.margin().is_some() {
                bench.tick(Amount(need), count, late);
                within += 1;
                // Need may enter another level on the way, which begins a window.
                prop_assert!(within <= 2 * WINDOW.0 / SECOND + 2, "{:?}", bench.attainment);
            }
        }

        /// A margin is only ever left downwards by one, and never below what has hurt at that level lately.
        #[test]
        fn it_goes_down_by_one_and_not_to_what_has_hurt(
            ticks in prop::collection::vec((0..500_u64, prop_oneof![9 => Just(0), 1 => 0..60_u64]), 1..600),
        ) {
            let mut bench = Bench::default();
            let mut hurt: Option<(u64, u32)> = None;
            for (count, late) in ticks {
                let before = bench.attainment.margin();
                bench.tick(NEED, count, late.min(count));
                let after = bench.attainment.margin();
                let steps = |margin: Option<u32>| {
                    margin.map_or(MARGINS.len(), |margin| MARGINS.iter().position(|one| *one == margin).unwrap())
                };
                prop_assert!(steps(before) <= steps(after) + 1);
                if let Some(margin) = before && bench.attainment.is_missed() {
                    prop_assert_eq!(after, None);
                    hurt = Some((bench.second, margin));
                }
                if let (Some((at, margin)), Some(after)) = (hurt, after)
                    && bench.second < at + BACK_OFF.0 / SECOND
                {
                    prop_assert!(after > margin);
                }
            }
        }
    }
}
