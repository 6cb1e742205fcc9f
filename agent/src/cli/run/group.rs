//! The command's own cgroup: made before it starts, gone when it has ended.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use rustix::io::Errno;
use trimtab_core::signal::{Amount, Resource};

use crate::{
    act::{error::ActError, group::OwnedGroup},
    cli::{
        Failure,
        exit::{NO_PERMISSION, OS, USAGE},
    },
    sense::hierarchy::Hierarchies,
};

/// The parent of all groups that `trimtab run` makes.
const PARENT: &str = "trimtab.run";

/// The least CPU that the kernel can limit to: 1 ms in its own period of 100 ms.
const LEAST_CPU: Amount = Amount(10_000);

/// How long processes that outlive the command may keep others coming.
const PATIENCE: Duration = Duration::from_secs(2);

/// The limits to begin with.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Limits {
    /// CPU quota in micro-CPUs.
    pub(super) cpu: Option<Amount>,
    /// Memory limit in bytes.
    pub(super) memory: Option<Amount>,
}

impl Limits {
    /// Those that are given.
    fn each(self) -> impl Iterator<Item = (Resource, Amount)> {
        [(Resource::Cpu, self.cpu), (Resource::Memory, self.memory)]
            .into_iter()
            .filter_map(|(resource, amount)| Some((resource, amount?)))
    }
}

/// The group of one command. Dropping it removes it.
#[derive(Debug)]
pub(super) struct Group {
    owned: OwnedGroup,
    removed: bool,
}

/// What was left when the group was removed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Leftover {
    /// Processes that outlived the command and were moved back to our own group.
    pub(super) moved: usize,
    /// Directories that could not be removed, and why.
    pub(super) stuck: Vec<String>,
}

impl Group {
    /// Makes the group and sets its limits.
    pub(super) fn create(
        hierarchies: &Hierarchies,
        name: &str,
        limits: Limits,
    ) -> Result<Self, Failure> {
        for (resource, amount) in limits.each() {
            if hierarchies.of(resource).is_none() {
                return Err(Failure {
                    code: OS,
                    error: anyhow::anyhow!(
                        "no hierarchy with the {resource} controller is mounted, so it cannot be limited"
                    ),
                });
            }
            if resource == Resource::Cpu && amount < LEAST_CPU {
                return Err(Failure {
                    code: USAGE,
                    error: anyhow::anyhow!(
                        "--cpu-max is less than the kernel can enforce; give at least 0.01"
                    ),
                });
            }
        }
        sweep(hierarchies);
        let path = format!("{PARENT}/{name}-{}", std::process::id());
        let owned = OwnedGroup::at(hierarchies, &path).map_err(refused)?;
        if let Some(dir) = owned.dirs().find(|dir| dir.exists()) {
            return Err(Failure {
                code: OS,
                error: anyhow::anyhow!(
                    "{} is there already: a process of an earlier command is in it; give another --name",
                    dir.display()
                ),
            });
        }
        let group = Self {
            owned,
            removed: false,
        };
        group.owned.make().map_err(refused)?;
        for (resource, amount) in limits.each() {
            group.owned.limit(resource, amount).map_err(refused)?;
        }
        Ok(group)
    }

    /// The group itself.
    pub(super) const fn owned(&self) -> &OwnedGroup {
        &self.owned
    }

    /// Removes the group everywhere. Processes that are still in it go where we are.
    pub(super) fn remove(mut self) -> Leftover {
        self.clear()
    }

    fn clear(&mut self) -> Leftover {
        self.removed = true;
        let deadline = Instant::now() + PATIENCE;
        let mut moved = 0;
        let stuck = loop {
            moved += self.owned.evacuate();
            match self.owned.remove() {
                Ok(()) => break Vec::new(),
                Err(_) if Instant::now() < deadline => {}
                Err(_) => break self.stuck(),
            }
        };
        self.owned.remove_parent();
        Leftover { moved, stuck }
    }

    /// One more try tells of each directory why it stays.
    fn stuck(&self) -> Vec<String> {
        self.owned
            .dirs()
            .filter(|dir| dir.exists())
            .filter_map(|dir| {
                let error = fs::remove_dir(&dir).err()?;
                Some(format!("{}: {error}", dir.display()))
            })
            .collect()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.removed {
            self.clear();
        }
    }
}

/// What to do when cgroups may not be made.
fn refused(error: ActError) -> Failure {
    let errno = error.errno().map(Errno::from_raw_os_error);
    let denied = matches!(errno, Some(Errno::ACCESS | Errno::PERM));
    let mut failure = Failure {
        code: if denied { NO_PERMISSION } else { OS },
        error: error.into(),
    };
    if denied || errno == Some(Errno::ROFS) {
        failure.error = failure
            .error
            .context("`trimtab run` makes a cgroup and needs root, or a cgroup tree it may write");
    }
    failure
}

/// Removes groups of earlier runs that were killed before they could; one with processes stays.
fn sweep(hierarchies: &Hierarchies) {
    let groups = hierarchies
        .distinct()
        .filter_map(|root| fs::read_dir(root.group(PARENT)).ok());
    let names: BTreeSet<_> = groups
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    for name in names.iter().filter(|name| is_orphan(name)) {
        // Processes in it mean that the command lives on; then it is not ours to remove.
        if let Ok(group) = OwnedGroup::at(hierarchies, &format!("{PARENT}/{name}"))
            && group.processes().is_empty()
        {
            let _ = group.remove();
        }
    }
}

/// Whether a name ends with the pid of a run that is no more; our own was somebody else's before.
fn is_orphan(name: &str) -> bool {
    name.rsplit_once('-')
        .and_then(|(_, pid)| pid.parse().ok())
        .is_some_and(|pid: u32| {
            pid == std::process::id() || !Path::new("/proc").join(pid.to_string()).exists()
        })
}
