//! A direct lever: one limit of one cgroup, behind a descriptor that stays open.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use trimtab_core::signal::{Amount, Resource};

use super::hard::{Hard, HardLimit};
use super::limit_file::CFS_PERIOD;
use super::marks::{Echo, Mark};
use crate::sense::cgroup::GroupDir;
use crate::sense::cpu::{Quota, parse_max};
use crate::sense::file::{limit, means_gone, single};
use crate::sense::hierarchy::Version;
use crate::sense::memory::parse_limit_v1;

/// Why a lever could not be opened, read or pulled. Cheap to make: no allocation.
#[derive(Debug, thiserror::Error)]
pub enum LeverError {
    /// The cgroup has been removed.
    #[error("{path}: the cgroup is gone")]
    Gone {
        /// The file.
        path: Arc<Path>,
    },
    /// The controller is not enabled for the group, or the kernel has no such file.
    #[error(
        "{path}: no such file: is the controller enabled in the parent's cgroup.subtree_control?"
    )]
    Absent {
        /// The file.
        path: Arc<Path>,
    },
    /// The kernel refused.
    #[error("{path}: {syscall}: {source}")]
    Io {
        /// The file.
        path: Arc<Path>,
        /// The system call.
        syscall: &'static str,
        /// What it said.
        source: io::Error,
    },
    /// The file holds something that is no limit.
    #[error("{path}: cannot make sense of its content")]
    Garbled {
        /// The file.
        path: Arc<Path>,
    },
    /// Somebody else has set another period: what we would write means something else now.
    #[error("{path}: the period has been changed")]
    OtherPeriod {
        /// The file.
        path: Arc<Path>,
        /// The limit under that period, in micro-CPUs.
        held: Amount,
    },
    /// Somebody else has set the hard limit beside the one that moves.
    #[error("{path}: somebody else has set it to {}", held.0)]
    Theirs {
        /// The file.
        path: Arc<Path>,
        /// What it holds, in bytes.
        held: Amount,
    },
    /// The amount is outside of what the kernel admits (a quota below 1 ms).
    #[error("{path}: {amount} is not a limit that the kernel admits")]
    OutOfRange {
        /// The file.
        path: Arc<Path>,
        /// The amount in micro-CPUs or bytes.
        amount: u64,
    },
}

impl LeverError {
    /// Whether the cgroup has been removed: the workload is to be dropped, nothing is wrong.
    #[must_use]
    pub const fn is_gone(&self) -> bool {
        matches!(self, Self::Gone { .. })
    }
}

/// Which file a lever moves, and how amounts are written there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// v2 `cpu.max`. The period is written along, so that it cannot change unseen.
    CpuMax {
        /// Period in microseconds.
        period_us: u64,
    },
    /// v1 `cpu.cfs_quota_us`, under a period that only its owner changes.
    CfsQuota {
        /// Period in microseconds.
        period_us: u64,
    },
    /// v2 `memory.high`: the moving limit, with `memory.max` above.
    MemoryHigh,
    /// v1 `memory.limit_in_bytes`: the hard limit is all there is.
    LimitInBytes,
}

