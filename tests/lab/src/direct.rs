//! Block I/O past the page cache, one request at a time, so that each call is one request.

use std::{
    fs::OpenOptions,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::PathBuf,
    time::Instant,
};

use anyhow::{Context, Result, ensure};
use memmap2::MmapMut;
use serde::Serialize;

use crate::{
    cache,
    summary::{Durations, Summary},
};

/// Which requests to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Direct {
    /// The file; it is made when it is too short. It must lie on a file system that knows `O_DIRECT`.
    pub file: PathBuf,
    /// Bytes of a request: a multiple of the device's block.
    pub size: u64,
    /// How many, one after the other.
    pub requests: u64,
    /// Whether to write instead of to read.
    pub write: bool,
}

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// Requests made.
    pub requests: u64,
    /// Bytes moved.
    pub bytes: u64,
    /// How long each took, as this program saw it.
    pub latency: Summary,
}

impl Direct {
    /// Makes the file if needed, and the requests.
    ///
    /// # Errors
    /// When the file cannot be made, or not be opened, read or written past the cache.
    pub fn run(&self) -> Result<Report> {
        ensure!(self.size > 0, "a request must have a size");
        // Written blocks: what a file system has only set aside is read as zeros without a request.
        cache::make(&self.file, self.size * self.requests)?;
        let context = || format!("{} (O_DIRECT)", self.file.display());
        let file = OpenOptions::new()
            .read(true)
            .write(self.write)
            .custom_flags(rustix::fs::OFlags::DIRECT.bits().cast_signed())
            .open(&self.file)
            .with_context(context)?;
        // A mapping begins at a page, which is aligned enough for any device.
        let mut buffer = MmapMut::map_anon(usize::try_from(self.size)?)?;
        let mut durations = Durations::new()?;
        for request in 0..self.requests {
            let at = request * self.size;
            let start = Instant::now();
            if self.write {
                file.write_all_at(&buffer, at).with_context(context)?;
            } else {
                file.read_exact_at(&mut buffer, at).with_context(context)?;
            }
            durations.record(start.elapsed());
        }
        Ok(Report {
            requests: self.requests,
            bytes: self.size * self.requests,
            latency: durations.summary(),
        })
    }
}
