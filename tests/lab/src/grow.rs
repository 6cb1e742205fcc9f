//! Growing: touching more and more anonymous memory, and measuring how that stalls.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use memmap2::{MmapMut, MmapOptions};
use serde::Serialize;

use crate::summary::{Durations, Summary};

/// The smallest page of the machines we run on: touching one byte in each touches all.
const PAGE: usize = 4096;

/// How to grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grow {
    /// Bytes in the end.
    pub to: u64,
    /// Bytes mapped and touched at a time.
    pub chunk: u64,
    /// Bytes a second; `None` means as fast as it goes.
    pub rate: Option<u64>,
    /// Let the kernel fill each chunk while mapping it (`MAP_POPULATE`) instead of touching it.
    pub populate: bool,
    /// How long to keep everything afterwards.
    pub hold: Duration,
}

/// How growing went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// Bytes held in the end.
    pub bytes: u64,
    /// Microseconds from the first chunk to the last, holding not included.
    pub total_us: u64,
    /// The longest that a single chunk took, in microseconds.
    pub stall_max_us: u64,
    /// How long chunks took.
    pub chunk: Summary,
}

impl Grow {
    /// Grows, holds, and lets go; a process that is killed for it never returns.
    ///
    /// # Errors
    /// When mapping fails or the chunk is empty.
    pub fn run(&self) -> Result<Report> {
        ensure!(self.chunk > 0, "a chunk must have at least one byte");
        let mut durations = Durations::new()?;
        let mut chunks = Vec::new();
        let mut bytes = 0;
        let start = Instant::now();
        while bytes < self.to {
            let size = self.chunk.min(self.to - bytes);
            if let Some(rate) = self.rate {
                let due = Duration::from_secs_f64(as_f64(bytes) / as_f64(rate.max(1)));
                thread::sleep(due.saturating_sub(start.elapsed()));
            }
            let began = Instant::now();
            chunks.push(self.map(usize::try_from(size)?)?);
            durations.record(began.elapsed());
            bytes += size;
        }
        let total = start.elapsed();
        thread::sleep(self.hold);
        let chunk = durations.summary();
        drop(chunks);
        Ok(Report {
            bytes,
            total_us: u64::try_from(total.as_micros())?,
            stall_max_us: chunk.max_us,
            chunk,
        })
    }

    fn map(&self, size: usize) -> Result<MmapMut> {
        let mut options = MmapOptions::new();
        options.len(size);
        if self.populate {
            options.populate();
        }
        let mut map = options
            .map_anon()
            .with_context(|| format!("cannot map {size} bytes"))?;
        if !self.populate {
            for page in map.chunks_mut(PAGE) {
                page[0] = 1;
            }
        }
        Ok(map)
    }
}

/// Bytes as a number for rates, where the 53 bits that survive are plenty.
#[expect(
    clippy::cast_precision_loss,
    reason = "amounts of memory stay far below 2^53 bytes"
)]
fn as_f64(bytes: u64) -> f64 {
    bytes as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROW: Grow = Grow {
        to: 8 << 20,
        chunk: 3 << 20,
        rate: None,
        populate: false,
        hold: Duration::ZERO,
    };

    #[test]
    fn grows_by_chunks_touched_or_populated() {
        for populate in [false, true] {
            let report = Grow { populate, ..GROW }.run().unwrap();
            assert_eq!((report.bytes, report.chunk.count), (8 << 20, 3));
            assert!(report.total_us >= report.stall_max_us);
        }
    }

    #[test]
    fn keeps_its_rate() {
        let report = Grow {
            rate: Some(64 << 20),
            ..GROW
        }
        .run()
        .unwrap();
        // The last of the three chunks is due when six of 64 MiB have passed.
        assert!(report.total_us >= 93_750, "{report:?}");
    }
}
