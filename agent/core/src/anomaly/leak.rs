//! Memory that grows steadily and does not fall back.
//!
//! What is looked at is the *floor*: the least of what cannot be dropped in each block of time, which is what a garbage
//! collection leaves. The same law looks at blocks of 1, 4, 16 and 64 minutes, 32 of each, so at the last half hour,
//! two hours, eight hours and day and a half.

use super::trend::{MOST, fall, rises, theil_sen};
use crate::signal::{Amount, Nanos};
use serde::Serialize;
use std::collections::VecDeque;

/// Floors are kept in pages.
const PAGE: u64 = 4096;

/// Of how many blocks of the scale below a block is made, per scale.
const BLOCKS: [u32; 4] = [1, 4, 4, 4];

/// Growth below this is no leak: pages.
const LEAST: u32 = (16 << 20) / 4096;

/// Nor is growth below this part of what there was.
const LEAST_SHARE: u32 = 20;

/// So many minutes must have been seen before those that are looked at: what grows while it starts is no leak.
const BEFORE: u32 = 16;

/// For so many minutes after a leak is over none is found.
const REST: u32 = 32;

/// For how long a height that was reached once counts, in minutes.
const REMEMBERED: u32 = 24 * 60;

/// How memory grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Leak {
    /// By how much it has grown since it began to.
    pub grown: Amount,
    /// Since how long it has.
    pub over: Nanos,
    /// How much it grows in an hour.
    pub per_hour: Amount,
    /// What it cannot drop now.
    pub used: Amount,
    /// The limit that it will meet; `None` where the node's memory ends before.
    pub limit: Option<Amount>,
    /// When that will be if it goes on; `None` when it does not grow at present.
    pub left: Option<Nanos>,
}

/// Looks for a leak.
#[derive(Clone, Debug, Default)]
pub struct Leaks {
    scales: [Scale; 4],
    climb: Option<Climb>,
    /// For how many minutes none is found.
    rest: u32,
}

/// A leak that was found.
#[derive(Clone, Copy, Debug)]
struct Climb {
    scale: usize,
    /// The floor when it began.
    base: u32,
    /// How much it had grown when it was found.
    growth: u32,
    /// The highest floor since it began.
    top: u32,
    /// Minutes since it began.
    lasts: u32,
    /// In thousandths of a page per block.
    slope: i64,
}

/// Floors of blocks of one length.
#[derive(Clone, Debug, Default)]
struct Scale {
    floors: VecDeque<u32>,
    /// The floor of the block under way, and how many of the scale below it has.
    block: (u32, u32),
    /// How many have left `floors`, since heights were last passed on.
    left: u32,
    /// Of those that have left, the highest of this day and of the one before.
    heights: [u32; 2],
    /// Whether enough was seen before `floors`.
    ripe: bool,
}

impl Leaks {
    /// Takes the floor of a minute in; whether memory leaks, as far as it can be told.
    pub fn push(&mut self, floor: Amount) -> bool {
        let mut sample = u32::try_from(floor.0 / PAGE).unwrap_or(u32::MAX);
        let mut minutes = 1;
        self.rest = self.rest.saturating_sub(1);
        if let Some(climb) = &mut self.climb {
            climb.lasts += 1;
        }
        for (index, of) in BLOCKS.into_iter().enumerate() {
            minutes *= of;
            let scale = &mut self.scales[index];
            let Some(block) = scale.push(sample, of, minutes) else {
                break;
            };
            sample = block;
            let over = match &mut self.climb {
                None if self.rest > 0 => false,
                None => {
                    self.climb = scale.climb().map(|climb| Climb {
                        scale: index,
                        lasts: climb.lasts * minutes,
                        ..climb
                    });
                    false
                }
                Some(climb) => climb.scale == index && !scale.goes_on(climb),
            };
            if over {
                (self.climb, self.rest) = (None, REST);
            }
        }
        self.climb.is_some()
    }

