//! The second memory limit of a group, above the one that moves.

use trimtab_core::signal::Amount;

use super::error::ActError;
use super::files::{garbled, padded, present, read_text, used};
use super::ledger::Ledger;
use super::lever::Kind;
use super::limit_file::LimitFile;
use super::original::original;
use crate::sense::cgroup::GroupDir;
use crate::sense::hierarchy::Version;

/// What the second memory limit is to hold so that the moving one has room up to `ceiling`:
/// never below present use; `None` if the group has no such file, or it need not change.
pub(super) fn ceiling_text(
    ledger: &Ledger,
    dir: &GroupDir,
    version: Version,
    ceiling: Amount,
) -> Result<Option<String>, ActError> {
    let amount = |file: LimitFile, text: &str| {
        file.amount(text, None)
            .ok_or_else(|| garbled(dir, file, text))
    };
    if version == Version::V2 {
        let used = used(dir, LimitFile::MemoryMax).unwrap_or(0);
        return Ok(Some(text_of(ceiling.max(padded(used)))));
    }
    let Some(memsw) = read_text(dir, LimitFile::MemswLimit.name())? else {
        return Ok(None);
    };
    let limit = present(dir, LimitFile::LimitInBytes)?;
    let memsw_original = amount(
        LimitFile::MemswLimit,
        &original(ledger, dir, LimitFile::MemswLimit, &memsw, None),
    )?;
    if memsw_original.is_unlimited() {
        return Ok(None);
    }
    // Its owner admitted so much swap beside the memory: the same again above the ceiling.
    let limit_original = amount(
        LimitFile::LimitInBytes,
        &original(ledger, dir, LimitFile::LimitInBytes, &limit, None),
    )?;
    let swap = memsw_original.minus(limit_original);
    let wanted = ceiling.plus(swap).max(memsw_original);
    Ok(Some(if wanted.is_unlimited() {
        "-1".into()
    } else {
        text_of(wanted)
    }))
}

/// The text of a memory limit, in whole pages.
pub(super) fn text_of(amount: Amount) -> String {
    if amount.is_unlimited() {
        "max".to_owned()
    } else {
        Kind::MemoryHigh.quantise(amount).0.to_string()
    }
}
