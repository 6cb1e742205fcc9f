//! Groups of our own: for workloads that we start ourselves.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use cgroups_rs::CgroupPid;
use cgroups_rs::fs::cgroup::Cgroup;
use cgroups_rs::fs::hierarchies::auto;
use trimtab_core::signal::{Amount, Resource};

use super::error::{ActError, kernel_said};
use super::lever::{Kind, Lever};
use super::limit_file::LimitFile;
use super::set::set;
use crate::sense::cgroup::GroupDir;
use crate::sense::file::means_gone;
use crate::sense::hierarchy::{Hierarchies, Root, Version};

/// How long processes that have just ended may take to leave a group.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often a group is made again whose parent somebody removes meanwhile.
const TRIES: u32 = 10;

/// A group that we make, in every hierarchy with cpu, cpuacct or memory, and in the v2 tree. It
/// stays until it is removed.
#[derive(Debug)]
pub struct OwnedGroup {
    path: String,
    cgroup: Cgroup,
    hierarchies: Hierarchies,
}

impl OwnedGroup {
    /// The group at `path`, whether it is there or not.
    ///
    /// # Errors
    /// There can be no such path.
    pub fn at(hierarchies: &Hierarchies, path: &str) -> Result<Self, ActError> {
        let path = path.trim_matches('/').to_owned();
        if path.is_empty() || path.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(ActError::Group {
                group: path,
                action: "create",
                source: io::Error::new(io::ErrorKind::InvalidInput, "not a path below the root"),
            });
        }
        let whole_v2 = is_whole_v2(hierarchies);
        // Named one by one: without a list the crate enables every controller that there is.
        let controllers = [
            ("cpu", &hierarchies.cpu),
            ("cpuacct", &hierarchies.cpuacct),
            ("memory", &hierarchies.memory),
        ]
        .into_iter()
        .filter(|(name, root)| root.is_some() && !(whole_v2 && *name == "cpuacct"))
        .map(|(name, _)| name.to_owned())
        .collect();
        let cgroup = Cgroup::load_with_specified_controllers(auto(), &path, controllers);
        Ok(Self {
            path,
            cgroup,
            hierarchies: hierarchies.clone(),
        })
    }

    /// Makes the group at `path`: [`OwnedGroup::at`] and [`OwnedGroup::make`].
    ///
    /// # Errors
    /// As these two.
    pub fn create(hierarchies: &Hierarchies, path: &str) -> Result<Self, ActError> {
        let group = Self::at(hierarchies, path)?;
        group.make()?;
        Ok(group)
    }

    /// Makes the group, missing parents included; one that exists is taken as it is.
    ///
    /// On v2 this enables the cpu and memory controllers, and no others, on the way down.
    ///
    /// # Errors
    /// A directory could not be made, or a controller could not be enabled (a parent with
    /// processes of its own). What has been made by then is left to [`OwnedGroup::remove`].
    pub fn make(&self) -> Result<(), ActError> {
        let mut tries = TRIES;
        loop {
            tries -= 1;
            match self.try_make() {
                Err(error) if tries > 0 && is_crossed(&error) => {}
                result => return result.map_err(|source| self.failed("create", source)),
            }
        }
    }

    fn try_make(&self) -> io::Result<()> {
        self.cgroup.create().map_err(|error| kernel_said(&error))?;
        if let Some(dir) = self.beside() {
            fs::create_dir_all(dir)?;
        }
        if !is_whole_v2(&self.hierarchies) {
            return Ok(());
        }
        // The crate does not say when a controller could not be enabled.
        for (root, file) in [
            (&self.hierarchies.cpu, "cpu.max"),
            (&self.hierarchies.memory, "memory.high"),
        ] {
            let file = root.as_ref().map(|root| root.group(&self.path).join(file));
            if let Some(file) = file.filter(|file| !file.exists()) {
                return Err(io::Error::new(
                    io::ErrorKind::NotFound,
                    format!(
                        "{} is missing: the controller could not be enabled",
                        file.display()
                    ),
                ));
            }
        }
        Ok(())
    }

    /// Path below the root.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Its directory in each hierarchy, whether it is there or not.
    pub fn dirs(&self) -> impl Iterator<Item = PathBuf> {
        self.hierarchies
            .distinct()
            .map(|root| root.group(&self.path))
    }

    /// Directory in a v2 tree that `cgroups-rs` does not know of, beside v1 hierarchies.
    fn beside(&self) -> Option<PathBuf> {
        let unified = self.hierarchies.unified.as_ref();
        unified
            .filter(|_| !is_whole_v2(&self.hierarchies))
            .map(|root| root.group(&self.path))
    }

    /// Sets the hard limit of a resource (micro-CPUs under the period that the group has, or
    /// bytes), rounded to what the kernel can hold.
    ///
    /// # Errors
    /// No hierarchy limits the resource, the group is gone, or the kernel refused.
    pub fn limit(&self, resource: Resource, amount: Amount) -> Result<(), ActError> {
        let root = self
            .hierarchies
            .of(resource)
            .ok_or_else(|| self.failed("limit", io::ErrorKind::Unsupported.into()))?;
        let dir = GroupDir::open(root, &self.path)?;
        let dir = dir.here().ok_or_else(|| ActError::Gone {
            path: root.group(&self.path),
        })?;
        let kind = Lever::open(&dir, root.version, resource)?.kind();
        let file = match kind {
            Kind::CpuMax { .. } => LimitFile::CpuMax,
            Kind::CfsQuota { .. } => LimitFile::CfsQuota,
            // The lever is the limit that moves; the group is to begin with one that holds.
            Kind::MemoryHigh => LimitFile::MemoryMax,
            Kind::LimitInBytes => LimitFile::LimitInBytes,
        };
        set(&dir, file, &kind.text(kind.quantise(amount))).map(drop)
    }

    /// Moves a process with all its threads into the group.
    ///
    /// # Errors
    /// It is gone, or the kernel refused.
    pub fn add(&self, pid: u32) -> Result<(), ActError> {
        let failed = |source| self.failed("add a process", source);
        self.cgroup
            .add_task_by_tgid(CgroupPid::from(u64::from(pid)))
            .map_err(|error| failed(kernel_said(&error)))?;
        if let Some(dir) = self.beside() {
            fs::write(dir.join("cgroup.procs"), pid.to_string()).map_err(failed)?;
        }
        Ok(())
    }

    /// The processes in it and in the groups inside it.
    #[must_use]
    pub fn processes(&self) -> BTreeSet<u32> {
        self.dirs().flat_map(|dir| processes(&dir)).collect()
    }

    /// Moves every process that is in it, or in a group inside it, to the group that this process
    /// is in. Returns how many.
    #[expect(
        clippy::must_use_candidate,
        reason = "it is called for what it does; the number is for people"
    )]
    pub fn evacuate(&self) -> usize {
        let mut moved = BTreeSet::new();
        for root in self.hierarchies.distinct() {
            let to = root.own().unwrap_or_else(|_| root.dir.clone());
            let procs = to.join("cgroup.procs");
            // One that has just ended needs no move.
            moved.extend(
                processes(&root.group(&self.path))
                    .into_iter()
                    .filter(|pid| fs::write(&procs, pid.to_string()).is_ok()),
            );
        }
        moved.len()
    }

    /// Removes the group and the groups inside it from every hierarchy. It must be empty of
    /// processes; those that have just ended are waited for.
    ///
    /// # Errors
    /// Processes are left in it.
    pub fn remove(&self) -> Result<(), ActError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.try_remove() {
                Err(_) if Instant::now() < deadline => thread::sleep(Duration::from_millis(5)),
                result => return result.map_err(|source| self.failed("remove", source)),
            }
        }
    }

    fn try_remove(&self) -> io::Result<()> {
        for dir in self.dirs() {
            remove_inside(&dir);
        }
        // On v1 one call for all hierarchies, which ends at the first that cannot be removed.
        let removed = self.cgroup.delete().map_err(|error| kernel_said(&error));
        let removed = absent_is_removed(removed);
        match self.beside() {
            Some(dir) => removed.and(absent_is_removed(fs::remove_dir(dir))),
            None => removed,
        }
    }

    /// Removes the group above it from every hierarchy in which nothing else is in it.
    pub fn remove_parent(&self) {
        for dir in self.dirs() {
            if let Some(parent) = dir.parent() {
                let _ = fs::remove_dir(parent);
            }
        }
    }

    fn failed(&self, action: &'static str, source: io::Error) -> ActError {
        ActError::Group {
            group: self.path.clone(),
            action,
            source,
        }
    }
}

