//! A directory whose files go through the page cache.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use rustix::fs::statfs;
use tempfile::TempDir;

/// File systems that keep their files in memory, which is never reclaimed as cache.
const IN_MEMORY: &[u64] = &[0x0102_1994, 0x8584_58f6];

/// A temporary directory on a disk; the guest names its own in `TRIMTAB_DISK`.
///
/// # Errors
/// When every place that was tried lies in memory.
pub fn disk() -> Result<TempDir> {
    let own = env::current_exe().ok();
    let places = [
        env::var_os("TRIMTAB_DISK").map(PathBuf::from),
        Some(env::temp_dir()),
        own.as_deref().and_then(Path::parent).map(PathBuf::from),
        Some("/var/tmp".into()),
    ];
    let mut places = places.into_iter().flatten();
    let place = places
        .find(|place| is_disk(place))
        .context("no directory on a disk")?;
    let directory = tempfile::Builder::new()
        .prefix("trimtab-test-")
        .tempdir_in(&place);
    directory.with_context(|| format!("cannot make a directory in {}", place.display()))
}

fn is_disk(path: &Path) -> bool {
    // The kernel's number of a file system's kind; its type differs between libraries.
    statfs(path)
        .is_ok_and(|data| u64::try_from(data.f_type).is_ok_and(|kind| !IN_MEMORY.contains(&kind)))
}
