//! Which cgroup hierarchies this host has, and which of them controls what.

use std::path::{Path, PathBuf};

use cgroups_rs::fs::hierarchies::is_cgroup2_unified_mode;
use trimtab_core::signal::Resource;

use super::file::SenseError;

/// Which interface a hierarchy speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// One hierarchy per controller or group of controllers.
    V1,
    /// The unified hierarchy.
    V2,
}

/// One mounted hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// Where its topmost visible group is.
    pub dir: PathBuf,
    /// Which interface it speaks.
    pub version: Version,
    /// The kernel's number for it, as in `/proc/self/cgroup`: 0 for v2.
    pub id: u32,
}

impl Root {
    /// The directory of a group, given by its path relative to the root, with or without a
    /// leading slash.
    #[must_use]
    pub fn group(&self, path: &str) -> PathBuf {
        self.dir.join(path.trim_matches('/'))
    }

    /// The directory of the group that this process is in; the topmost one where its own is not
    /// visible.
    ///
    /// # Errors
    /// `/proc/self/cgroup` cannot be read.
    pub fn own(&self) -> Result<PathBuf, SenseError> {
        let membership = read("/proc/self/cgroup")?;
        Ok(self
            .visible(&membership)
            .map_or_else(|| self.dir.clone(), |path| self.dir.join(path)))
    }

    /// The path below the topmost visible group of the one that a text like `/proc/PID/cgroup`
    /// names; `None` where it is not visible.
    fn visible<'a>(&self, membership: &'a str) -> Option<&'a Path> {
        let path = own_path(membership, self.id)?;
        visible(path).find(|path| self.dir.join(path).is_dir())
    }
}

/// For each controller the hierarchy that it lives in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hierarchies {
    /// Quota and weight: `cpu.max` or `cpu.cfs_quota_us`.
    pub cpu: Option<Root>,
    /// CPU use on v1: often, but not always, the same mount as `cpu`. On v2 equal to it.
    pub cpuacct: Option<Root>,
    /// Memory limits and use.
    pub memory: Option<Root>,
    /// What block I/O is charged to: `io`, or `blkio`. Nothing is limited there, so that a group
    /// which is nowhere else is no group to us.
    pub io: Option<Root>,
    /// The v2 tree, with or without controllers: the only place with pressure files.
    pub unified: Option<Root>,
}

/// A line of `/proc/self/mountinfo` about cgroups.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mount {
    point: PathBuf,
    version: Version,
    options: Vec<String>,
}

impl Hierarchies {
    /// Finds the hierarchies of the running host.
    ///
    /// # Errors
    /// `/proc` cannot be read, or nothing is mounted.
    pub fn detect() -> Result<Self, SenseError> {
        let mountinfo = read("/proc/self/mountinfo")?;
        let membership = read("/proc/self/cgroup")?;
        let found = Self::from_texts(&mountinfo, &membership, is_cgroup2_unified_mode(), |dir| {
            std::fs::read_to_string(dir.join("cgroup.controllers")).unwrap_or_default()
        });
        if found == Self::default() {
            return Err(SenseError::NoHierarchy(
                "nothing of type cgroup or cgroup2 in /proc/self/mountinfo".into(),
            ));
        }
        Ok(found)
    }

    /// The pure half of [`Hierarchies::detect`]. `unified_mode` says that `/sys/fs/cgroup` itself
    /// is v2; `controllers` gives the content of a v2 root's `cgroup.controllers`.
    fn from_texts(
        mountinfo: &str,
        membership: &str,
        unified_mode: bool,
        controllers: impl Fn(&Path) -> String,
    ) -> Self {
        let mounts: Vec<Mount> = mountinfo.lines().filter_map(parse_mount).collect();
        let v1 = |controller: &str| {
            if unified_mode {
                // A stray v1 mount beside a unified tree controls nothing that the tree controls.
                return None;
            }
            let mount = mounts.iter().find(|mount| {
                mount.version == Version::V1
                    && mount.options.iter().any(|option| option == controller)
            })?;
            let id = hierarchy_id(membership, controller).unwrap_or(0);
            Some(Root {
                dir: mount.point.clone(),
                version: Version::V1,
                id,
            })
        };
        let unified = mounts
            .iter()
            .find(|mount| mount.version == Version::V2)
            .map(|mount| Root {
                dir: mount.point.clone(),
                version: Version::V2,
                id: 0,
            });
        let available = unified
            .as_ref()
            .map(|root| controllers(&root.dir))
            .unwrap_or_default();
        let v2 = |controller: &str| {
            let has = available.split_whitespace().any(|name| name == controller);
            unified.clone().filter(|_| has)
        };
        let cpu = v1("cpu").or_else(|| v2("cpu"));
        Self {
            cpuacct: v1("cpuacct").or_else(|| v2("cpu")),
            cpu,
            memory: v1("memory").or_else(|| v2("memory")),
            io: v1("blkio").or_else(|| v2("io")),
            unified,
        }
    }