/// Whether the controllers are in the v2 tree.
fn is_whole_v2(hierarchies: &Hierarchies) -> bool {
    let is_v2 = |root: &Option<Root>| {
        root.as_ref()
            .is_some_and(|root| root.version == Version::V2)
    };
    is_v2(&hierarchies.cpu) || is_v2(&hierarchies.memory)
}

/// Whether somebody else was at it at the same time: who removes the last group beside this one may take the parent
/// along, also when the kernel has just said that it exists.
fn is_crossed(error: &io::Error) -> bool {
    is_absent(error) || means_gone(error) || error.kind() == io::ErrorKind::AlreadyExists
}

fn is_absent(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

fn absent_is_removed(removed: io::Result<()>) -> io::Result<()> {
    removed.or_else(|error| {
        if is_absent(&error) {
            Ok(())
        } else {
            Err(error)
        }
    })
}

/// The processes in a group's directory and below.
fn processes(dir: &Path) -> Vec<u32> {
    // A group that is gone has nobody in it.
    let procs = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
    let here = procs.lines().filter_map(|pid| pid.parse().ok());
    here.chain(inside(dir).flat_map(|dir| processes(&dir)))
        .collect()
}

/// Removes the groups inside a group, from the bottom: only on v1 would the crate do that. One
/// that cannot be removed keeps those above it, whose removal then tells why.
fn remove_inside(dir: &Path) {
    for child in inside(dir) {
        remove_inside(&child);
        let _ = fs::remove_dir(&child);
    }
}

/// The directories of the groups right inside a group.
fn inside(dir: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
}
