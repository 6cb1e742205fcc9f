//! The drop-ins in which systemd keeps what it was told of a unit until the next boot.
//!
//! One that is left behind goes before the unit's own file, even when that is changed later, and has a quota
//! in whole per cent only. systemd offers to remove them together with an administrator's, by `RevertUnitFiles`,
//! or not at all. What it holds does not change when one is removed: it reads them at `daemon-reload`.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use super::property::{drop_in, pinned_by};
use crate::act::limit_file::LimitFile;

/// Where they are: of units with a file of their own, and of transient ones (`unit_drop_in_dir` in
/// `src/core/unit.c`).
const DIRECTORIES: [&str; 2] = ["/run/systemd/system.control", "/run/systemd/transient"];

/// Whether there is one that stands for a file.
#[must_use]
pub fn is_there(unit: &str, file: LimitFile) -> bool {
    let paths = DIRECTORIES.map(|directory| path(Path::new(directory), unit, file));
    paths.iter().flatten().any(|path| path.exists())
}

/// The files whose properties any of these has set for good: see [`pinned_by`].
#[must_use]
pub fn pinned(paths: &[String]) -> BTreeSet<LimitFile> {
    let pinned = paths.iter().flat_map(|path| {
        // One that has just gone sets nothing.
        let text = fs::read_to_string(path).unwrap_or_default();
        pinned_by(path, &text).collect::<Vec<_>>()
    });
    pinned.collect()
}

/// Removes the one that stands for a file, if there is one.
///
/// # Errors
/// It may not be removed.
pub(super) fn remove(unit: &str, file: LimitFile) -> io::Result<()> {
    let mut directories = DIRECTORIES.iter();
    directories.try_for_each(|directory| remove_in(Path::new(directory), unit, file))
}

fn remove_in(directory: &Path, unit: &str, file: LimitFile) -> io::Result<()> {
    let Some(path) = path(directory, unit, file) else {
        return Ok(());
    };
    match fs::remove_file(&path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    }
    if let Some(directory) = path.parent() {
        // It stays if there are others in it.
        let _ = fs::remove_dir(directory);
    }
    Ok(())
}

fn path(directory: &Path, unit: &str, file: LimitFile) -> Option<PathBuf> {
    Some(directory.join(format!("{unit}.d")).join(drop_in(file)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_one_is_removed_and_an_empty_directory() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("a.service.d");
        fs::create_dir(&directory).unwrap();
        for name in ["50-CPUQuota.conf", "50-TasksMax.conf"] {
            fs::write(directory.join(name), "").unwrap();
        }
        for _ in 0..2 {
            remove_in(root.path(), "a.service", LimitFile::CpuMax).unwrap();
        }
        assert!(!directory.join("50-CPUQuota.conf").exists());
        remove_in(root.path(), "a.service", LimitFile::CpuMaxBurst).unwrap();
        assert!(directory.join("50-TasksMax.conf").exists());
        fs::rename(
            directory.join("50-TasksMax.conf"),
            directory.join("50-MemoryMax.conf"),
        )
        .unwrap();
        remove_in(root.path(), "a.service", LimitFile::MemoryMax).unwrap();
        assert!(!directory.exists());
        assert!(!is_there("trimtab-no-such.service", LimitFile::CpuMax));
    }
}
