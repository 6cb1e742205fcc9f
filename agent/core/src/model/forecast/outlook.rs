//! The candidates of one workload and resource, and the one that is believed.

use serde::{Deserialize, Serialize};

use super::{
    season::{Season, Shape},
    trend::Trend,
};
use crate::signal::{Amount, Nanos, Resource};

/// What returns each hour, minute by minute.
const HOUR: Shape = Shape {
    minutes: 1,
    steps: 60,
    enough: 60,
    span: 120,
};

/// What returns each day, hour by hour: kept of everyone, to see whether it is worth a closer look.
const ROUGH_DAY: Shape = Shape {
    minutes: 60,
    steps: 24,
    enough: 12,
    span: 72,
};

/// What returns each day, by five minutes: a kilobyte, and only of those who have such a thing.
const DAY: Shape = Shape {
    minutes: 5,
    steps: 288,
    enough: 144,
    span: 576,
};

/// What a forecast follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pattern {
    /// It has been rising or falling.
    Trend,
    /// It was so at this minute of each hour.
    Hour,
    /// It was so at this time of each day.
    Day,
}

/// What will be needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Foreseen {
    /// The most that is expected.
    pub expected: Amount,
    /// The upper end of its interval.
    pub upper: Amount,
    /// What says so.
    pub pattern: Pattern,
}

/// What can be foreseen of one workload's need of one resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outlook {
    /// The minute that was taken in last, counted from the beginning of time, and its value.
    last: Option<(u64, u32)>,
    trend: Trend,
    hour: Season,
    rough_day: Season,
    /// Only while days resemble each other.
    day: Option<Box<Season>>,
    /// Which candidate is believed.
    pattern: Option<Pattern>,
}

impl Default for Outlook {
    fn default() -> Self {
        Self {
            last: None,
            trend: Trend::default(),
            hour: Season::new(HOUR),
            rough_day: Season::new(ROUGH_DAY),
            day: None,
            pattern: None,
        }
    }
}

impl Outlook {
    /// Takes in what is needed now. Only the last value of each minute counts: it is to be one that stands for
    /// the minute before it. The interval's upper end is chosen so that `coverage` percent of values lie below it.
    pub fn push(&mut self, now: Nanos, resource: Resource, need: Amount, coverage: u32) {
        // A minute counts as soon as its last tick may have come: the next one ends it.
        let minute = now.0 / Nanos::MINUTE.0;
        let last = self.last;
        let Some(ended) = minute.checked_sub(1) else {
            return;
        };
        if last.is_some_and(|(minute, _)| minute >= ended) {
            return;
        }
        let value = cell(resource, need);
        let before = last.filter(|(minute, _)| minute + 1 == ended);
        let before = before.map(|(_, value)| i64::from(value));
        self.trend.push(value.into(), before, coverage);
        self.hour.push(ended, value, coverage);
        self.rough_day.push(ended, value, coverage);
        if let Some(day) = &mut self.day {
            day.push(ended, value, coverage);
        }
        self.last = Some((ended, value));
        self.look_closer();
        self.choose();
    }

    /// Keeps the day by five minutes for those of whom it may say something, until it turns out that it does not.
    fn look_closer(&mut self) {
        match &self.day {
            None if self.rough_day.error(false).is_some() => {
                self.day = Some(Box::new(Season::new(DAY)));
            }
            Some(day) if day.is_known() && day.error(true).is_none() => {
                self.day = None;
                self.rough_day = Season::new(ROUGH_DAY);
            }
            _ => {}
        }
    }

    /// Believes the candidate with the smallest error, if any is to be believed.
    fn choose(&mut self) {
        let is = |pattern| self.pattern == Some(pattern);
        let day = self.day.as_ref();
        let errors = [
            (self.trend.error(is(Pattern::Trend)), Pattern::Trend),
            (self.hour.error(is(Pattern::Hour)), Pattern::Hour),
            (
                day.and_then(|day| day.error(is(Pattern::Day))),
                Pattern::Day,
            ),
        ];
        let believed = errors
            .into_iter()
            .filter_map(|(error, pattern)| Some((error?, pattern)));
        self.pattern = believed
            .min_by_key(|(error, _)| *error)
            .map(|(_, pattern)| pattern);
    }

    /// The most that will be needed from now on for so long; `None` if nothing can be said that would be better than
    /// what is needed now.
    #[must_use]
    pub fn ahead(&self, now: Nanos, resource: Resource, lead: Nanos) -> Option<Foreseen> {
        let pattern = self.pattern?;
        let minute = |time: Nanos| time.0 / Nanos::MINUTE.0;
        let (from, to) = (minute(now), minute(now.plus(lead)));
        let (expected, upper) = match pattern {
            Pattern::Trend => {
                let (last, _) = self.last?;
                let expected = self.trend.ahead(to.saturating_sub(last));
                Some((expected, self.trend.skill().upper(expected)))
            }
            Pattern::Hour => self.hour.ahead(from, to),
            Pattern::Day => self.day.as_ref()?.ahead(from, to),
        }?;
        Some(Foreseen {
            expected: amount(resource, expected),
            upper: amount(resource, upper),
            pattern,
        })
    }

    /// What is believed.
    #[must_use]
    pub const fn pattern(&self) -> Option<Pattern> {
        self.pattern
    }
}

/// The amount that one in a cell stands for: a micro-CPU, a page.
const fn unit(resource: Resource) -> u64 {
    match resource {
        Resource::Cpu => 1,
        Resource::Memory => 4096,
    }
}

