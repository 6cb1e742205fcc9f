//! Filling the page cache, and nothing else: what looks like need for memory and is none.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Write},
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context, Result};
use serde::Serialize;

const BUFFER: usize = 1 << 20;

/// Which file to fill the cache with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cache {
    /// The file; it is made when it is shorter than `size`. It must not lie in a memory file system, which is no cache.
    pub file: PathBuf,
    /// Bytes to read.
    pub size: u64,
    /// How often to read them.
    pub rounds: u32,
}

/// What was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// Bytes read, all rounds together.
    pub bytes: u64,
    /// Seconds that reading took.
    pub read_s: f64,
}

impl Cache {
    /// Makes the file if needed and reads it.
    ///
    /// # Errors
    /// When the file cannot be written or read.
    pub fn run(&self) -> Result<Report> {
        make(&self.file, self.size)?;
        let mut buffer = vec![0; BUFFER];
        let mut report = Report::default();
        let start = Instant::now();
        for _ in 0..self.rounds {
            let mut file = File::open(&self.file)
                .with_context(|| failed("open", &self.file))?
                .take(self.size);
            loop {
                let read = file
                    .read(&mut buffer)
                    .with_context(|| failed("read", &self.file))?;
                if read == 0 {
                    break;
                }
                report.bytes += u64::try_from(read)?;
            }
        }
        report.read_s = start.elapsed().as_secs_f64();
        Ok(report)
    }
}

/// Makes the file that long, and waits until it is on disk, since dirty pages are not free to go.
///
/// # Errors
/// When the file cannot be written.
pub fn make(path: &Path, size: u64) -> Result<()> {
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .with_context(|| failed("open", path))?;
    let mut left = size.saturating_sub(file.metadata()?.len());
    let block = vec![0x5a; BUFFER];
    while left > 0 {
        let piece = usize::try_from(left).unwrap_or(BUFFER).min(BUFFER);
        file.write_all(&block[..piece])
            .with_context(|| failed("write", path))?;
        left -= u64::try_from(piece)?;
    }
    file.sync_all().with_context(|| failed("sync", path))
}

fn failed(what: &str, path: &Path) -> String {
    format!("cannot {what} {}", path.display())
}
