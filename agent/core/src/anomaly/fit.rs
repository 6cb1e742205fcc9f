//! Limits that are far too large or too small for long.

use super::minute::{Cpu, Memory};
use super::recent::Recent;
use crate::signal::{Amount, Nanos, Resource};
use serde::Serialize;

/// A limit is too large when it is so many times the most that was needed in a day, or more ...
const FAR: u64 = 4;
/// ... until it is less than so many times.
const NEAR: u64 = 3;

/// What is too much must be at least this: one CPU, 1 GiB.
const WASTE: [Amount; 2] = [Amount::CPU, Amount(1 << 30)];

/// Hours that are looked at for the most that was needed.
const HOURS: usize = 24;

/// Of so many minutes a limit must be met in so many to be too small, and in no more than so many not to be any more.
const LOOK: u32 = 32;
const OFTEN: u32 = 24;
const SELDOM: u32 = 8;

/// A minute in which one period of ten, or more, is throttled is one in which the limit is met ...
const THROTTLED: u64 = 10;
/// ... if at least so many ran.
const PERIODS: u64 = 10;

/// A limit far above need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Loose {
    /// Of what.
    pub resource: Resource,
    /// The limit.
    pub limit: Amount,
    /// The most that was needed.
    pub needed: Amount,
    /// In how long.
    pub over: Nanos,
}

/// A limit that is met again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Tight {
    /// Of what.
    pub resource: Resource,
    /// The limit.
    pub limit: Amount,
    /// Of CPU: how many of a thousand periods were throttled.
    pub throttled: Option<u32>,
    /// In how many of the last 32 minutes the limit was met.
    pub minutes: u32,
    /// The most that was needed within the hour; of CPU that is a guess, of memory what was in use.
    pub needed: Amount,
    /// Whether the limit stands at the envelope's ceiling, so that nothing can be done about it here.
    pub at_ceiling: bool,
}

/// Looks at one limit.
#[derive(Clone, Debug, Default)]
pub(super) struct Fit {
    /// The most that was needed in each of the last hours, a ring.
    hours: [Amount; HOURS],
    minutes: usize,
    held: Amount,
    far: Recent,
    loose: bool,
    met: Recent,
    /// Periods, and throttled ones, over about half an hour, in thousandths.
    periods: u64,
    throttled: u64,
    tight: bool,
}

impl Fit {
    /// Takes a minute of CPU in, of which the node has `capacity`.
    pub(super) fn push_cpu(&mut self, cpu: &Cpu, capacity: Amount) {
        let limit = limit(cpu.held, capacity);
        let bites =
            cpu.periods >= PERIODS && cpu.throttled.saturating_mul(THROTTLED) >= cpu.periods;
        let decayed = |sum: u64, new: u64| {
            (sum - sum / u64::from(LOOK)).saturating_add(new.saturating_mul(1_000))
        };
        self.periods = decayed(self.periods, cpu.periods);
        self.throttled = decayed(self.throttled, cpu.throttled);
        self.push(Resource::Cpu, limit, cpu.peak, bites);
    }

    /// Takes a minute of memory in, of which the node has `capacity`. A limit that is met because of page cache is not too
    /// small.
    pub(super) fn push_memory(&mut self, memory: &Memory, capacity: Amount) {
        let limit = limit(memory.held, capacity);
        let bites = memory.met > 0 && memory.peak.0 >= limit.0 / 16 * 10;
        self.push(Resource::Memory, limit, memory.peak, bites);
    }

    fn push(&mut self, resource: Resource, limit: Amount, peak: Amount, bites: bool) {
        let hour = self.minutes / 60 % HOURS;
        if self.minutes.is_multiple_of(60) {
            self.hours[hour] = Amount::ZERO;
        }
        self.hours[hour] = self.hours[hour].max(peak);
        self.minutes += 1;
        self.held = limit;
        self.met.push(bites && !limit.is_unlimited());
        let count = self.met.count(LOOK);
        self.tight = !limit.is_unlimited() && (count >= OFTEN || self.tight && count > SELDOM);
        let times = if self.loose { NEAR } else { FAR };
        let most = self.most();
        let waste = limit.minus(most) >= WASTE[resource.index()];
        let far = limit.0 >= most.0.saturating_mul(times) && waste;
        self.far.push(!limit.is_unlimited() && far);
        // A limit that is on the move is judged when it has come to rest.
        let count = self.far.count(LOOK);
        let known = self.minutes >= HOURS * 60;
        self.loose = known && (count == LOOK || self.loose && count > 0);
    }

    /// The most that was needed in a day.
    fn most(&self) -> Amount {
        self.hours.into_iter().max().unwrap_or_default()
    }

