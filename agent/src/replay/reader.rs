//! Series after series, sample after sample, repaired; memory does not grow with what was read.

use std::{collections::VecDeque, path::PathBuf};

use trimtab_core::signal::Nanos;

use super::{
    convert::Row,
    error::{ReadError, Wrong},
    read::{About, Rows},
    repair::{Follows, Repairs, Values, far_above_cap, follows},
    series::{Head, Sample},
    source::Source,
};

/// Rows looked at to learn the usual time between two.
const AHEAD: usize = 64;

/// The shortest and the longest time between two samples of anything worth a replay: 1 ms and 1 day.
const STEPS: [u64; 2] = [1_000_000, 86_400_000_000_000];

/// Time may run back this often for whatever reason; beyond, in one of ten rows at most.
const BACK: u64 = 8;

/// Series that were not handed out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Parts with fewer than two samples.
    pub short: u64,
    /// Files of a known format about something that no limit is set for, such as bytes on a network.
    pub other: u64,
}

/// Reads a source: [`Reader::next_series`], then [`Reader::next_sample`] until it has no more.
pub struct Reader {
    source: Source,
    file: usize,
    rows: Option<Box<dyn Rows>>,
    about: About,
    part: u32,
    step: u64,
    /// Rows read to learn the step.
    ahead: VecDeque<Row>,
    /// A row that comes after what is being filled, or begins the next part.
    held: Option<(u64, [Option<u64>; 7])>,
    /// Samples read to see that there are two.
    ready: VecDeque<Sample>,
    /// Missing samples that are still to be filled.
    fill: u64,
    /// Whether the present part has ended; `held` then begins the next one.
    ended: bool,
    values: Values,
    /// Time of the first sample, and of the last.
    began: u64,
    last: Option<Last>,
    order: Order,
    line: Option<u64>,
    repairs: Repairs,
    total: Repairs,
    left_out: LeftOut,
}

/// The last sample.
#[derive(Clone, Copy)]
struct Last {
    time: u64,
    values: [Option<u64>; 7],
}

/// How often time ran back in the present series.
#[derive(Default)]
struct Order {
    rows: u64,
    back: u64,
    last: u64,
}

impl Reader {
    /// Nothing is opened yet.
    pub(super) fn new(source: Source) -> Self {
        Self {
            source,
            file: 0,
            rows: None,
            about: About::default(),
            part: 0,
            step: 0,
            ahead: VecDeque::new(),
            held: None,
            ready: VecDeque::new(),
            fill: 0,
            ended: true,
            values: Values::default(),
            began: 0,
            last: None,
            order: Order::default(),
            line: None,
            repairs: Repairs::default(),
            total: Repairs::default(),
            left_out: LeftOut::default(),
        }
    }

    /// Goes on to the next series, or the next part of one; what is left of the present one is read and
    /// checked, but not handed out. `None` after the last.
    ///
    /// # Errors
    /// What is wrong in the file, and where. The reader is of no use after that.
    pub fn next_series(&mut self) -> Result<Option<Head>, ReadError> {
        loop {
            while self.next_sample()?.is_some() {}
            self.total.add(&std::mem::take(&mut self.repairs));
            let next = if self.held.is_some() {
                self.part += 1;
                self.repairs.splits = 1;
                true
            } else {
                self.open_series()?
            };
            if !next {
                return Ok(None);
            }
            self.last = None;
            self.ended = false;
            while self.ready.len() < 2 {
                let Some(sample) = self.sample()? else { break };
                self.ready.push_back(sample);
            }
            if self.ready.len() == 2 && self.step > 0 {
                return Ok(Some(self.head()));
            }
            self.ready.clear();
            self.left_out.short += 1;
        }
    }

    /// The next sample of the present series; `None` after the last.
    ///
    /// # Errors
    /// What is wrong in the file, and where. The reader is of no use after that.
    pub fn next_sample(&mut self) -> Result<Option<Sample>, ReadError> {
        match self.ready.pop_front() {
            Some(sample) => Ok(Some(sample)),
            None => self.sample(),
        }
    }

    /// What was repaired in the present series so far; a part that begins after a gap counts the split.
    #[must_use]
    pub const fn repairs(&self) -> &Repairs {
        &self.repairs
    }

    /// What was repaired in all series so far, also in those that were left out.
    #[must_use]
    pub const fn total(&self) -> Repairs {
        let mut total = self.total;
        total.add(&self.repairs);
        total
    }

    /// What was not handed out so far.
    #[must_use]
    pub const fn left_out(&self) -> LeftOut {
        self.left_out
    }

    fn head(&self) -> Head {
        Head {
            source: self.source.format().name(),
            name: self.about.name.clone(),
            part: self.part,
            step: Nanos(self.step),
            began: self.about.clock.then_some(self.began),
            kind: self.about.kind,
            scale: self.about.scale,
        }
    }

