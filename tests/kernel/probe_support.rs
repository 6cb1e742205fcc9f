//! What the probes' tests share: groups and processes that go away with the test.
#![expect(clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use trimtab::probe::{Event, Law, Options, Probe, ProbeSet, Probes, Ring};

/// Probe tests take turns: each loads its own probes, and all of them would hear of every group.
pub(crate) fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Loads only these probes, leaving the named hooks detached; `None`, with a loud line, where the
/// kernel or the permissions do not allow it.
pub(crate) fn load(probes: &[Probe], detached: &[&str]) -> Option<(Probes, Ring)> {
    load_with(probes, detached, Law::default())
}

/// The same, with another law for nearly spent quotas.
pub(crate) fn load_with(probes: &[Probe], detached: &[&str], law: Law) -> Option<(Probes, Ring)> {
    let options = Options {
        law,
        probes: probes
            .iter()
            .fold(ProbeSet::NONE, |set, probe| set.with(*probe)),
        detached: detached.iter().map(|hook| (*hook).to_owned()).collect(),
        ..Options::default()
    };
    match Probes::load(&options) {
        Ok(mut probes) => {
            let ring = probes.take_ring().expect("the ring is there once");
            Some((probes, ring))
        }
        Err(error) => {
            println!("SKIP: no probes here: {error}");
            None
        }
    }
}

/// Collects events until `done` says that they are enough, or the time is over.
pub(crate) fn collect(
    ring: &mut Ring,
    limit: Duration,
    mut done: impl FnMut(&[Event]) -> bool,
) -> Vec<Event> {
    let mut events = Vec::new();
    let end = Instant::now() + limit;
    while !done(&events) && Instant::now() < end {
        if ring.for_each(|event| events.push(*event)) == 0 {
            thread::sleep(Duration::from_micros(200));
        }
    }
    events
}

/// A cgroup of this test's own, with its processes; all go away with it.
pub(crate) struct Group {
    path: PathBuf,
    children: Vec<Child>,
}

impl Group {
    /// A group under the root of the controller's hierarchy; `None`, with a loud line, where
    /// there is none to be made.
    pub(crate) fn new(controller: &str) -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let v1 = PathBuf::from("/sys/fs/cgroup").join(controller);
        let root = if v1.join("cgroup.procs").exists() {
            v1
        } else {
            PathBuf::from("/sys/fs/cgroup")
        };
        let path = root.join(format!("trimtab-probe-{}-{number}", std::process::id()));
        match fs::create_dir(&path) {
            Ok(()) => Some(Self {
                path,
                children: Vec::new(),
            }),
            Err(error) => {
                println!("SKIP: cannot make {}: {error}", path.display());
                None
            }
        }
    }

    pub(crate) fn child(&self, name: &str) -> Self {
        let path = self.path.join(name);
        fs::create_dir(&path).expect("a child group");
        Self {
            path,
            children: Vec::new(),
        }
    }

    pub(crate) fn is_v2(&self) -> bool {
        self.path.join("cgroup.controllers").exists()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn id(&self) -> u64 {
        fs::metadata(&self.path).expect("the group").ino()
    }

    pub(crate) fn write(&self, file: &str, value: &str) {
        fs::write(self.path.join(file), value).expect(file);
    }

    pub(crate) fn read(&self, file: &str) -> String {
        fs::read_to_string(self.path.join(file)).expect(file)
    }

    /// Quota and period in us; no quota below 0.
    pub(crate) fn set_quota(&self, quota_us: i64, period_us: u64) {
        if self.is_v2() {
            let quota = if quota_us < 0 {
                "max".to_owned()
            } else {
                quota_us.to_string()
            };
            self.write("cpu.max", &format!("{quota} {period_us}"));
        } else {
            self.write("cpu.cfs_period_us", &period_us.to_string());
            self.write("cpu.cfs_quota_us", &quota_us.to_string());
        }
    }

    pub(crate) fn set_memory_max(&self, bytes: u64) {
        self.write(
            if self.is_v2() {
                "memory.max"
            } else {
                "memory.limit_in_bytes"
            },
            &bytes.to_string(),
        );
    }

    /// A counter of `cpu.stat`.
    pub(crate) fn cpu_stat(&self, key: &str) -> u64 {
        self.read("cpu.stat")
            .lines()
            .find_map(|line| line.strip_prefix(key)?.trim().parse().ok())
            .unwrap_or_default()
    }

    /// Starts a shell in this group; it waits for a line on its input before it runs `script`.
    pub(crate) fn shell(&mut self, script: &str) -> u32 {
        let procs = self.path.join("cgroup.procs");
        let child = Command::new("sh")
            .arg("-c")
            .arg(format!("echo $$ > {}; {script}", procs.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh");
        let pid = child.id();
        self.children.push(child);
        pid
    }

    /// Starts a process in this group that never stops running.
    pub(crate) fn spin(&mut self) -> u32 {
        self.shell("while :; do :; done")
    }

    /// Ends this group's processes, and what these have started.
    pub(crate) fn stop(&mut self) {
        let end = Instant::now() + Duration::from_secs(5);
        while Instant::now() < end {
            let procs = fs::read_to_string(self.path.join("cgroup.procs")).unwrap_or_default();
            let pids: Vec<_> = procs
                .lines()
                .filter_map(|pid| Pid::from_raw(pid.parse().ok()?))
                .collect();
            if pids.is_empty() {
                break;
            }
            for pid in pids {
                let _ = kill_process(pid, Signal::KILL);
            }
            for child in &mut self.children {
                let _ = child.try_wait();
            }
            thread::sleep(Duration::from_millis(2));
        }
        for mut child in self.children.drain(..) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.stop();
        // A process that has just died may hold the group for a moment.
        for _ in 0..100 {
            match fs::remove_dir(&self.path) {
                Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
                    thread::sleep(Duration::from_millis(10));
                }
                _ => break,
            }
        }
    }
}