impl Kind {
    /// The file's name.
    #[must_use]
    pub const fn file(self) -> &'static str {
        match self {
            Self::CpuMax { .. } => "cpu.max",
            Self::CfsQuota { .. } => "cpu.cfs_quota_us",
            Self::MemoryHigh => "memory.high",
            Self::LimitInBytes => "memory.limit_in_bytes",
        }
    }

    /// What it limits.
    #[must_use]
    pub const fn resource(self) -> Resource {
        match self {
            Self::CpuMax { .. } | Self::CfsQuota { .. } => Resource::Cpu,
            Self::MemoryHigh | Self::LimitInBytes => Resource::Memory,
        }
    }

    /// The period in microseconds under which it counts; `None` for memory.
    #[must_use]
    pub const fn period_us(self) -> Option<u64> {
        match self {
            Self::CpuMax { period_us } | Self::CfsQuota { period_us } => Some(period_us),
            Self::MemoryHigh | Self::LimitInBytes => None,
        }
    }

    /// The nearest amount that the kernel can hold, rounded down: whole microseconds per period,
    /// whole pages, never below the least quota of 1 ms.
    #[must_use]
    pub fn quantise(self, amount: Amount) -> Amount {
        match self {
            Self::CpuMax { period_us } | Self::CfsQuota { period_us } => {
                let quota_us =
                    Quota::quota_for(amount, period_us).map(|quota| quota.max(MIN_QUOTA_US));
                Quota {
                    quota_us,
                    period_us,
                }
                .amount()
            }
            Self::MemoryHigh | Self::LimitInBytes if amount.is_unlimited() => amount,
            Self::MemoryHigh | Self::LimitInBytes => Amount(amount.0 & !(page_size() - 1)),
        }
    }

    /// Writes the text that stands for `amount`; returns its length.
    pub(super) fn format(self, amount: Amount, text: &mut [u8; TEXT]) -> io::Result<usize> {
        let mut rest = &mut text[..];
        match self {
            Self::CpuMax { period_us } => match Quota::quota_for(amount, period_us) {
                Some(quota) => write!(rest, "{quota} {period_us}")?,
                None => write!(rest, "max {period_us}")?,
            },
            Self::CfsQuota { period_us } => match Quota::quota_for(amount, period_us) {
                Some(quota) => write!(rest, "{quota}")?,
                None => write!(rest, "-1")?,
            },
            Self::MemoryHigh if amount.is_unlimited() => write!(rest, "max")?,
            Self::LimitInBytes if amount.is_unlimited() => write!(rest, "-1")?,
            Self::MemoryHigh | Self::LimitInBytes => write!(rest, "{}", amount.0)?,
        }
        let left = rest.len();
        Ok(TEXT - left)
    }

    /// The text that stands for `amount`.
    #[must_use]
    pub fn text(self, amount: Amount) -> String {
        let mut text = [0; TEXT];
        // It has room for the longest text, so that nothing can fail.
        let length = self.format(amount, &mut text).unwrap_or(0);
        String::from_utf8_lossy(&text[..length]).into_owned()
    }

    /// The amount that the file's text stands for, and the period if the file holds one.
    fn parse(self, text: &[u8]) -> Option<Amount> {
        match self {
            Self::CpuMax { .. } => parse_max(text).map(Quota::amount),
            Self::CfsQuota { period_us } => {
                let quota = limit(text)?;
                Some(
                    Quota {
                        quota_us: (quota != u64::MAX).then_some(quota),
                        period_us,
                    }
                    .amount(),
                )
            }
            Self::MemoryHigh => limit(text).map(Amount),
            Self::LimitInBytes => parse_limit_v1(text),
        }
    }
}

/// The least quota that the kernel admits, in microseconds per period.
pub const MIN_QUOTA_US: u64 = 1_000;

/// Room for the longest text, `18446744073709551615 1000000`.
pub(super) const TEXT: usize = 48;

fn page_size() -> u64 {
    rustix::param::page_size() as u64
}

/// One limit of one cgroup.
#[derive(Debug)]
pub struct Lever {
    file: File,
    kind: Kind,
    path: Arc<Path>,
    mark: Option<Mark>,
    hard: Option<Hard>,
    echo: Option<Echo>,
}