    /// Opens the next series of this file or the next; `false` after the last.
    fn open_series(&mut self) -> Result<bool, ReadError> {
        loop {
            if let Some(rows) = &mut self.rows {
                if let Some(about) = rows.series()? {
                    self.about = about;
                    self.part = 1;
                    self.values = Values::default();
                    self.order = Order::default();
                    self.look_ahead()?;
                    return Ok(true);
                }
                self.rows = None;
            }
            let Some(path) = self.source.files().get(self.file) else {
                return Ok(false);
            };
            self.rows = self.source.format().open(path, self.source.columns())?;
            self.left_out.other += u64::from(self.rows.is_none());
            self.file += 1;
        }
    }

    /// Learns the step: the median of the first differences, which a few gaps or duplicates do not move. Refuses what
    /// is wrong from the first row on.
    fn look_ahead(&mut self) -> Result<(), ReadError> {
        let mut differences = Vec::with_capacity(AHEAD);
        let mut last = None;
        while self.ahead.len() < AHEAD {
            let Some(row) = self.rows.as_mut().map_or(Ok(None), |rows| rows.row())? else {
                break;
            };
            self.ahead.push_back(row);
            if let Some(time) = row.time {
                let later = last.and_then(|last| time.checked_sub(last));
                differences.extend(later.filter(|&later| later > 0));
                last = Some(time);
            }
        }
        differences.sort_unstable();
        self.step = differences
            .get(differences.len().saturating_sub(1) / 2)
            .copied()
            .unwrap_or(0);
        self.line = self.ahead.front().map(|row| row.line);
        if let Some((quantity, times)) = far_above_cap(&self.ahead) {
            return Err(self.wrong(Wrong::FarAboveCap { quantity, times }));
        }
        let [shortest, longest] = STEPS;
        if self.step > 0 && !(shortest..=longest).contains(&self.step) {
            let step = std::time::Duration::from_nanos(self.step);
            return Err(self.wrong(Wrong::Step(humantime::format_duration(step).to_string())));
        }
        Ok(())
    }

    /// The next sample, also of those that fill a gap.
    fn sample(&mut self) -> Result<Option<Sample>, ReadError> {
        if self.ended {
            return Ok(None);
        }
        if let Some(last) = self.last.filter(|_| self.fill > 0) {
            self.fill -= 1;
            self.repairs.filled += 1;
            return Ok(Some(self.take(last.time + self.step, last.values)));
        }
        if let Some((time, values)) = self.held.take() {
            return Ok(Some(self.take(time, values)));
        }
        while let Some(row) = self.row()? {
            let Some((time, values)) = self.values.repair(&row, &mut self.repairs) else {
                continue;
            };
            self.check_order(time)?;
            let follows = match self.last {
                Some(last) => follows(last.time, time, self.step),
                None => Follows::After(0),
            };
            match follows {
                Follows::After(0) => return Ok(Some(self.take(time, values))),
                Follows::After(missing) => {
                    self.fill = missing;
                    self.held = Some((time, values));
                    return self.sample();
                }
                Follows::Duplicate => self.repairs.duplicates += 1,
                Follows::Backwards => self.repairs.backwards += 1,
                Follows::Elsewhere => {
                    self.held = Some((time, values));
                    break;
                }
            }
        }
        self.ended = true;
        Ok(None)
    }

    fn row(&mut self) -> Result<Option<Row>, ReadError> {
        let row = match (self.ahead.pop_front(), &mut self.rows) {
            (Some(row), _) => Some(row),
            (None, Some(rows)) => rows.row()?,
            (None, None) => None,
        };
        if let Some(row) = &row {
            self.line = Some(row.line);
        }
        Ok(row)
    }

    fn take(&mut self, time: u64, values: [Option<u64>; 7]) -> Sample {
        if self.last.is_none() {
            self.began = time;
        }
        self.last = Some(Last { time, values });
        Sample {
            at: Nanos(time - self.began),
            values,
        }
    }

    /// Rows that are not sorted would be dropped by the thousand, and the rest be no history.
    fn check_order(&mut self, time: u64) -> Result<(), ReadError> {
        let order = &mut self.order;
        order.rows += 1;
        order.back += u64::from(time < order.last);
        order.last = time;
        let (back, rows) = (order.back, order.rows);
        if back > BACK && back > rows / 10 {
            return Err(self.wrong(Wrong::NotSorted { back, rows }));
        }
        Ok(())
    }

    /// An error at the row that was read last.
    pub(super) fn wrong(&self, wrong: Wrong) -> ReadError {
        let read = self.file.saturating_sub(1);
        let file = self.source.files().get(read).cloned();
        wrong.at(file.unwrap_or_else(PathBuf::new), self.line)
    }
}
