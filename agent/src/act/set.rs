//! Setting a limit, with a check.

use std::time::Instant;

use trimtab_core::signal::Resource;

use super::deadline;
use super::error::ActError;
use super::files::{is_removed, padded, present, read_text, used, write_at};
use super::limit_file::LimitFile;
use super::v1;
use crate::sense::cgroup::GroupDir;
use crate::sense::file::means_gone;

/// What a write did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrote {
    /// The kernel held another value before and holds this one now.
    Changed,
    /// The kernel held this value already: nothing was written.
    Same,
}

/// Sets a limit: nothing is written if the kernel holds it already, and afterwards it is read
/// back. On v1 the value is set through `cgroups-rs`.
///
/// # Errors
/// The group is gone or has no such file, the kernel refused, or it holds another value.
pub fn set(dir: &GroupDir, file: LimitFile, value: &str) -> Result<Wrote, ActError> {
    set_if(dir, file, None, value)
}

/// The same, of a limit that holds nothing but `held` until then, where that is said. The kernel has no
/// compare-and-swap: what somebody else writes in the microseconds after the last look is lost.
fn set_if(
    dir: &GroupDir,
    file: LimitFile,
    held: Option<&str>,
    value: &str,
) -> Result<Wrote, ActError> {
    let path = || dir.path().join(file.name());
    let before = read_text(dir, file.name())?.ok_or_else(|| ActError::Absent { path: path() })?;
    if file.same(&before, value) {
        return Ok(Wrote::Same);
    }
    if held.is_some_and(|held| !file.same(held, &before)) {
        return Err(ActError::Unsteady { path: path() });
    }
    let result = if file.is_v1() {
        v1::set(dir, file, value)
    } else {
        write_at(dir, file.name(), value)
    };
    if let Err(source) = result {
        if means_gone(&source) && is_removed(dir) {
            return Err(ActError::Gone {
                path: dir.path().to_path_buf(),
            });
        }
        return Err(ActError::Refused {
            path: path(),
            value: value.to_owned(),
            source,
        });
    }
    let kept = read_text(dir, file.name())?.unwrap_or_default();
    if file.same(&kept, value) {
        Ok(Wrote::Changed)
    } else {
        Err(ActError::NotKept {
            path: path(),
            wrote: value.to_owned(),
            kept,
        })
    }
}

/// The same, of a limit that its owner may be setting at this moment: one that does not hold `held` any more
/// is left alone. Lowering a memory limit happens on a thread of its own.
///
/// # Errors
/// [`ActError::Unsteady`] for such a one.
pub(super) fn replace(
    dir: &GroupDir,
    file: LimitFile,
    held: String,
    text: String,
    deadline: Instant,
) -> Result<Wrote, ActError> {
    if file.resource() == Resource::Cpu {
        return set_if(dir, file, Some(&held), &text);
    }
    let present = present(dir, file)?;
    let (to, from) = (file.amount(&text, None), file.amount(&present, None));
    // With room above present use there is nothing to reclaim, so that nothing can block.
    let roomy = used(dir, file)
        .zip(to)
        .is_some_and(|(used, to)| padded(used) <= to);
    if to >= from || roomy {
        return set_if(dir, file, Some(&held), &text);
    }
    let own = dir.try_clone()?;
    let what = format!("{} <- {text}", dir.path().join(file.name()).display());
    deadline::run(&what, deadline, move || {
        set_if(&own, file, Some(&held), &text)
    })?
}
