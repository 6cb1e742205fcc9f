//! Which entry of the ledger a file has, and which value goes back into it.

use super::entry::Key;
use super::ledger::Ledger;
use super::limit_file::LimitFile;
use crate::sense::cgroup::GroupDir;

/// The ledger's key of a file in a group's directory.
pub(super) fn key(dir: &GroupDir, file: LimitFile) -> Key {
    Key {
        dir: dir.path().to_path_buf(),
        inode: dir.id(),
        file,
    }
}

/// The value to go back to: what the ledger has, unless somebody else has written since.
pub(super) fn original(
    ledger: &Ledger,
    dir: &GroupDir,
    file: LimitFile,
    now: &str,
    v1_period_us: Option<u64>,
) -> String {
    match ledger.get(&key(dir, file)) {
        Some(entry) if ledger.is_ours(entry, now, v1_period_us) => entry.original.clone(),
        _ => now.to_owned(),
    }
}
