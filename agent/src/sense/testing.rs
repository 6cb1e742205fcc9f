//! Real cgroups for tests: made under a name of this process, removed also after a panic.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use trimtab_core::signal::Resource;

use super::hierarchy::{Hierarchies, Version};
use crate::act::backend::Target;
use crate::act::group::OwnedGroup;

/// A runtime directory in memory, as `/run` is: the marks lie in it and go with it.
pub(crate) fn runtime_dir() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}

/// How long a test waits for a ledger's lock: a process that another test of this program is just
/// starting holds every descriptor until it executes its own program.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A group of a test, with everything in it killed and removed on drop.
pub(crate) struct TestGroup {
    pub(crate) hierarchies: Hierarchies,
    pub(crate) group: OwnedGroup,
}

impl TestGroup {
    /// Makes `trimtab-test-<pid>-<n>`, or says loudly why this host cannot.
    pub(crate) fn make() -> Option<Self> {
        let name = format!(
            "trimtab-test-{}-{}",
            std::process::id(),
            NUMBER.fetch_add(1, Ordering::Relaxed)
        );
        let hierarchies = match Hierarchies::detect() {
            Ok(hierarchies) if hierarchies.cpu.is_some() && hierarchies.memory.is_some() => {
                hierarchies
            }
            other => {
                eprintln!("SKIP: no cpu and memory controllers here: {other:?}");
                return None;
            }
        };
        match OwnedGroup::create(&hierarchies, &name) {
            Ok(group) => Some(Self { hierarchies, group }),
            Err(error) => {
                eprintln!("SKIP: cgroups cannot be made here: {error}");
                None
            }
        }
    }

    /// A group inside this one; it goes with it.
    pub(crate) fn child(&self, name: &str) -> String {
        let path = format!("{}/{name}", self.path());
        OwnedGroup::create(&self.hierarchies, &path).unwrap();
        path
    }

    pub(crate) fn path(&self) -> &str {
        self.group.path()
    }

    pub(crate) fn version(&self) -> Version {
        self.hierarchies.cpu.as_ref().unwrap().version
    }

    pub(crate) fn target(&self, path: &str) -> Target {
        Target::open(&self.hierarchies, path)
            .unwrap()
            .here()
            .unwrap()
    }

    pub(crate) fn file(&self, path: &str, resource: Resource, name: &str) -> PathBuf {
        self.hierarchies
            .of(resource)
            .unwrap()
            .group(path)
            .join(name)
    }

    pub(crate) fn read(&self, path: &str, resource: Resource, name: &str) -> String {
        std::fs::read_to_string(self.file(path, resource, name))
            .unwrap()
            .trim()
            .to_owned()
    }

    pub(crate) fn write(&self, path: &str, resource: Resource, name: &str, value: &str) {
        let file = self.file(path, resource, name);
        std::fs::write(&file, value)
            .unwrap_or_else(|error| panic!("{}: {value}: {error}", file.display()));
    }

    /// The quota of a group as the host writes it: `10000 100000` or `10000`.
    pub(crate) fn quota(&self, path: &str) -> String {
        self.read(
            path,
            Resource::Cpu,
            if self.version() == Version::V2 {
                "cpu.max"
            } else {
                "cpu.cfs_quota_us"
            },
        )
    }

    /// The quota of a group in microseconds, or what stands for none.
    pub(crate) fn quota_us(&self, path: &str) -> String {
        self.quota(path)
            .split(' ')
            .next()
            .unwrap_or_default()
            .to_owned()
    }

    /// Sets a group's quota under a period of 100 ms.
    pub(crate) fn set_quota(&self, path: &str, quota_us: &str) {
        match self.version() {
            Version::V2 => self.write(
                path,
                Resource::Cpu,
                "cpu.max",
                &format!("{quota_us} 100000"),
            ),
            Version::V1 => self.write(path, Resource::Cpu, "cpu.cfs_quota_us", quota_us),
        }
    }

    /// The file of the hard memory limit.
    pub(crate) fn hard_limit(&self) -> &'static str {
        if self.version() == Version::V2 {
            "memory.max"
        } else {
            "memory.limit_in_bytes"
        }
    }

    /// Starts a shell script inside the group: it is there before its first command.
    pub(crate) fn spawn(&self, path: &str, script: &str) -> Process {
        let mut child = Command::new("sh")
            .args(["-c", &format!("read _; {script}")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let group = OwnedGroup::create(&self.hierarchies, path).unwrap();
        group.add(child.id()).unwrap();
        drop(child.stdin.take());
        Process(child)
    }
}

impl Drop for TestGroup {
    fn drop(&mut self) {
        for pid in self.group.processes() {
            if let Some(pid) = pid.try_into().ok().and_then(rustix::process::Pid::from_raw) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
        if let Err(error) = self.group.remove() {
            eprintln!("left behind: {error}");
        }
    }
}

/// A process of a test, killed on drop.
pub(crate) struct Process(pub(crate) Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