impl Lever {
    /// Opens the lever for a resource of the group whose directory is `dir`.
    ///
    /// The descriptor is opened `O_NONBLOCK`: newer kernels then lower a memory limit without
    /// reclaiming inside `write(2)`; older ones ignore the flag, so that a lowering write may
    /// still block (see [`Lever::may_block`]).
    ///
    /// # Errors
    /// The group is gone, has no such controller, or the file may not be written.
    pub fn open(dir: &GroupDir, version: Version, resource: Resource) -> Result<Self, LeverError> {
        let kind = match (version, resource) {
            (Version::V2, Resource::Memory) => Kind::MemoryHigh,
            (Version::V1, Resource::Memory) => Kind::LimitInBytes,
            (Version::V2, Resource::Cpu) => {
                let quota = read_small(dir, "cpu.max", parse_max)?;
                Kind::CpuMax {
                    period_us: quota.period_us,
                }
            }
            (Version::V1, Resource::Cpu) => Kind::CfsQuota {
                period_us: read_small(dir, CFS_PERIOD, single)?,
            },
        };
        let (file, path) = open_at(dir, kind.file(), OFlags::RDWR | OFlags::NONBLOCK)?;
        Ok(Self {
            file,
            kind,
            path,
            mark: None,
            hard: None,
            echo: None,
        })
    }

    /// Makes room for what it writes in the hard limit above, which holds one of these values now.
    ///
    /// # Errors
    /// The group is gone, or the hard limit is somebody else's.
    pub(super) fn below(
        mut self,
        dir: &GroupDir,
        hard: Option<HardLimit>,
    ) -> Result<Self, LeverError> {
        self.hard = hard.map(|hard| Hard::open(dir, hard)).transpose()?;
        Ok(self)
    }

    /// Notes every write in `mark` first, so that a restore after a crash can tell our values
    /// from others'.
    #[must_use]
    pub fn marked(mut self, mark: Option<Mark>) -> Self {
        self.mark = mark;
        self
    }

    /// Knows what the group's owner was told, which it may write again at any time.
    #[must_use]
    pub fn echoing(mut self, echo: Option<Echo>) -> Self {
        self.echo = echo;
        self
    }

    /// Whether an amount that its file holds is one that its owner was told, and so nobody else's.
    #[must_use]
    pub fn echoes(&self, held: Amount) -> bool {
        self.echo.as_ref().is_some_and(|echo| echo.contains(held))
    }

    /// The same of the lower one of its file and the hard limit above: of that its owner knows no other value than
    /// his own and ours.
    #[must_use]
    pub fn echoes_both(&self, held: Amount) -> bool {
        let hard = self.hard.as_ref().filter(|_| self.echo.is_some());
        self.echoes(held) || hard.is_some_and(|hard| hard.limit().owner() == held)
    }

    /// Which file it moves.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The file's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The values of the hard limit above, if it is moved along.
    #[must_use]
    pub fn hard(&self) -> Option<HardLimit> {
        self.hard.as_ref().map(Hard::limit)
    }

    /// The limit that the kernel holds: one `pread`, no allocation.
    ///
    /// # Errors
    /// The group is gone, the file cannot be read, or the period in it is not the lever's.
    pub fn read(&self) -> Result<Amount, LeverError> {
        let mut text = [0; TEXT];
        let length = self
            .file
            .read_at(&mut text, 0)
            .map_err(|source| self.failed("pread", source))?;
        let text = &text[..length];
        let held = self.kind.parse(text).ok_or_else(|| LeverError::Garbled {
            path: self.path.clone(),
        })?;
        match (self.kind, parse_max(text)) {
            (Kind::CpuMax { period_us }, Some(now)) if now.period_us != period_us => {
                Err(LeverError::OtherPeriod {
                    path: self.path.clone(),
                    held,
                })
            }
            _ => Ok(held),
        }
    }