fn cell(resource: Resource, amount: Amount) -> u32 {
    let cells = amount.0.div_ceil(unit(resource));
    u32::try_from(cells).map_or(u32::MAX - 1, |cells| cells.min(u32::MAX - 1))
}

fn amount(resource: Resource, cells: i64) -> Amount {
    let cells = u64::try_from(cells).unwrap_or(0);
    Amount(cells.saturating_mul(unit(resource)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CPU: Resource = Resource::Cpu;

    /// So many minutes with a value each, told by ticks of 10 s.
    fn after(minutes: u64, value: impl Fn(u64) -> u64) -> Outlook {
        let mut outlook = Outlook::default();
        for tick in 0..=minutes * 6 {
            let now = Nanos(tick * 10 * Nanos::SECOND.0);
            // What stands for the minute before, as a window of a minute does.
            let need = Amount(value((tick / 6).saturating_sub(1)));
            outlook.push(now, CPU, need, 90);
        }
        outlook
    }

    fn at(minute: u64) -> Nanos {
        Nanos(minute * Nanos::MINUTE.0)
    }

    const MINUTE: Nanos = Nanos::MINUTE;

    #[test]
    fn an_hourly_job_is_foreseen_in_the_third_hour() {
        let job = |minute| if minute % 60 == 20 { 900_000 } else { 100_000 };
        let outlook = after(120, job);
        assert_eq!(outlook.pattern(), Some(Pattern::Hour));
        assert_eq!(after(110, job).pattern(), None);
        let ahead = |minute| outlook.ahead(at(minute), CPU, MINUTE).unwrap().expected;
        let foreseen = [138, 139, 140, 141].map(ahead);
        assert_eq!(foreseen, [100_000, 900_000, 900_000, 100_000].map(Amount));
    }

    #[test]
    fn a_nightly_job_is_foreseen_on_the_fourth_day() {
        // Ten minutes from 02:00 on, and some noise.
        let job = |minute: u64| {
            let noise = minute * 7919 % 1013 * 10;
            let night = (120..130).contains(&(minute % 1440));
            noise + if night { 2_000_000 } else { 100_000 }
        };
        let outlook = after(3 * 1440 + 60, job);
        assert_eq!(outlook.pattern(), Some(Pattern::Day));
        let night = 3 * 1440 + 120;
        let foreseen = outlook.ahead(at(night - 1), CPU, MINUTE).unwrap();
        assert!(
            foreseen.expected.0.abs_diff(2_005_000) < 10_000,
            "{foreseen:?}"
        );
        assert!(foreseen.upper >= foreseen.expected);
        let before = outlook.ahead(at(night - 10), CPU, MINUTE).unwrap();
        assert!(before.upper.0 < 150_000, "{before:?}");
    }

    #[test]
    fn what_has_no_pattern_costs_nothing_and_says_nothing() {
        let mut random = 1_u64;
        let mut outlook = Outlook::default();
        let mut believed = 0;
        for minute in 0..20 * 1440 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let need = Amount(100_000 + (random >> 45));
            outlook.push(at(minute + 1), CPU, need, 90);
            believed += u32::from(outlook.pattern().is_some());
            assert!(outlook.day.is_none(), "{minute}");
        }
        assert_eq!(believed, 0);
        assert_eq!(outlook.ahead(at(20 * 1440), CPU, MINUTE), None);
        let steady = after(3 * 1440, |_| 250_000);
        assert_eq!((steady.pattern(), steady.day), (None, None));
    }

    #[test]
    fn a_pattern_that_has_ended_is_forgotten() {
        let job = |minute: u64| {
            let spike = minute < 4 * 1440 && (120..130).contains(&(minute % 1440));
            if spike { 2_000_000 } else { 100_000 }
        };
        assert!(after(4 * 1440, job).day.is_some());
        let later = after(9 * 1440, job);
        assert_eq!((later.pattern(), later.day), (None, None));
    }

    #[test]
    fn it_is_small_and_bounded() {
        assert!(size_of::<Outlook>() <= 512);
        let heap = |season: &Season| size_of::<Season>() + 4 * season.len();
        let job = |minute: u64| 1 + minute % 1440 / 720 * 1_000_000;
        let outlook = after(5 * 1440, job);
        assert_eq!(
            heap(&outlook.hour) + heap(&outlook.rough_day),
            2 * size_of::<Season>() + 336
        );
        assert!(heap(outlook.day.as_ref().unwrap()) <= 1_400);
    }

    #[test]
    fn memory_is_counted_in_pages() {
        let mut outlook = Outlook::default();
        for minute in 0..200 {
            let need = Amount(if minute % 60 == 7 { 3 << 30 } else { 1 << 30 });
            outlook.push(at(minute + 1), Resource::Memory, need, 90);
        }
        let foreseen = outlook.ahead(at(247), Resource::Memory, Nanos(0)).unwrap();
        assert_eq!(foreseen.expected, Amount(3 << 30));
    }

    #[test]
    fn a_copy_that_was_written_down_goes_on_alike() {
        let mut outlook = after(3 * 1440, |minute| minute % 1440 * 100);
        let bytes = postcard::to_allocvec(&outlook).unwrap();
        let mut copy: Outlook = postcard::from_bytes(&bytes).unwrap();
        for minute in 3 * 1440..4 * 1440 {
            for outlook in [&mut outlook, &mut copy] {
                outlook.push(at(minute + 1), CPU, Amount(minute * 31 % 977), 90);
            }
        }
        assert_eq!(outlook, copy);
        let both = [outlook, copy].map(|one| postcard::to_allocvec(&one).unwrap());
        assert_eq!(both[0], both[1]);
    }
}
