//! What a trace comes to: series of samples in the base units of the core.

use std::fmt;

use trimtab_core::signal::{Amount, Nanos};

use super::{
    error::{ReadError, Wrong},
    reader::Reader,
    repair::Repairs,
};

/// What a sample may say; the order is that of [`Sample::values`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Quantity {
    /// CPU used, in micro-CPUs, the mean until the next sample.
    Cpu,
    /// CPU provisioned, in micro-CPUs.
    CpuCap,
    /// Memory used, in bytes.
    Memory,
    /// Memory provisioned, in bytes.
    MemoryCap,
    /// Requests that arrive, in thousandths per second.
    Requests,
    /// The part of the time in which a GPU was busy, in hundredths of a percent.
    Gpu,
    /// GPU memory used, in bytes.
    GpuMemory,
}

impl Quantity {
    /// Every quantity, in the order of their indices.
    pub const ALL: [Self; 7] = [
        Self::Cpu,
        Self::CpuCap,
        Self::Memory,
        Self::MemoryCap,
        Self::Requests,
        Self::Gpu,
        Self::GpuMemory,
    ];

    /// Position in per-quantity arrays.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// One sample of one series.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// Since the first sample of the series.
    pub at: Nanos,
    /// By [`Quantity::index`]; `None` where nothing is known.
    pub values: [Option<u64>; 7],
}

impl Sample {
    /// One value, in the unit of its quantity.
    #[must_use]
    pub const fn get(&self, quantity: Quantity) -> Option<u64> {
        self.values[quantity.index()]
    }

    /// CPU used.
    #[must_use]
    pub fn cpu(&self) -> Option<Amount> {
        self.get(Quantity::Cpu).map(Amount)
    }

    /// Memory used.
    #[must_use]
    pub fn memory(&self) -> Option<Amount> {
        self.get(Quantity::Memory).map(Amount)
    }
}

/// By what use was capped while it was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CappedBy {
    /// The size of the machine, which the samples have.
    Machine,
    /// The limit of the container, which the samples have.
    Limit,
    /// Something, and the trace does not say how large it was.
    Unknown,
}

/// How what was recorded stands to what was wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Requests as they arrived: what was wanted, whatever the server did.
    Offered,
    /// Use, which never exceeds what was provisioned. What was wanted beyond it is not in the trace: a replay
    /// that holds less than the use has to carry the rest over as backlog.
    Capped {
        /// By what.
        by: CappedBy,
    },
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Offered => "requests as they arrived",
            Self::Capped {
                by: CappedBy::Machine,
            } => "use, capped by the size of the machine",
            Self::Capped {
                by: CappedBy::Limit,
            } => "use, capped by the container's limit",
            Self::Capped {
                by: CappedBy::Unknown,
            } => "use, capped by a limit that is not known",
        })
    }
}

/// Whether amounts are true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scale {
    /// As they were measured.
    Measured,
    /// The trace has parts of a whole whose size it does not tell. The whole is taken as [`Scale::CPU`] and
    /// [`Scale::MEMORY`]: ratios are true, amounts are not.
    Relative,
}

impl Scale {
    /// The whole that CPU is a part of, where it is not known.
    pub const CPU: Amount = Amount::CPU;
    /// The whole that memory is a part of, where it is not known.
    pub const MEMORY: Amount = Amount(4 << 30);
}

/// What is known of a series before its samples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The format's name: with the series' name, what [`half`](super::half()) goes by.
    pub source: &'static str,
    /// The series' name, the same whichever way its file was named.
    pub name: String,
    /// Which part of it, from 1: a gap that is too long to fill begins another.
    pub part: u32,
    /// The usual time between two samples.
    pub step: Nanos,
    /// Unix time of the first sample in ns; `None` where the trace has no clock.
    pub began: Option<u64>,
    /// What was recorded.
    pub kind: Kind,
    /// Whether amounts are true.
    pub scale: Scale,
}

/// The most samples of one series that are kept at once: 16 Mi, at 8 bytes a value.
pub const MOST_SAMPLES: usize = 1 << 24;

/// Stands for a value that is not known.
const UNKNOWN: u64 = u64::MAX;

/// A whole series in memory: a column of integers for each quantity that it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    /// What is known of it.
    pub head: Head,
    /// What was repaired in it.
    pub repairs: Repairs,
    times: Vec<u64>,
    columns: [Vec<u64>; 7],
}

impl Series {
    /// Takes the next series of a reader into memory; `None` after the last.
    ///
    /// # Errors
    /// [`ReadError`], also for more than [`MOST_SAMPLES`].
    pub fn next(reader: &mut Reader) -> Result<Option<Self>, ReadError> {
        let Some(head) = reader.next_series()? else {
            return Ok(None);
        };
        let mut series = Self {
            head,
            repairs: Repairs::default(),
            times: Vec::new(),
            columns: Default::default(),
        };
        while let Some(sample) = reader.next_sample()? {
            if series.times.len() == MOST_SAMPLES {
                return Err(reader.wrong(Wrong::LongSeries(MOST_SAMPLES)));
            }
            series.push(&sample);
        }
        series.repairs = *reader.repairs();
        Ok(Some(series))
    }

    fn push(&mut self, sample: &Sample) {
        for (column, value) in self.columns.iter_mut().zip(sample.values) {
            // A quantity that the series never has takes no room.
            if value.is_some() || !column.is_empty() {
                column.resize(self.times.len(), UNKNOWN);
                column.push(value.unwrap_or(UNKNOWN));
            }
        }
        self.times.push(sample.at.0);
    }

    /// How many samples it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether it has none; a reader hands out none such.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// Whether any sample has this quantity.
    #[must_use]
    pub fn has(&self, quantity: Quantity) -> bool {
        !self.columns[quantity.index()].is_empty()
    }

    /// One sample.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Sample> {
        let value =
            |column: &Vec<u64>| column.get(index).copied().filter(|&value| value != UNKNOWN);
        Some(Sample {
            at: Nanos(*self.times.get(index)?),
            values: self.columns.each_ref().map(value),
        })
    }

    /// All samples, in order of time.
    pub fn samples(&self) -> impl Iterator<Item = Sample> {
        (0..self.len()).filter_map(|index| self.get(index))
    }
}