    /// Whether it is far too large.
    pub(super) fn loose(&self, resource: Resource) -> Option<Loose> {
        self.loose.then(|| Loose {
            resource,
            limit: self.held,
            needed: self.most(),
            over: Nanos(HOURS as u64 * 60 * Nanos::MINUTE.0),
        })
    }

    /// Whether it is too small.
    pub(super) fn tight(&self, resource: Resource, ceiling: Amount) -> Option<Tight> {
        let last = self.minutes.saturating_sub(1) / 60;
        let hour = |ago: usize| self.hours[(last + HOURS - ago) % HOURS];
        let share = self.throttled.saturating_mul(1_000) + self.periods / 2;
        let share = share / self.periods.max(1);
        self.tight.then(|| Tight {
            resource,
            limit: self.held,
            throttled: (resource == Resource::Cpu)
                .then(|| u32::try_from(share).unwrap_or(u32::MAX)),
            minutes: self.met.count(LOOK),
            needed: hour(0).max(hour(1)),
            at_ceiling: self.held >= ceiling,
        })
    }
}

/// A limit of all that the node has is none.
fn limit(held: Amount, capacity: Amount) -> Amount {
    if held >= capacity {
        Amount::UNLIMITED
    } else {
        held
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CPUS: Amount = Amount(16_000_000);

    fn cpu(held: u64, peak: u64, throttled: u64) -> Cpu {
        Cpu {
            peak: Amount(peak),
            held: Amount(held),
            periods: 600,
            throttled,
            ..Cpu::default()
        }
    }

    fn memory(peak_mib: u64, met: u64) -> Memory {
        Memory {
            floor: Amount::ZERO,
            peak: Amount(peak_mib << 20),
            held: Amount(512 << 20),
            hard: Amount::UNLIMITED,
            met,
            kills: 0,
        }
    }

    #[test]
    fn a_day_tells_that_a_limit_is_too_large() {
        let mut fit = Fit::default();
        for minute in 1..=3_000 {
            fit.push_cpu(&cpu(8_000_000, 900_000, 0), CPUS);
            assert_eq!(fit.loose(Resource::Cpu).is_some(), minute >= 1_440);
        }
        let loose = fit.loose(Resource::Cpu).unwrap();
        assert_eq!(
            (loose.limit, loose.needed),
            (Amount(8_000_000), Amount(900_000))
        );
        // One peak ends it for a day, but only if it is a large one.
        fit.push_cpu(&cpu(8_000_000, 2_500_000, 0), CPUS);
        assert!(fit.loose(Resource::Cpu).is_some(), "3.2 times");
        for minute in 0..23 * 60 {
            let peak = if minute == 0 { 2_700_000 } else { 100_000 };
            fit.push_cpu(&cpu(8_000_000, peak, 0), CPUS);
            // Less than 3 times; half an hour later it is over.
            assert_eq!(fit.loose(Resource::Cpu).is_some(), minute < 31, "{minute}");
        }
    }

    #[test]
    fn no_limit_and_a_small_one_are_never_too_large() {
        for held in [u64::MAX, CPUS.0, 1_000_000] {
            let mut fit = Fit::default();
            for _ in 0..3_000 {
                fit.push_cpu(&cpu(held, 50_000, 0), CPUS);
                assert_eq!(fit.loose(Resource::Cpu), None, "{held}");
            }
        }
    }

    #[test]
    fn half_an_hour_tells_that_a_limit_is_too_small() {
        let mut fit = Fit::default();
        let mut all = Vec::new();
        for minute in 0..120 {
            let throttled = if minute < 60 { 240 } else { 0 };
            fit.push_cpu(&cpu(500_000, 700_000, throttled), CPUS);
            all.push(fit.tight(Resource::Cpu, Amount(500_000)));
        }
        let lasts: Vec<_> = (0..120).filter(|minute| all[*minute].is_some()).collect();
        assert_eq!((lasts[0], *lasts.last().unwrap()), (23, 82));
        assert_eq!(lasts.len(), 60, "without a gap");
        let tight = all[59].unwrap();
        assert_eq!((tight.throttled, tight.at_ceiling), (Some(400), true));
        assert_eq!((tight.minutes, tight.needed), (32, Amount(700_000)));
    }

    #[test]
    fn page_cache_makes_no_limit_too_small() {
        let mut fit = Fit::default();
        (0..100).for_each(|_| fit.push_memory(&memory(100, 50), Amount(1 << 40)));
        assert_eq!(fit.tight(Resource::Memory, Amount::UNLIMITED), None);
        (0..100).for_each(|_| fit.push_memory(&memory(500, 50), Amount(1 << 40)));
        let tight = fit.tight(Resource::Memory, Amount::UNLIMITED).unwrap();
        assert_eq!((tight.throttled, tight.at_ceiling), (None, false));
    }
}
