//! One cgroup across the hierarchies that control it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use trimtab_core::signal::Resource;

use super::cpu::CpuReader;
use super::file::{SenseError, Sight};
use super::hierarchy::{Hierarchies, Root, Version};
use super::memory::MemoryReader;
use super::psi::PsiReader;

/// The kernfs ids of one group: the inode of its directory in each hierarchy. On v2 all are the
/// same; on v1 each hierarchy numbers its own groups. An id is not used again after its group
/// is gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ids {
    /// In the hierarchy that has the cpu controller.
    pub cpu: Option<u64>,
    /// In the hierarchy that has the memory controller.
    pub memory: Option<u64>,
    /// In the hierarchy that has the I/O controller; `None` where the group's I/O is charged to one
    /// above it, since on v2 the controller is not enabled for it.
    pub io: Option<u64>,
    /// In the v2 tree.
    pub unified: Option<u64>,
}

impl Ids {
    /// The id in the hierarchy whose controller limits `resource`.
    #[must_use]
    pub const fn of(&self, resource: Resource) -> Option<u64> {
        match resource {
            Resource::Cpu => self.cpu,
            Resource::Memory => self.memory,
        }
    }

    /// Whether the group is in no hierarchy (any more).
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.cpu.is_none() && self.memory.is_none() && self.unified.is_none()
    }
}

/// A group's directory, held open: whatever is opened through it belongs to this very group,
/// even if its path has been given to another one.
#[derive(Debug)]
pub struct GroupDir {
    fd: OwnedFd,
    path: PathBuf,
    id: u64,
}

impl GroupDir {
    /// Opens the directory of the group at `path` in a hierarchy.
    ///
    /// # Errors
    /// `open(2)` or `fstat(2)` failed for another reason than that there is no such group.
    pub fn open(root: &Root, path: &str) -> Result<Sight<Self>, SenseError> {
        Self::open_path(root.group(path))
    }

    /// Opens a group by the path of its directory.
    ///
    /// # Errors
    /// As [`GroupDir::open`].
    pub fn open_path(path: PathBuf) -> Result<Sight<Self>, SenseError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let fd = match rustix::fs::open(&path, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::NODEV) => return Ok(Sight::Gone),
            Err(errno) => {
                return Err(SenseError::Io {
                    path,
                    syscall: "open",
                    source: errno.into(),
                });
            }
        };
        match rustix::fs::fstat(&fd) {
            Ok(stat) => Ok(Sight::Here(Self {
                fd,
                path,
                id: stat.st_ino,
            })),
            Err(errno) => Err(SenseError::Io {
                path,
                syscall: "fstat",
                source: errno.into(),
            }),
        }
    }

    /// A second descriptor of the same directory, for another thread.
    ///
    /// # Errors
    /// `dup(2)` failed: no descriptor is left.
    pub fn try_clone(&self) -> Result<Self, SenseError> {
        match self.fd.try_clone() {
            Ok(fd) => Ok(Self {
                fd,
                path: self.path.clone(),
                id: self.id,
            }),
            Err(source) => Err(SenseError::Io {
                path: self.path.clone(),
                syscall: "dup",
                source,
            }),
        }
    }

    /// The kernfs id.
    #[must_use]
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// The path that it was opened by.
    #[must_use]
    pub fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// Descriptor and path, as the readers want them.
    #[must_use]
    pub fn at(&self) -> (BorrowedFd<'_>, &std::path::Path) {
        (self.fd.as_fd(), &self.path)
    }
}

impl AsFd for GroupDir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// One cgroup with its descriptors.
#[derive(Debug)]
pub struct Group {
    /// Path below the root, without a leading slash; the root itself is empty.
    pub path: Arc<str>,
    /// Its ids.
    pub ids: Ids,
    /// CPU files, where the group is in the cpu hierarchy.
    pub cpu: Option<CpuReader>,
    /// Memory files, where it has the memory controller.
    pub memory: Option<MemoryReader>,
    /// Pressure files, where it is in the v2 tree.
    pub psi: Option<PsiReader>,
}

impl Group {
    /// Opens every file of the group at `path` that there is.
    ///
    /// # Errors
    /// A directory or file is there but cannot be opened.
    pub fn open(hierarchies: &Hierarchies, path: &str) -> Result<Sight<Self>, SenseError> {
        let path: Arc<str> = path.trim_matches('/').into();
        let dir = |root: Option<&Root>| match root {
            None => Ok(None),
            Some(root) => GroupDir::open(root, &path).map(Sight::here),
        };
        let cpu_dir = dir(hierarchies.cpu.as_ref())?;
        let memory_dir = dir(hierarchies.memory.as_ref())?;
        let unified_dir = dir(hierarchies.unified.as_ref())?;
        let id = |dir: &Option<GroupDir>| dir.as_ref().map(GroupDir::id);
        let ids = Ids {
            cpu: id(&cpu_dir),
            memory: id(&memory_dir),
            io: match &hierarchies.io {
                Some(root) => io_id(root, &path)?,
                None => None,
            },
            unified: id(&unified_dir),
        };
        if ids.is_empty() {
            return Ok(Sight::Gone);
        }
        let cpu = match (&hierarchies.cpu, &cpu_dir) {
            (Some(root), Some(cpu_dir)) => {
                let separate = hierarchies
                    .cpuacct
                    .as_ref()
                    .filter(|acct| acct.dir != root.dir);
                let acct_dir = dir(separate)?;
                let acct = if separate.is_some() {
                    acct_dir.as_ref()
                } else {
                    Some(cpu_dir)
                };
                Some(CpuReader::open(
                    root.version,
                    cpu_dir.at(),
                    acct.map(GroupDir::at),
                )?)
            }
            _ => None,
        };
        let memory = match (&hierarchies.memory, &memory_dir) {
            (Some(root), Some(dir)) => MemoryReader::open(root.version, dir.at())?,
            _ => None,
        };
        let psi = match &unified_dir {
            Some(dir) => Some(PsiReader::group(dir.as_fd(), dir.path())?).filter(PsiReader::any),
            None => None,
        };
        Ok(Sight::Here(Self {
            path,
            ids,
            cpu,
            memory,
            psi,
        }))
    }

    /// Closes the files of which a group that does nothing has no need, until they are read again.
    pub fn rest(&mut self) {
        if let Some(cpu) = &mut self.cpu {
            cpu.rest();
        }
        if let Some(memory) = &mut self.memory {
            memory.rest();
        }
        if let Some(psi) = &mut self.psi {
            psi.rest();
        }
    }
}

/// The id of the group to which its own block I/O is charged, if that is this group.
fn io_id(root: &Root, path: &str) -> Result<Option<u64>, SenseError> {
    let Sight::Here(dir) = GroupDir::open(root, path)? else {
        return Ok(None);
    };
    let charged = match root.version {
        Version::V1 => true,
        // Only a group that has the controller has the file.
        Version::V2 => rustix::fs::statat(&dir, "io.stat", AtFlags::empty()).is_ok(),
    };
    Ok(charged.then_some(dir.id()))
}
