//! What an owner writes while a limit is being taken over.
//!
//! Owners set limits right after they have made a group, which is when it is adopted; and between
//! reading a limit and moving it lies the keeping of originals, which syncs a disk.

use trimtab_core::signal::{Amount, Resource};

use super::entry::Entry;
use super::error::ActError;
use super::files::{garbled, period, present};
use super::ledger::Ledger;
use super::lever::Lever;
use crate::sense::cgroup::GroupDir;
use crate::sense::hierarchy::Version;

/// How often an owner may write a limit while it is being adopted.
pub(super) const WRITES: usize = 3;

/// Keeps what the owner has set since `planned` was made as the original. Returns it, and what
/// the kernel holds: the same.
///
/// # Errors
/// The owner keeps writing, the group is gone, or the ledger cannot be written.
pub(super) fn owner_was_faster(
    ledger: &mut Ledger,
    planned: &Entry,
    (dir, version): (&GroupDir, Version),
    lever: &Lever,
) -> Result<(Amount, Amount), ActError> {
    let file = planned.key.file;
    for _ in 0..WRITES {
        let text = present(dir, file)?;
        let period_us = match file.resource() {
            Resource::Cpu => Some(period(dir, version, &text)?),
            Resource::Memory => None,
        };
        let adopted = file
            .amount(&text, period_us)
            .ok_or_else(|| garbled(dir, file, &text))?;
        ledger.record([planned.with_original(text, adopted, period_us)])?;
        if lever.read()? == adopted {
            return Ok((adopted, adopted));
        }
    }
    Err(ActError::Unsteady {
        path: dir.path().join(file.name()),
    })
}
