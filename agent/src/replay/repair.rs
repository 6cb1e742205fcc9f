//! What is repaired in a trace, each kind counted.

use std::{collections::VecDeque, fmt};

use super::{convert::Row, series::Quantity};

/// The most samples missing in a row that are filled; a longer gap begins another part.
pub(super) const FILLED: u64 = 12;

/// How often what was repaired.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repairs {
    /// Rows with the time of the row before: dropped.
    pub duplicates: u64,
    /// Rows with a time before that of a row already taken: dropped until time has caught up.
    pub backwards: u64,
    /// Rows without a time, or without any use: dropped.
    pub blank: u64,
    /// Samples put into gaps of up to 12, with the values of the last before.
    pub filled: u64,
    /// Gaps too long for that, and jumps of the clock that far back: another part began.
    pub splits: u64,
    /// Values that a series had before and a row lacks: not known there.
    pub missing: u64,
    /// Values below zero: zero.
    pub negative: u64,
    /// Use above what was provisioned, and GPUs busy for more than all of the time: clipped to it.
    pub above_cap: u64,
    /// Use ten times what was provisioned, or more: it is kept, and what was provisioned not known.
    pub odd_cap: u64,
    /// Rows in which nothing was provisioned: use is zero, and what was provisioned not known.
    pub zero_cap: u64,
}

impl Repairs {
    /// Kinds as the documentation calls them, with their counts.
    #[must_use]
    pub const fn counts(&self) -> [(&'static str, u64); 10] {
        [
            ("duplicates", self.duplicates),
            ("backwards", self.backwards),
            ("blank", self.blank),
            ("filled", self.filled),
            ("splits", self.splits),
            ("missing", self.missing),
            ("negative", self.negative),
            ("above-cap", self.above_cap),
            ("odd-cap", self.odd_cap),
            ("zero-cap", self.zero_cap),
        ]
    }

    /// Adds those of another series.
    pub const fn add(&mut self, other: &Self) {
        self.duplicates += other.duplicates;
        self.backwards += other.backwards;
        self.blank += other.blank;
        self.filled += other.filled;
        self.splits += other.splits;
        self.missing += other.missing;
        self.negative += other.negative;
        self.above_cap += other.above_cap;
        self.odd_cap += other.odd_cap;
        self.zero_cap += other.zero_cap;
    }
}

impl fmt::Display for Repairs {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut any = false;
        for (name, count) in self.counts().into_iter().filter(|&(_, count)| count > 0) {
            let separator = if any { ", " } else { "" };
            write!(formatter, "{separator}{name} {count}")?;
            any = true;
        }
        if any {
            Ok(())
        } else {
            formatter.write_str("none")
        }
    }
}

/// Repairs the values of rows, each by itself.
#[derive(Debug, Default)]
pub(super) struct Values {
    seen: [bool; 7],
}

impl Values {
    /// The row's time and values, or `None` where it has none.
    pub(super) fn repair(
        &mut self,
        row: &Row,
        repairs: &mut Repairs,
    ) -> Option<(u64, [Option<u64>; 7])> {
        let is_cap = |index| CAPPED.iter().any(|(_, cap)| cap.index() == index);
        let mut values = row.values.iter().enumerate();
        let known = values.any(|(index, value)| value.is_some() && !is_cap(index));
        let Some(time) = row.time.filter(|_| known) else {
            repairs.blank += 1;
            return None;
        };
        let mut values = [None; 7];
        for (index, value) in row.values.into_iter().enumerate() {
            values[index] = value.map(|value| {
                repairs.negative += u64::from(value < 0);
                u64::try_from(value).unwrap_or(0)
            });
            repairs.missing += u64::from(value.is_none() && self.seen[index]);
            self.seen[index] |= value.is_some();
        }
        let mut zero = false;
        for (used, cap) in CAPPED {
            let (used, cap) = (used.index(), cap.index());
            match (values[used], values[cap]) {
                (used_now, Some(0)) => {
                    values[cap] = None;
                    values[used] = used_now.map(|_| 0);
                    zero = true;
                }
                (Some(much), Some(most)) if much / ODD >= most => {
                    values[cap] = None;
                    repairs.odd_cap += 1;
                }
                (Some(much), Some(most)) if much > most => {
                    values[used] = Some(most);
                    repairs.above_cap += 1;
                }
                _ => {}
            }
        }
        let duty = &mut values[Quantity::Gpu.index()];
        if duty.is_some_and(|duty| duty > ALWAYS) {
            *duty = Some(ALWAYS);
            repairs.above_cap += 1;
        }
        repairs.zero_cap += u64::from(zero);
        Some((time, values))
    }
}

/// What is used, and what is provisioned of it.
const CAPPED: [(Quantity, Quantity); 2] = [
    (Quantity::Cpu, Quantity::CpuCap),
    (Quantity::Memory, Quantity::MemoryCap),
];

/// Use that is so many times what was provisioned says that the latter is wrong.
const ODD: u64 = 10;

/// Use at least [`ODD`] times what was provisioned in every row that has both and is not idle, two or
/// more: what, and how many times.
pub(super) fn far_above_cap(rows: &VecDeque<Row>) -> Option<(&'static str, u64)> {
    CAPPED
        .into_iter()
        .zip(["cpu", "memory"])
        .find_map(|((used, cap), name)| {
            let both = rows.iter().filter_map(|row| {
                let cap = row.values[cap.index()].filter(|&cap| cap > 0)?;
                let used = row.values[used.index()].filter(|&used| used > 0)?;
                u64::try_from(used / cap).ok()
            });
            let times = both.clone().min().filter(|&times| times >= ODD)?;
            (both.count() >= 2).then_some((name, times))
        })
}

/// All of the time, in hundredths of a percent.
const ALWAYS: u64 = 10_000;

/// What the time of a row comes to after that of the last sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Follows {
    /// It is the next, after so many that are missing and can be filled.
    After(u64),
    /// The same time again.
    Duplicate,
    /// Earlier, by a little.
    Backwards,
    /// So much later or earlier that it is another part.
    Elsewhere,
}

/// Compares the time of a row with that of the last sample, both and the step in ns.
pub(super) fn follows(last: u64, time: u64, step: u64) -> Follows {
    if time == last {
        return Follows::Duplicate;
    }
    // Half a step more or less is jitter.
    let steps = time.abs_diff(last).saturating_add(step / 2) / step.max(1);
    match steps.saturating_sub(1) {
        missing if missing > FILLED => Follows::Elsewhere,
        _ if time < last => Follows::Backwards,
        missing => Follows::After(missing),
    }
}
