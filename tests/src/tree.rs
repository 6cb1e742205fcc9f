//! What groups are made of: directories and processes below the hierarchies' mount points.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::{
    files::{read, write},
    hierarchy::Hierarchies,
    wait::eventually,
};

/// Everything the harness creates lies below a directory with this name and its process id.
const PARENT: &str = "trimtab-test-";
/// How long a killed process may take to leave its group.
pub(crate) const EMPTY: Duration = Duration::from_secs(5);

/// The path of this process's common parent.
pub(crate) fn parent() -> String {
    format!("/{PARENT}{}", process::id())
}

/// Removes the groups of test processes that died without unwinding.
pub(crate) fn remove_leftovers(hierarchies: &Hierarchies) {
    for root in hierarchies.roots() {
        for directory in children(root) {
            let name = directory.file_name().unwrap_or_default().to_string_lossy();
            let Some(pid) = name.strip_prefix(PARENT) else {
                continue;
            };
            if Path::new("/proc").join(pid).exists() {
                continue;
            }
            let killed = kill_below(std::slice::from_ref(&directory));
            if let Err(error) = killed.and_then(|()| Ok(remove(&directory)?)) {
                eprintln!(
                    "cannot remove the leftover {}: {error:#}",
                    directory.display()
                );
            }
        }
    }
}

/// Kills until nothing is left in these directories and below them.
pub(crate) fn kill_below(directories: &[PathBuf]) -> Result<()> {
    let empty = eventually(EMPTY, || {
        let pids: Vec<u32> = directories
            .iter()
            .flat_map(|directory| pids(directory))
            .collect();
        for pid in pids
            .iter()
            .filter_map(|pid| Pid::from_raw(i32::try_from(*pid).ok()?))
        {
            // It may have ended meanwhile.
            let _ = kill_process(pid, Signal::KILL);
        }
        pids.is_empty()
    });
    ensure!(
        empty,
        "processes are still there after {EMPTY:?} of SIGKILL"
    );
    Ok(())
}

pub(crate) fn pids(directory: &Path) -> Vec<u32> {
    let own = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
    let own = own.lines().filter_map(|line| line.parse().ok());
    let below = children(directory);
    own.chain(below.iter().flat_map(|child| pids(child)))
        .collect()
}

fn children(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

/// Removes a cgroup and those below it; the kernel's own files vanish with their directory.
pub(crate) fn remove(directory: &Path) -> io::Result<()> {
    for child in children(directory) {
        remove(&child)?;
    }
    let mut last = Ok(());
    // A group whose last process has just ended can stay busy for a moment.
    let gone = eventually(EMPTY, || {
        last = fs::remove_dir(directory);
        !matches!(&last, Err(error) if error.kind() == io::ErrorKind::ResourceBusy)
    });
    match last {
        Err(error) if gone && error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

pub(crate) fn enable_controllers(directory: &Path) -> Result<()> {
    let control = directory.join("cgroup.subtree_control");
    write(&control, "+cpu +memory")?;
    let available = read(&directory.join("cgroup.controllers"))?;
    if available.split_whitespace().any(|name| name == "io") {
        write(&control, "+io")?;
    }
    Ok(())
}

pub(crate) fn below(root: &Path, path: &str) -> PathBuf {
    root.join(path.trim_start_matches('/'))
}

pub(crate) fn inode(directory: &Path) -> Result<u64> {
    let data =
        fs::metadata(directory).with_context(|| format!("cannot stat {}", directory.display()))?;
    Ok(data.ino())
}