    /// The hierarchy whose controller limits `resource`.
    #[must_use]
    pub const fn of(&self, resource: Resource) -> Option<&Root> {
        match resource {
            Resource::Cpu => self.cpu.as_ref(),
            Resource::Memory => self.memory.as_ref(),
        }
    }

    /// The group of a process, by its path without a leading slash, as workloads are named; `None`
    /// where the process has gone or its group is not visible.
    #[must_use]
    pub fn group_of(&self, pid: u32) -> Option<String> {
        let root = self.cpu.as_ref().or(self.memory.as_ref());
        let root = root.or(self.unified.as_ref())?;
        let membership = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
        Some(root.visible(&membership)?.to_str()?.to_owned())
    }

    /// The distinct hierarchies in which groups are looked for, each once, in a fixed order.
    pub fn distinct(&self) -> impl Iterator<Item = &Root> {
        let all = [
            self.unified.as_ref(),
            self.cpu.as_ref(),
            self.cpuacct.as_ref(),
            self.memory.as_ref(),
        ];
        all.into_iter()
            .enumerate()
            .filter_map(move |(index, root)| {
                root.filter(|root| !all[..index].iter().flatten().any(|r| r.dir == root.dir))
            })
    }

    /// One line for `doctor`: which controller lives where.
    #[must_use]
    pub fn describe(&self) -> String {
        let say = |name: &str, root: &Option<Root>| match root {
            Some(root) => {
                let version = if root.version == Version::V2 {
                    "v2"
                } else {
                    "v1"
                };
                format!("{name}: {version} at {}", root.dir.display())
            }
            None => format!("{name}: none"),
        };
        [
            say("cpu", &self.cpu),
            say("memory", &self.memory),
            say("io", &self.io),
            say("pressure", &self.unified),
        ]
        .join(", ")
    }
}

fn read(path: &'static str) -> Result<String, SenseError> {
    std::fs::read_to_string(path).map_err(|source| SenseError::Io {
        path: path.into(),
        syscall: "read",
        source,
    })
}

/// A mountinfo line, if it is about a cgroup mount.
fn parse_mount(line: &str) -> Option<Mount> {
    let (left, right) = line.split_once(" - ")?;
    let point = left.split(' ').nth(4)?;
    let mut right = right.split(' ');
    let version = match right.next()? {
        "cgroup" => Version::V1,
        "cgroup2" => Version::V2,
        _ => return None,
    };
    let options = right.nth(1).unwrap_or_default();
    Some(Mount {
        point: unescape(point).into(),
        version,
        options: options.split(',').map(str::to_owned).collect(),
    })
}

/// mountinfo writes space, tab, newline and backslash as three octal digits.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let code = rest
            .get(at + 1..at + 4)
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        if let Some(code) = code {
            out.push(char::from(code));
            rest = &rest[at + 4..];
        } else {
            out.push('\\');
            rest = &rest[at + 1..];
        }
    }
    out.push_str(rest);
    out
}

/// The number of a controller's hierarchy in the text of `/proc/self/cgroup`.
fn hierarchy_id(membership: &str, controller: &str) -> Option<u32> {
    membership.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':');
        let id = parts.next()?.parse().ok()?;
        parts
            .next()?
            .split(',')
            .any(|name| name == controller)
            .then_some(id)
    })
}

/// The path in a hierarchy's line of `/proc/self/cgroup`.
fn own_path(membership: &str, hierarchy: u32) -> Option<&str> {
    membership.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':');
        let id: u32 = parts.next()?.parse().ok()?;
        (id == hierarchy).then(|| parts.nth(1))?
    })
}

