//! Where this host keeps the controllers: the one place that tells cgroup v1 from v2.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use anyhow::{Context, Result, bail};

/// Which cgroup interface governs CPU and memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// One hierarchy per controller.
    V1,
    /// One tree for all.
    V2,
}

/// The mount points of the hierarchies that govern CPU and memory.
#[derive(Clone, Debug)]
pub struct Hierarchies {
    /// Which interface the files below these mount points have.
    pub version: Version,
    /// Governs quota, period and weight.
    pub cpu: PathBuf,
    /// Counts CPU time; on v2 and on hosts that mount both together the same as `cpu`.
    pub cpuacct: PathBuf,
    /// Governs the memory limit.
    pub memory: PathBuf,
    /// What block I/O is charged to; `None` on a v1 host without `blkio`.
    pub io: Option<PathBuf>,
    /// The v2 tree of a hybrid host, which has identities and pressure but no controllers; on v2 the same as `cpu`.
    pub unified: Option<PathBuf>,
}

impl Hierarchies {
    /// This host's hierarchies, looked up once.
    ///
    /// # Errors
    /// When no mounted hierarchy has the CPU or the memory controller.
    pub fn find() -> Result<&'static Self> {
        static FOUND: OnceLock<Hierarchies> = OnceLock::new();
        if let Some(found) = FOUND.get() {
            return Ok(found);
        }
        let mounts =
            fs::read_to_string("/proc/self/mounts").context("cannot read /proc/self/mounts")?;
        let found = Self::parse(&mounts)?;
        Ok(FOUND.get_or_init(|| found))
    }

    /// Every distinct mount point in which a group has a directory.
    #[must_use]
    pub fn roots(&self) -> Vec<&Path> {
        let mut roots = vec![self.cpu.as_path()];
        for root in [&self.cpuacct, &self.memory]
            .into_iter()
            .chain(&self.io)
            .chain(&self.unified)
        {
            if !roots.contains(&root.as_path()) {
                roots.push(root);
            }
        }
        roots
    }

    fn parse(mounts: &str) -> Result<Self> {
        let unified = mounts
            .lines()
            .filter_map(mount)
            .find(|(kind, _, _)| *kind == "cgroup2")
            .map(|(_, path, _)| PathBuf::from(path));
        let v1 = |controller: &str| {
            mounts
                .lines()
                .filter_map(mount)
                .find(|(kind, _, options)| {
                    *kind == "cgroup" && options.split(',').any(|option| option == controller)
                })
                .map(|(_, path, _)| PathBuf::from(path))
        };
        match (v1("cpu"), v1("cpuacct"), v1("memory"), unified) {
            (Some(cpu), Some(cpuacct), Some(memory), unified) => Ok(Self {
                version: Version::V1,
                cpu,
                cpuacct,
                memory,
                io: v1("blkio"),
                unified,
            }),
            (None, _, None, Some(unified)) => Ok(Self {
                version: Version::V2,
                cpu: unified.clone(),
                cpuacct: unified.clone(),
                memory: unified.clone(),
                io: Some(unified.clone()),
                unified: Some(unified),
            }),
            _ => bail!("no mounted cgroup hierarchy has both the cpu and the memory controller"),
        }
    }
}

/// Type, mount point and options of one line of the mount table.
fn mount(line: &str) -> Option<(&str, &str, &str)> {
    let mut words = line.split(' ').skip(1);
    let path = words.next()?;
    let kind = words.next()?;
    Some((kind, path, words.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_a_hybrid_host_from_a_pure_v2_one() {
        let hybrid = "cgroup /sys/fs/cgroup/cpu cgroup rw,relatime,cpu 0 0\n\
                      cgroup /sys/fs/cgroup/cpuacct cgroup rw,relatime,cpuacct 0 0\n\
                      cgroup /sys/fs/cgroup/cpuset cgroup rw,relatime,cpuset 0 0\n\
                      cgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0\n\
                      cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0\n";
        let found = Hierarchies::parse(hybrid).unwrap();
        assert_eq!(found.version, Version::V1);
        assert_eq!(found.roots().len(), 4);

        let pure = "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,nodev 0 0\n";
        let found = Hierarchies::parse(pure).unwrap();
        assert_eq!(found.version, Version::V2);
        assert_eq!(found.roots(), [Path::new("/sys/fs/cgroup")]);

        assert!(Hierarchies::parse("proc /proc proc rw 0 0\n").is_err());
    }
}
