//! Cgroups that clean up after themselves, with the same words on v1 and v2.

use std::{
    fs,
    path::PathBuf,
    process::{self, Command},
    sync::{Mutex, Once, PoisonError},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    files::{field, number, read, write},
    hierarchy::{Hierarchies, Version},
    process::lab_bin,
    tree::{below, enable_controllers, inode, kill_below, parent, pids, remove, remove_leftovers},
};

/// Serialises the making of the common parent with its removal by the last group.
static TREE: Mutex<()> = Mutex::new(());

/// A few of the periods that groups begin with.
const REST: Duration = Duration::from_millis(300);

/// A cgroup in every hierarchy that governs CPU or memory, or counts block I/O.
///
/// Dropping it kills what runs inside and removes it with everything below it, also while a panic unwinds.
#[derive(Debug)]
pub struct Group {
    path: String,
    hierarchies: &'static Hierarchies,
}

/// What the kernel counted for a group since its creation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuStat {
    /// Periods in which the group could run under a quota.
    pub nr_periods: u64,
    /// Periods in which it was throttled.
    pub nr_throttled: u64,
    /// Nanoseconds for which its run queues were throttled, summed over CPUs.
    pub throttled_ns: u64,
    /// Nanoseconds of CPU time used.
    pub usage_ns: u64,
}

impl CpuStat {
    /// What came on top of an earlier reading.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            nr_periods: self.nr_periods - earlier.nr_periods,
            nr_throttled: self.nr_throttled - earlier.nr_throttled,
            throttled_ns: self.throttled_ns - earlier.throttled_ns,
            usage_ns: self.usage_ns - earlier.usage_ns,
        }
    }
}

impl Group {
    /// Makes `/trimtab-test-PID/NAME`; the first call also removes what dead test processes left behind.
    ///
    /// # Errors
    /// When the hierarchies cannot be found or written, or the name is taken.
    pub fn create(name: &str) -> Result<Self> {
        static LEFTOVERS: Once = Once::new();
        let hierarchies = Hierarchies::find()?;
        LEFTOVERS.call_once(|| remove_leftovers(hierarchies));
        let parent = parent();
        let _tree = TREE.lock().unwrap_or_else(PoisonError::into_inner);
        for root in hierarchies.roots() {
            let directory = below(root, &parent);
            fs::create_dir_all(&directory)
                .with_context(|| format!("cannot create {}", directory.display()))?;
        }
        if hierarchies.version == Version::V2 {
            enable_controllers(&hierarchies.cpu)?;
            enable_controllers(&below(&hierarchies.cpu, &parent))?;
        }
        Self::make(format!("{parent}/{name}"), hierarchies)
    }

    /// Makes a group inside this one; on v2 this group may then hold no processes of its own.
    ///
    /// # Errors
    /// As for [`Group::create`].
    pub fn child(&self, name: &str) -> Result<Self> {
        if self.hierarchies.version == Version::V2 {
            enable_controllers(&self.cpu_dir())?;
        }
        Self::make(format!("{}/{name}", self.path), self.hierarchies)
    }

    fn make(path: String, hierarchies: &'static Hierarchies) -> Result<Self> {
        // Owned before the first directory exists, so that a failure half-way removes the first half.
        let group = Self { path, hierarchies };
        for directory in group.directories() {
            fs::create_dir(&directory)
                .with_context(|| format!("cannot create {}", directory.display()))?;
        }
        Ok(group)
    }

    /// The path below the hierarchies' mount points, with a leading slash.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Which interface the group's files have.
    #[must_use]
    pub fn version(&self) -> Version {
        self.hierarchies.version
    }

    /// The directory with the CPU controller's files.
    #[must_use]
    pub fn cpu_dir(&self) -> PathBuf {
        below(&self.hierarchies.cpu, &self.path)
    }

    /// The directory with the memory controller's files.
    #[must_use]
    pub fn memory_dir(&self) -> PathBuf {
        below(&self.hierarchies.memory, &self.path)
    }

    /// The directory in the v2 tree, which is `cpu_dir` on a v2 host and absent on a v1 host without such a tree.
    #[must_use]
    pub fn unified_dir(&self) -> Option<PathBuf> {
        Some(below(self.hierarchies.unified.as_deref()?, &self.path))
    }

    /// The kernel's id of the group in the CPU hierarchy.
    ///
    /// # Errors
    /// When the group is gone.
    pub fn cpu_id(&self) -> Result<u64> {
        inode(&self.cpu_dir())
    }

    /// The kernel's id of the group in the memory hierarchy.
    ///
    /// # Errors
    /// When the group is gone.
    pub fn memory_id(&self) -> Result<u64> {
        inode(&self.memory_dir())
    }

    /// The kernel's id of the group to which its block I/O is charged; `None` where the host has no
    /// controller for that.
    ///
    /// # Errors
    /// When the group is gone.
    pub fn io_id(&self) -> Result<Option<u64>> {
        let root = self.hierarchies.io.as_deref();
        root.map(|root| inode(&below(root, &self.path))).transpose()
    }

