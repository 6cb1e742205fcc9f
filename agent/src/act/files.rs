//! A group's files: reading their text, writing it, and what is charged.

use std::fs::File;
use std::os::unix::fs::FileExt;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use trimtab_core::signal::Amount;

use super::error::ActError;
use super::limit_file::{CFS_PERIOD, LimitFile};
use crate::sense::cgroup::GroupDir;
use crate::sense::cpu::parse_max;
use crate::sense::file::means_gone;
use crate::sense::hierarchy::Version;

/// Reads a small file of a group, without the newline; `None` if the group has no such file.
///
/// # Errors
/// The group is gone, or the file cannot be read.
pub fn read_text(dir: &GroupDir, name: &str) -> Result<Option<String>, ActError> {
    let path = || dir.path().join(name);
    let fd = match rustix::fs::openat(dir, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) {
        Ok(fd) => fd,
        Err(Errno::NOENT | Errno::NODEV) if is_removed(dir) => {
            return Err(ActError::Gone {
                path: dir.path().to_path_buf(),
            });
        }
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => {
            return Err(ActError::Io {
                path: path(),
                syscall: "openat",
                source: errno.into(),
            });
        }
    };
    let mut text = [0; 128];
    match File::from(fd).read_at(&mut text, 0) {
        Ok(length) => Ok(Some(
            String::from_utf8_lossy(text[..length].trim_ascii()).into_owned(),
        )),
        Err(error) if means_gone(&error) => Err(ActError::Gone {
            path: dir.path().to_path_buf(),
        }),
        // Swap accounting switched off: the file is listed, but every access is refused.
        Err(error) if Errno::from_io_error(&error) == Some(Errno::OPNOTSUPP) => Ok(None),
        Err(source) => Err(ActError::Io {
            path: path(),
            syscall: "pread",
            source,
        }),
    }
}

/// A removed cgroup's directory has no files any more, not even the one that every group has.
#[must_use]
pub fn is_removed(dir: &GroupDir) -> bool {
    rustix::fs::statat(dir, "cgroup.procs", rustix::fs::AtFlags::empty()).is_err()
}

/// Writes a text in one call. The descriptor never creates or truncates anything, and newer
/// kernels do not reclaim memory inside the write (`O_NONBLOCK`).
pub(super) fn write_at(dir: &GroupDir, name: &str, value: &str) -> std::io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let fd = rustix::fs::openat(dir, name, flags, Mode::empty())?;
    File::from(fd).write_at(value.as_bytes(), 0)?;
    Ok(())
}

/// The text that a file holds, which must be there.
pub(super) fn present(dir: &GroupDir, file: LimitFile) -> Result<String, ActError> {
    read_text(dir, file.name())?.ok_or_else(|| ActError::Absent {
        path: dir.path().join(file.name()),
    })
}

/// The period of a quota: beside it on v2, in a file of its own on v1.
pub(super) fn period(dir: &GroupDir, version: Version, quota: &str) -> Result<u64, ActError> {
    let period = match version {
        Version::V2 => parse_max(quota.as_bytes()).map(|quota| quota.period_us),
        Version::V1 => read_text(dir, CFS_PERIOD)?.and_then(|text| text.parse().ok()),
    };
    period.ok_or_else(|| garbled(dir, LimitFile::CpuMax, quota))
}

/// The error for a file whose text is no limit.
pub(super) fn garbled(dir: &GroupDir, file: LimitFile, text: &str) -> ActError {
    crate::sense::file::garbled(&dir.path().join(file.name()), text.as_bytes()).into()
}

/// The lowest limit that is safe while `used` bytes are charged: a sixteenth more, at least 4 MiB.
#[must_use]
pub fn padded(used: u64) -> Amount {
    let bytes = used.saturating_add((used / 16).max(4 << 20));
    let page = rustix::param::page_size() as u64;
    Amount(bytes.div_ceil(page).saturating_mul(page))
}

/// Bytes charged against a memory limit of a group.
pub(super) fn used(dir: &GroupDir, file: LimitFile) -> Option<u64> {
    let name = match file {
        LimitFile::LimitInBytes => "memory.usage_in_bytes",
        LimitFile::MemswLimit => "memory.memsw.usage_in_bytes",
        _ => "memory.current",
    };
    read_text(dir, name).ok().flatten()?.parse().ok()
}
