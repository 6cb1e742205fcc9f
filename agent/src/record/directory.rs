//! A directory of segments: `0000000001.trimrec` and so on, the oldest first.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use trimtab_core::record::{Fault, cut};

/// How a segment's name ends.
const ENDING: &str = "trimrec";

/// What keeps a recording from being written or read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The operating system refused.
    #[error("{call} {}: {source}", .path.display())]
    Os {
        /// What was asked of it.
        call: &'static str,
        /// Of which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A segment is not what it should be.
    #[error("{}: {fault}", .path.display())]
    Fault {
        /// Its file.
        path: PathBuf,
        /// What is wrong.
        fault: Fault,
    },
    /// The limit has no room for one segment.
    #[error(
        "{}: `limit` has no room for a state of {state} bytes and what follows it; allow more",
        .path.display()
    )]
    Limit {
        /// The directory.
        path: PathBuf,
        /// What the segment has so far.
        state: u64,
    },
}

impl RecordError {
    /// For `map_err`.
    pub(super) fn os(call: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Os { call, path, source }
    }
}

/// A segment on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentFile {
    /// Its place in the order of all.
    pub number: u64,
    /// Where it is.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
}

/// The segments in a directory, oldest first. Other files are nobody's business here.
///
/// # Errors
/// The directory cannot be read.
pub fn segments(directory: &Path) -> Result<Vec<SegmentFile>, RecordError> {
    let list = || -> io::Result<Vec<SegmentFile>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let path = entry.path();
            let Some(number) = number(&path) else {
                continue;
            };
            let bytes = match entry.metadata() {
                Ok(metadata) => metadata.len(),
                // The agent deletes the oldest as it goes.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            found.push(SegmentFile {
                number,
                path,
                bytes,
            });
        }
        found.sort_by_key(|segment| segment.number);
        Ok(found)
    };
    list().map_err(RecordError::os("read", directory))
}

fn number(path: &Path) -> Option<u64> {
    let ending = path.extension()? == ENDING;
    let number = path.file_stem()?.to_str()?.parse().ok()?;
    ending.then_some(number)
}

/// Makes the directory if there is none: what groups are called is not everybody's business.
pub(super) fn make(directory: &Path) -> Result<(), RecordError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o750)
        .create(directory)
        .map_err(RecordError::os("create", directory))
}

/// Creates a segment's file.
pub(super) fn create(directory: &Path, number: u64) -> Result<(File, PathBuf), RecordError> {
    let path = directory.join(format!("{number:010}.{ENDING}"));
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o640)
        .open(&path)
        .map_err(RecordError::os("create", &path))?;
    Ok((file, path))
}

/// Cuts off what a crash has torn; how many bytes that was. What is damaged otherwise stays for
/// people to look at.
pub(super) fn mend(segment: &mut SegmentFile) -> Result<u64, RecordError> {
    let path = &segment.path;
    let bytes = fs::read(path).map_err(RecordError::os("read", path))?;
    let torn = match cut(&bytes) {
        Ok(torn) => torn,
        Err(fault) => {
            tracing::warn!(path = %path.display(), "{fault}; the file is left as it is");
            return Ok(0);
        }
    };
    if torn > 0 {
        segment.bytes = (bytes.len() - torn) as u64;
        OpenOptions::new()
            .write(true)
            .open(path)
            .and_then(|file| file.set_len(segment.bytes))
            .map_err(RecordError::os("truncate", path))?;
    }
    Ok(torn as u64)
}