    /// Writes a limit: one `pwrite` (two where it is marked), no allocation. What the kernel
    /// then holds is `self.kind().quantise(amount)`.
    ///
    /// # Errors
    /// The group is gone, or the kernel refused (v1: a child's quota above its parent's, memory
    /// below what is in use, a limit above `memory.memsw.limit_in_bytes`), or the hard limit above is
    /// somebody else's.
    pub fn write(&self, amount: Amount) -> Result<(), LeverError> {
        self.make_room(amount)?;
        let mut text = [0; TEXT];
        let Ok(length) = self.kind.format(amount, &mut text) else {
            return Err(LeverError::OutOfRange {
                path: self.path.clone(),
                amount: amount.0,
            });
        };
        let held = self.kind.quantise(amount);
        if let Some(mark) = &self.mark {
            mark.about_to_write(held)
                .map_err(|source| self.failed("store to the marks", source))?;
        }
        self.file
            .write_at(&text[..length], 0)
            .map_err(|source| self.failed("pwrite", source))?;
        if let Some(mark) = &self.mark {
            mark.written(held);
        }
        Ok(())
    }

    /// Raises the hard limit above where `limit` needs that.
    ///
    /// # Errors
    /// The group is gone, the kernel refused, or somebody else has set it.
    pub fn make_room(&self, limit: Amount) -> Result<(), LeverError> {
        let hard = self.hard.as_ref();
        hard.map_or(Ok(()), |hard| hard.make_room(limit))
    }

    /// Puts the hard limit above back to its owner's where `limit`, which holds, and `used` bytes leave room for that.
    ///
    /// # Errors
    /// The group is gone, the kernel refused, or somebody else has set it.
    pub fn close(&self, limit: Amount, used: Amount) -> Result<(), LeverError> {
        let hard = self.hard.as_ref();
        hard.map_or(Ok(()), |hard| hard.close(limit, used))
    }

    /// Whether writing `to` while the kernel holds `from` may make the kernel reclaim memory
    /// inside `write(2)`, for seconds: such a write does not belong on the fast thread.
    #[must_use]
    pub fn may_block(&self, from: Amount, to: Amount) -> bool {
        self.kind.resource() == Resource::Memory && to < from
    }

    fn failed(&self, syscall: &'static str, source: io::Error) -> LeverError {
        failed(&self.path, syscall, source)
    }
}

/// The error of a system call on a limit's file.
pub(super) fn failed(path: &Arc<Path>, syscall: &'static str, source: io::Error) -> LeverError {
    let path = path.clone();
    if means_gone(&source) {
        return LeverError::Gone { path };
    }
    LeverError::Io {
        path,
        syscall,
        source,
    }
}

/// Opens a file of a group, with its path for messages.
pub(super) fn open_at(
    dir: &GroupDir,
    name: &str,
    flags: OFlags,
) -> Result<(File, Arc<Path>), LeverError> {
    let path: Arc<Path> = dir.path().join(name).into();
    match rustix::fs::openat(dir, name, flags | OFlags::CLOEXEC, Mode::empty()) {
        Ok(fd) => Ok((File::from(fd), path)),
        Err(Errno::NODEV) => Err(LeverError::Gone { path }),
        Err(Errno::NOENT) if is_removed(dir) => Err(LeverError::Gone { path }),
        Err(Errno::NOENT) => Err(LeverError::Absent { path }),
        Err(errno) => Err(LeverError::Io {
            path,
            syscall: "openat",
            source: errno.into(),
        }),
    }
}

/// A removed cgroup's directory has no files any more, not even the one that every group has.
fn is_removed(dir: &GroupDir) -> bool {
    rustix::fs::statat(dir, "cgroup.procs", rustix::fs::AtFlags::empty()).is_err()
}

fn read_small<T>(
    dir: &GroupDir,
    name: &str,
    parse: impl FnOnce(&[u8]) -> Option<T>,
) -> Result<T, LeverError> {
    let (file, path) = open_at(dir, name, OFlags::RDONLY)?;
    let mut text = [0; TEXT];
    match file.read_at(&mut text, 0) {
        Ok(length) => parse(&text[..length]).ok_or(LeverError::Garbled { path }),
        Err(error) if means_gone(&error) => Err(LeverError::Gone { path }),
        Err(source) => Err(LeverError::Io {
            path,
            syscall: "pread",
            source,
        }),
    }
}