    /// A command that starts inside the group: it joins before the program's first instruction.
    ///
    /// # Errors
    /// When the `lab` program, which does the joining, cannot be found.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Result<Command> {
        let mut command = Command::new(lab_bin()?);
        command.arg("join");
        for directory in self.directories() {
            command.arg("--group").arg(directory);
        }
        command.arg("--").arg(program);
        Ok(command)
    }

    /// Moves a process, with all its threads, into the group.
    ///
    /// # Errors
    /// When the process is gone, or is this one: dropping the group would kill the test.
    pub fn add(&self, pid: u32) -> Result<()> {
        ensure!(
            pid != process::id(),
            "the test process itself must stay outside its groups"
        );
        for directory in self.directories() {
            write(&directory.join("cgroup.procs"), &pid.to_string())?;
        }
        Ok(())
    }

    /// The processes in this group and in those below it.
    #[must_use]
    pub fn pids(&self) -> Vec<u32> {
        let mut pids: Vec<u32> = self
            .directories()
            .iter()
            .flat_map(|directory| pids(directory))
            .collect();
        pids.sort_unstable();
        pids.dedup();
        pids
    }

    /// Kills everything inside and waits until it is gone.
    ///
    /// # Errors
    /// When something is still inside after five seconds.
    pub fn kill_all(&self) -> Result<()> {
        kill_below(&self.directories()).with_context(|| format!("group {}", self.path))
    }

    /// CPU time and throttling.
    ///
    /// # Errors
    /// When the files cannot be read or lack a counter.
    pub fn cpu_stat(&self) -> Result<CpuStat> {
        let file = self.cpu_dir().join("cpu.stat");
        let text = read(&file)?;
        let field = |name: &str| {
            field(&text, name).with_context(|| format!("{}: no field {name}", file.display()))
        };
        let (throttled_ns, usage_ns) = match self.version() {
            Version::V1 => {
                let usage = below(&self.hierarchies.cpuacct, &self.path).join("cpuacct.usage");
                (field("throttled_time")?, number(&usage)?)
            }
            Version::V2 => (field("throttled_usec")? * 1000, field("usage_usec")? * 1000),
        };
        Ok(CpuStat {
            nr_periods: field("nr_periods")?,
            nr_throttled: field("nr_throttled")?,
            throttled_ns,
            usage_ns,
        })
    }

    /// [`Group::cpu_stat`] once nothing in it moves any more: a task that has ended is accounted for a little later,
    /// and a quota's periods are counted until one goes by in which nobody runs.
    ///
    /// # Errors
    /// As [`Group::cpu_stat`], or when something in the group runs on.
    pub fn cpu_stat_at_rest(&self) -> Result<CpuStat> {
        let mut last = self.cpu_stat()?;
        for _ in 0..20 {
            thread::sleep(REST);
            let now = self.cpu_stat()?;
            if now == last {
                return Ok(now);
            }
            last = now;
        }
        bail!("{} does not come to rest: {last:?}", self.path);
    }

    /// Processes that the OOM killer has killed in this group.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn oom_kills(&self) -> Result<u64> {
        let file = self.memory_dir().join(match self.version() {
            Version::V1 => "memory.oom_control",
            Version::V2 => "memory.events",
        });
        field(&read(&file)?, "oom_kill")
            .with_context(|| format!("{}: no field oom_kill", file.display()))
    }

    /// This group's directory in every hierarchy.
    #[must_use]
    pub fn directories(&self) -> Vec<PathBuf> {
        let roots = self.hierarchies.roots();
        roots
            .into_iter()
            .map(|root| below(root, &self.path))
            .collect()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let directories = self.directories();
        if let Err(error) = kill_below(&directories) {
            eprintln!("{}: {error:#}", self.path);
        }
        let _tree = TREE.lock().unwrap_or_else(PoisonError::into_inner);
        for directory in &directories {
            if let Err(error) = remove(directory) {
                eprintln!("cannot remove {}: {error}", directory.display());
            }
        }
        // The last group takes the common parent along; before that the kernel refuses.
        for root in self.hierarchies.roots() {
            let _ = fs::remove_dir(below(root, &parent()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{tree::EMPTY, wait::eventually};

    #[test]
    fn a_group_holds_its_limits_and_its_processes_and_goes_with_them() -> Result<()> {
        let group = match Group::create("harness") {
            Ok(group) => group,
            Err(error) => {
                crate::skip(&format!("no cgroup can be made here: {error:#}"));
                return Ok(());
            }
        };
        group.set_quota_us(Some(20_000), 100_000)?;
        assert_eq!(
            (group.quota_us()?, group.period_us()?),
            (Some(20_000), 100_000)
        );
        group.set_quota_us(None, 50_000)?;
        assert_eq!((group.quota_us()?, group.period_us()?), (None, 50_000));
        group.set_memory_limit(Some(64 << 20))?;
        assert_eq!(group.memory_limit()?, Some(64 << 20));
        group.set_memory_limit(None)?;
        assert_eq!(group.memory_limit()?, None);

        let pod = Group::create("pod")?;
        let inner = pod.child("inner")?;
        let mut child = inner.command("sleep")?.arg("60").spawn()?;
        assert!(eventually(EMPTY, || pod.pids() == [child.id()]));
        assert_eq!(inner.cpu_stat()?.nr_throttled, 0);
        assert_eq!(inner.oom_kills()?, 0);

        let directories: Vec<_> =
            [group.directories(), pod.directories(), inner.directories()].concat();
        assert!(directories.iter().all(|directory| directory.is_dir()));
        drop(pod.child("brief")?);
        assert!(pod.cpu_dir().is_dir());
        // The parent goes first, and takes the child and its process along.
        drop((pod, inner, group));
        assert!(directories.iter().all(|directory| !directory.exists()));
        assert!(!child.wait()?.success());
        Ok(())
    }

    #[test]
    fn what_a_dead_test_left_behind_is_removed() -> Result<()> {
        let group = match Group::create("leftovers") {
            Ok(group) => group,
            Err(error) => {
                crate::skip(&format!("no cgroup can be made here: {error:#}"));
                return Ok(());
            }
        };
        // One above the largest process id that the kernel can be told to give out.
        let dead = below(&group.hierarchies.cpu, "trimtab-test-4194305");
        fs::create_dir_all(dead.join("inner"))?;
        remove_leftovers(group.hierarchies);
        assert!(!dead.exists());
        assert!(group.cpu_dir().exists());
        Ok(())
    }
}