/// What a path may be called below a mount that shows only a part of the hierarchy, as in a
/// container: the whole of it, or less and less of its beginning. A group outside of our cgroup
/// namespace (`/../a`) is called nothing.
fn visible(path: &str) -> impl Iterator<Item = &Path> {
    let inside = !path.split('/').any(|part| part == "..");
    let whole = Path::new(path.trim_matches('/'));
    std::iter::successors(inside.then_some(whole), |path| {
        let mut parts = path.components();
        parts.next().map(|_| parts.as_path())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
33 31 0:30 / /sys/fs/cgroup/cpuacct rw,relatime - cgroup cgroup rw,cpuacct
34 31 0:31 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";
    const MEMBERSHIP: &str = "9:name=systemd:/\n4:memory:/a:b\n2:cpuacct:/\n1:cpu:/\n0::/\n";

    fn dir(root: Option<&Root>) -> (&str, Version, u32) {
        let root = root.unwrap();
        (root.dir.to_str().unwrap(), root.version, root.id)
    }

    #[test]
    fn separate_v1_mounts_beside_an_empty_v2_tree() {
        let found = Hierarchies::from_texts(HYBRID, MEMBERSHIP, false, |_| String::new());
        assert_eq!(
            dir(found.cpu.as_ref()),
            ("/sys/fs/cgroup/cpu", Version::V1, 1)
        );
        assert_eq!(
            dir(found.cpuacct.as_ref()),
            ("/sys/fs/cgroup/cpuacct", Version::V1, 2)
        );
        assert_eq!(
            dir(found.memory.as_ref()),
            ("/sys/fs/cgroup/memory", Version::V1, 4)
        );
        assert_eq!(
            dir(found.unified.as_ref()),
            ("/sys/fs/cgroup/unified", Version::V2, 0)
        );
        assert_eq!(found.distinct().count(), 4);
    }

    #[test]
    fn joined_v1_mounts_are_one_hierarchy() {
        let text = "\
33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
";
        let found = Hierarchies::from_texts(text, "3:cpu,cpuacct:/\n4:memory:/\n", false, |_| {
            String::new()
        });
        assert_eq!(found.cpu, found.cpuacct);
        assert_eq!(
            dir(found.cpu.as_ref()),
            ("/sys/fs/cgroup/cpu,cpuacct", Version::V1, 3)
        );
        assert_eq!(found.unified, None);
        assert_eq!(found.distinct().count(), 2);
    }

    #[test]
    fn unified_hosts_have_one_root() {
        let text = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
        let found = Hierarchies::from_texts(text, "0::/init.scope\n", true, |_| {
            "cpuset cpu io memory pids\n".into()
        });
        assert_eq!(dir(found.cpu.as_ref()), ("/sys/fs/cgroup", Version::V2, 0));
        assert_eq!(found.cpu, found.memory);
        assert_eq!(found.distinct().count(), 1);
        let bare = Hierarchies::from_texts(text, "0::/\n", true, |_| "pids\n".into());
        assert_eq!((bare.cpu, bare.memory), (None, None));
    }

    #[test]
    fn controllers_may_be_split_between_v1_and_v2() {
        let text = "\
32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu
41 31 0:38 / /mnt/with\\040space rw - cgroup2 cgroup2 rw
";
        let found = Hierarchies::from_texts(text, "1:cpu:/\n0::/\n", false, |_| "memory\n".into());
        assert_eq!(
            dir(found.memory.as_ref()),
            ("/mnt/with space", Version::V2, 0)
        );
        assert_eq!(
            dir(found.cpu.as_ref()),
            ("/sys/fs/cgroup/cpu", Version::V1, 1)
        );
    }

    #[test]
    fn the_group_that_we_are_in() {
        assert_eq!(own_path(MEMBERSHIP, 4), Some("/a:b"));
        assert_eq!(own_path(MEMBERSHIP, 0), Some("/"));
        assert_eq!(own_path(MEMBERSHIP, 7), None);
        let names = |path| visible(path).map(Path::to_path_buf).collect::<Vec<_>>();
        assert_eq!(
            names("/docker/1/a"),
            ["docker/1/a", "1/a", "a", ""].map(PathBuf::from)
        );
        assert_eq!(names("/"), [PathBuf::new()]);
        assert_eq!(names("/../a"), Vec::<PathBuf>::new());
        for root in Hierarchies::detect().unwrap().distinct() {
            let procs = root.own().unwrap().join("cgroup.procs");
            let us = std::process::id().to_string();
            let members = std::fs::read_to_string(&procs).unwrap();
            assert!(
                members.lines().any(|pid| pid == us),
                "{us} is not in {}",
                procs.display()
            );
        }
        let found = Hierarchies::detect().unwrap();
        let own = found.group_of(std::process::id()).unwrap();
        let root = found.cpu.as_ref().or(found.unified.as_ref()).unwrap();
        assert_eq!(root.group(&own), root.own().unwrap());
        assert_eq!(found.group_of(u32::MAX), None);
    }

    #[test]
    fn garbage_is_no_mount() {
        for line in [
            "",
            "a b",
            "1 2 3 4 5 - ",
            "1 2 3 4 /x rw - ext4 /dev/sda rw",
            "- cgroup",
        ] {
            assert_eq!(parse_mount(line), None, "{line:?}");
        }
        assert_eq!(unescape("a\\134b\\"), "a\\b\\");
    }

    #[test]
    fn this_host_has_some() {
        let found = Hierarchies::detect().unwrap();
        for root in found.distinct() {
            assert!(root.dir.is_dir(), "{root:?}");
        }
        assert!(found.describe().contains("cpu"));
    }
}
