//! The limit files: their names, what their text means, and writing one with a check.

use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use trimtab_core::signal::{Amount, Resource};

use super::error::ActError;
use super::v1;
use crate::sense::cgroup::GroupDir;
use crate::sense::cpu::{Quota, parse_max};
use crate::sense::file::{limit, means_gone, single};
use crate::sense::hierarchy::Version;
use crate::sense::memory::parse_limit_v1;

/// A file that holds a limit. The names are the kernel's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum LimitFile {
    /// v2: quota and period.
    #[serde(rename = "cpu.max")]
    CpuMax,
    /// v2: unused quota that may be saved up, in microseconds.
    #[serde(rename = "cpu.max.burst")]
    CpuMaxBurst,
    /// v2: share under contention, 1 to 10,000.
    #[serde(rename = "cpu.weight")]
    CpuWeight,
    /// v2: the limit above which tasks are slowed and reclaim.
    #[serde(rename = "memory.high")]
    MemoryHigh,
    /// v2: the hard limit.
    #[serde(rename = "memory.max")]
    MemoryMax,
    /// v1: quota in microseconds per period.
    #[serde(rename = "cpu.cfs_quota_us")]
    CfsQuota,
    /// v1: as `cpu.max.burst`.
    #[serde(rename = "cpu.cfs_burst_us")]
    CfsBurst,
    /// v1: share under contention, 2 to 262,144.
    #[serde(rename = "cpu.shares")]
    CpuShares,
    /// v1: the hard limit.
    #[serde(rename = "memory.limit_in_bytes")]
    LimitInBytes,
    /// v1: the hard limit of memory and swap together, never below the other.
    #[serde(rename = "memory.memsw.limit_in_bytes")]
    MemswLimit,
}

impl fmt::Display for LimitFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl LimitFile {
    /// The file's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CpuMax => "cpu.max",
            Self::CpuMaxBurst => "cpu.max.burst",
            Self::CpuWeight => "cpu.weight",
            Self::MemoryHigh => "memory.high",
            Self::MemoryMax => "memory.max",
            Self::CfsQuota => "cpu.cfs_quota_us",
            Self::CfsBurst => "cpu.cfs_burst_us",
            Self::CpuShares => "cpu.shares",
            Self::LimitInBytes => "memory.limit_in_bytes",
            Self::MemswLimit => "memory.memsw.limit_in_bytes",
        }
    }

    /// What it limits.
    #[must_use]
    pub const fn resource(self) -> Resource {
        match self {
            Self::CpuMax
            | Self::CpuMaxBurst
            | Self::CpuWeight
            | Self::CfsQuota
            | Self::CfsBurst
            | Self::CpuShares => Resource::Cpu,
            Self::MemoryHigh | Self::MemoryMax | Self::LimitInBytes | Self::MemswLimit => {
                Resource::Memory
            }
        }
    }

    /// Whether the file belongs to the v1 interface.
    #[must_use]
    pub const fn is_v1(self) -> bool {
        matches!(
            self,
            Self::CfsQuota
                | Self::CfsBurst
                | Self::CpuShares
                | Self::LimitInBytes
                | Self::MemswLimit
        )
    }

    /// What a text says, as one number that grows with the limit: micro-CPUs for quotas, bytes
    /// for memory, the plain number for weights and bursts. A v1 quota needs its period.
    #[must_use]
    pub fn amount(self, text: &str, v1_period_us: Option<u64>) -> Option<Amount> {
        let bytes = text.as_bytes();
        match self {
            Self::CpuMax => parse_max(bytes).map(Quota::amount),
            Self::CfsQuota => {
                let quota = limit(bytes)?;
                let quota_us = (quota != u64::MAX).then_some(quota);
                Some(
                    Quota {
                        quota_us,
                        period_us: v1_period_us?,
                    }
                    .amount(),
                )
            }
            Self::LimitInBytes | Self::MemswLimit => parse_limit_v1(bytes),
            Self::MemoryHigh | Self::MemoryMax => limit(bytes).map(Amount),
            Self::CpuMaxBurst | Self::CpuWeight | Self::CfsBurst | Self::CpuShares => {
                single(bytes).map(Amount)
            }
        }
    }

    /// Whether two texts say the same (`-1` and the number that v1 prints for it).
    #[must_use]
    pub fn same(self, a: &str, b: &str) -> bool {
        if a.trim() == b.trim() {
            return true;
        }
        match self {
            // Equal shares of unequal periods are not the same limit.
            Self::CpuMax => match (parse_max(a.as_bytes()), parse_max(b.as_bytes())) {
                (Some(a), Some(b)) => a == b,
                _ => false,
            },
            _ => match (self.amount(a, Some(100_000)), self.amount(b, Some(100_000))) {
                (Some(a), Some(b)) => a == b,
                _ => false,
            },
        }
    }
}

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
    let path = || dir.path().join(file.name());
    let before = read_text(dir, file.name())?.ok_or_else(|| ActError::Absent { path: path() })?;
    if file.same(&before, value) {
        return Ok(Wrote::Same);
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
        Version::V1 => read_text(dir, "cpu.cfs_period_us")?.and_then(|text| text.parse().ok()),
    };
    period.ok_or_else(|| garbled(dir, LimitFile::CpuMax, quota))
}

/// The error for a file whose text is no limit.
pub(super) fn garbled(dir: &GroupDir, file: LimitFile, text: &str) -> ActError {
    crate::sense::file::garbled(&dir.path().join(file.name()), text.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_say_the_same() {
        for (file, a, b, same) in [
            (LimitFile::CpuMax, "max 100000", "max 100000\n", true),
            (LimitFile::CpuMax, "10000 100000", "10000  100000", false),
            (LimitFile::CpuMax, "50000 100000", "25000 50000", false),
            (LimitFile::CfsQuota, "-1", "max", true),
            (LimitFile::LimitInBytes, "-1", "9223372036854771712", true),
            (LimitFile::LimitInBytes, "4096", "8192", false),
            (LimitFile::MemoryHigh, "max", "18446744073709551615", true),
            (LimitFile::MemoryMax, "x", "y", false),
            (LimitFile::CpuWeight, "100", "0100", true),
        ] {
            assert_eq!(file.same(a, b), same, "{file}: {a:?} and {b:?}");
        }
    }

    #[test]
    fn names_are_what_the_ledger_stores() {
        let json = serde_json::to_string(&LimitFile::MemswLimit).unwrap();
        assert_eq!(json, format!("\"{}\"", LimitFile::MemswLimit.name()));
        assert_eq!(
            LimitFile::CfsQuota.amount("50000", Some(100_000)),
            Some(Amount(500_000))
        );
        assert_eq!(LimitFile::CfsQuota.amount("50000", None), None);
    }
}