    /// Forgets everything: the process that held the memory was killed.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// What is found now, where `used` cannot be dropped, `limit` is the hard limit and the node has `available` left.
    #[must_use]
    pub fn found(&self, used: Amount, limit: Amount, available: Amount) -> Option<Leak> {
        let climb = self.climb?;
        let minutes: u32 = BLOCKS[..=climb.scale].iter().product();
        let per_block = u64::try_from(climb.slope).unwrap_or(0) * PAGE;
        let per_hour = per_block * 60 / 1_000 / u64::from(minutes);
        let end = used.plus(available);
        let room = limit.min(end).minus(used);
        let ns = u128::from(room.0) * 60 * u128::from(Nanos::MINUTE.0);
        let left = ns.checked_div(u128::from(per_hour));
        Some(Leak {
            grown: Amount(u64::from(climb.top - climb.base) * PAGE),
            over: Nanos(u64::from(climb.lasts) * Nanos::MINUTE.0),
            per_hour: Amount(per_hour),
            used,
            limit: (limit <= end).then_some(limit),
            left: left.map(|left| Nanos(u64::try_from(left).unwrap_or(u64::MAX))),
        })
    }
}

impl Scale {
    /// Takes a block of the scale below in, of which `of` make one of these; the floor of one that is whole.
    fn push(&mut self, floor: u32, of: u32, minutes: u32) -> Option<u32> {
        let (least, count) = &mut self.block;
        *least = if *count == 0 {
            floor
        } else {
            floor.min(*least)
        };
        *count += 1;
        if *count < of {
            return None;
        }
        let (floor, _) = std::mem::take(&mut self.block);
        if self.floors.len() == MOST {
            let oldest = self.floors.pop_front().unwrap_or(0);
            self.leave(oldest, minutes);
        }
        self.floors.push_back(floor);
        Some(floor)
    }

    fn leave(&mut self, floor: u32, minutes: u32) {
        self.heights[0] = self.heights[0].max(floor);
        self.left += 1;
        self.ripe |= self.left * minutes >= BEFORE;
        let most = u32::try_from(MOST).unwrap_or(u32::MAX);
        if self.left >= (REMEMBERED / minutes).max(2 * most) {
            self.heights = [0, self.heights[0]];
            self.left = 0;
        }
    }

    /// The first and the last floor that is looked at, once there are enough.
    fn ends(&self) -> Option<(u32, u32)> {
        let whole = self.ripe && self.floors.len() == MOST;
        whole.then_some(())?;
        Some((*self.floors.front()?, *self.floors.back()?))
    }

    /// A leak that is found now.
    fn climb(&mut self) -> Option<Climb> {
        let (first, last) = self.ends()?;
        // What only goes where it has been before may be a cycle that is longer than what is looked at.
        let [today, before] = self.heights;
        let growth = last.saturating_sub(first);
        let beyond = last.saturating_sub(first.max(today).max(before));
        if beyond < LEAST.max(first / LEAST_SHARE) || beyond < growth / 4 * 3 {
            return None;
        }
        let floors = &*self.floors.make_contiguous();
        let quarter = |from: usize| {
            let until = (from + MOST / 4).min(MOST - 1);
            floors[until].saturating_sub(floors[from]) >= growth / 8
        };
        let half = floors[MOST / 2];
        let steady = [0, MOST / 4, MOST / 2, MOST / 4 * 3]
            .into_iter()
            .all(quarter);
        // What fills up grows ever less.
        let slows = last.saturating_sub(half) < half.saturating_sub(first) / 5 * 4;
        if !steady || slows || fall(floors) > growth / 8 || !rises(floors) {
            return None;
        }
        Some(Climb {
            scale: 0,
            base: first,
            growth,
            top: last,
            lasts: u32::try_from(MOST).unwrap_or(u32::MAX),
            slope: theil_sen(floors),
        })
    }

    /// Whether a leak that was found goes on: half of it has not come back, and it has not all but stopped.
    fn goes_on(&mut self, climb: &mut Climb) -> bool {
        let Some((first, last)) = self.ends() else {
            return false;
        };
        climb.top = climb.top.max(last);
        climb.slope = theil_sen(self.floors.make_contiguous());
        let kept = last.saturating_sub(climb.base) >= (climb.top - climb.base) / 2;
        kept && last.saturating_sub(first) >= climb.growth / 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// In which minutes it is found, of floors in MiB.
    fn found(floors: impl IntoIterator<Item = u64>) -> Vec<usize> {
        let mut leaks = Leaks::default();
        let found = floors.into_iter().map(|mib| leaks.push(Amount(mib * MIB)));
        let found: Vec<_> = found.collect();
        (0..found.len()).filter(|minute| found[*minute]).collect()
    }

    #[test]
    fn a_leak_is_found_from_the_start_and_later_on() {
        let fresh = found((0..120).map(|minute| 100 + minute));
        assert_eq!(fresh.first(), Some(&47));
        assert_eq!(fresh.len(), 120 - 47, "and it lasts");
        let later = found((0..700_u64).map(|minute| 100 + 3 * minute.saturating_sub(600)));
        assert!((624..=634).contains(&later[0]), "{}", later[0]);
    }

    #[test]
    fn a_slow_leak_takes_a_longer_look() {
        let slow = found((0..3_000).map(|minute| 100 + minute / 10));
        assert!((520..=560).contains(&slow[0]), "6 MiB an hour: {}", slow[0]);
        let slower = found((0..6_000).map(|minute| 100 + minute / 60));
        assert!(
            (2_110..=2_240).contains(&slower[0]),
            "1 MiB an hour: {}",
            slower[0]
        );
    }

    #[test]
    fn what_fills_up_or_steps_is_none() {
        // A thirtieth of what is still to come each minute, in KiB.
        let cache = std::iter::successors(Some(0), |kib| Some(kib + (400 * 1_024 - kib) / 30));
        let fills = cache.map(|kib: u64| 100 + kib / 1_024);
        assert_eq!(found(fills.take(3_000)), [0; 0]);
        let steps = |minute: u64| if minute < 300 { 100 } else { 900 };
        assert_eq!(found((0..3_000).map(steps)), [0; 0]);
    }

    #[test]
    fn it_ends_when_memory_falls_back_or_stops_growing() {
        let back = found((0..400).map(|minute| if minute < 200 { 100 + 2 * minute } else { 120 }));
        assert_eq!(*back.last().unwrap(), 199);
        let stops = found((0..400_u64).map(|minute| 100 + 2 * minute.min(200)));
        let last = *stops.last().unwrap();
        assert!((220..=240).contains(&last), "{last}");
        assert_eq!(stops.len(), last - stops[0] + 1, "without a gap");
    }

    #[test]
    fn the_end_is_foretold() {
        let mut leaks = Leaks::default();
        for minute in 0..100 {
            leaks.push(Amount((100 + 3 * minute) * MIB));
        }
        let (used, limit) = (Amount(397 * MIB), Amount(577 * MIB));
        let leak = leaks.found(used, limit, Amount(10 << 30)).unwrap();
        assert_eq!(leak.per_hour, Amount(180 * MIB));
        assert_eq!(leak.limit, Some(limit));
        assert_eq!(leak.left, Some(Nanos(60 * Nanos::MINUTE.0)));
        let node = leaks.found(used, Amount::UNLIMITED, Amount(90 * MIB));
        let node = node.unwrap();
        assert_eq!(
            (node.limit, node.left),
            (None, Some(Nanos(30 * Nanos::MINUTE.0)))
        );
    }

    #[test]
    fn a_kill_begins_anew() {
        let mut leaks = Leaks::default();
        for minute in 0..100 {
            leaks.push(Amount((100 + 3 * minute) * MIB));
        }
        leaks.reset();
        assert_eq!(leaks.found(Amount(0), Amount(0), Amount(0)), None);
        let again = (0..60).map(|minute| leaks.push(Amount((100 + 3 * minute) * MIB)));
        assert_eq!(again.filter(|found| *found).count(), 60 - 47);
    }
}
