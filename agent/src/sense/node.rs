//! The node: what it has, and what is in use.

use std::path::{Path, PathBuf};

use procfs::{Current, CurrentSI};
use trimtab_core::signal::Amount;

use super::cpu::parse_stat_v2;
use super::file::{KeptFile, Scratch, SenseError, Sight, flat, garbled, number, single};
use super::hierarchy::{Hierarchies, Version};
use super::tree::subdirectories;

/// What the node has and uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// CPUs online, as an amount.
    pub cpu_capacity: Amount,
    /// Time in which CPUs were neither idle nor waiting for I/O, in ns, summed. Of groups that
    /// have gone it may be missing, so it may fall.
    pub cpu_busy_ns: u64,
    /// Memory that the kernel manages, in bytes.
    pub memory_total: u64,
    /// The kernel's estimate of what can be had without swapping, in bytes.
    pub memory_available: u64,
}

/// Reads the node's totals: a few tens of microseconds, for the slow loop.
#[derive(Debug)]
pub struct NodeReader {
    ran: Ran,
}

/// What counts the time for which tasks ran.
#[derive(Debug)]
enum Ran {
    /// v1: the root group's `cpuacct.usage`, to the nanosecond, kernel threads included.
    Root(KeptFile),
    /// v2, whose root only samples: the `cpu.stat` of the groups in this directory. Kernel threads,
    /// which are in none of them, are left out.
    Groups(PathBuf),
    /// `/proc/stat` samples at each timer tick: what runs in step with it is seen always or never.
    Sampled,
}

impl NodeReader {
    /// Chooses the most exact source that there is. In a container that does not see the root
    /// groups, that is `/proc/stat`.
    #[must_use]
    pub fn new(hierarchies: &Hierarchies) -> Self {
        let exact = hierarchies.cpuacct.as_ref().and_then(|root| {
            let is_root = match root.version {
                Version::V1 => root.dir.join("release_agent").exists(),
                Version::V2 => !root.dir.join("cgroup.type").exists(),
            };
            match root.version {
                _ if !is_root => None,
                Version::V1 => KeptFile::open(&root.dir.join("cpuacct.usage"))
                    .ok()
                    .map(Ran::Root),
                Version::V2 => Some(Ran::Groups(root.dir.clone())),
            }
        });
        Self {
            ran: exact.unwrap_or(Ran::Sampled),
        }
    }

    /// Reads all of it once.
    ///
    /// # Errors
    /// `/proc/stat`, `/proc/meminfo` or the root's groups cannot be read or parsed.
    pub fn read(&self, scratch: &mut Scratch) -> Result<Node, SenseError> {
        let failed = |path: &'static str| {
            move |error: procfs::ProcError| SenseError::Io {
                path: path.into(),
                syscall: "read",
                source: std::io::Error::other(error),
            }
        };
        let stat = procfs::KernelStats::current().map_err(failed("/proc/stat"))?;
        let memory = procfs::Meminfo::current().map_err(failed("/proc/meminfo"))?;
        let total = &stat.total;
        let per_tick = 1_000_000_000 / procfs::ticks_per_second().max(1);
        let beside = total.irq.unwrap_or(0) + total.softirq.unwrap_or(0) + total.steal.unwrap_or(0);
        let ran = match &self.ran {
            Ran::Root(file) => file.parse(scratch, single)?.here().unwrap_or_default(),
            Ran::Groups(dir) => groups(dir, scratch)?,
            Ran::Sampled => (total.user + total.nice + total.system).saturating_mul(per_tick),
        };
        Ok(Node {
            cpu_capacity: cpu_capacity(),
            cpu_busy_ns: ran.saturating_add(beside.saturating_mul(per_tick)),
            memory_total: memory.mem_total,
            memory_available: memory.mem_available.unwrap_or(memory.mem_free),
        })
    }
}

/// For how long the tasks of all groups in a directory have run, in ns.
fn groups(dir: &Path, scratch: &mut Scratch) -> Result<u64, SenseError> {
    let mut ran = 0u64;
    for (name, _) in subdirectories(dir)? {
        let file = match KeptFile::open(&dir.join(name).join("cpu.stat")) {
            Ok(file) => file,
            Err(error) if error.means_gone() => continue,
            Err(error) => return Err(error),
        };
        let stat = file.parse(scratch, parse_stat_v2)?.here();
        ran = ran.saturating_add(stat.and_then(|stat| stat.usage_ns).unwrap_or_default());
    }
    Ok(ran)
}

/// The CPUs that are online, whatever this process itself may run on.
#[must_use]
pub fn cpu_capacity() -> Amount {
    let online = std::fs::read_to_string("/sys/devices/system/cpu/online").ok();
    let count = online
        .as_deref()
        .and_then(cpu_list_len)
        .unwrap_or_else(allowed_cpus);
    Amount(count.saturating_mul(Amount::CPU.0))
}

/// How many CPUs a list such as `0-3,8` names.
fn cpu_list_len(text: &str) -> Option<u64> {
    text.trim().split(',').try_fold(0u64, |sum, part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
        sum.checked_add(last.checked_sub(first)?.checked_add(1)?)
    })
}

/// The CPUs that this process may run on: what is left to ask where `/sys` is not mounted.
fn allowed_cpus() -> u64 {
    rustix::thread::sched_getaffinity(None).map_or(1, |set| u64::from(set.count()).max(1))
}

/// `MemAvailable`, cheap enough for the fast loop: one `pread` into a buffer on the stack.
#[derive(Debug)]
pub struct Available {
    file: KeptFile,
}

impl Available {
    /// Opens `/proc/meminfo`.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open() -> Result<Self, SenseError> {
        Ok(Self {
            file: KeptFile::open(Path::new("/proc/meminfo"))?,
        })
    }

    /// Bytes that can be had without swapping at this moment.
    ///
    /// # Errors
    /// The file cannot be read or parsed.
    pub fn read(&self) -> Result<u64, SenseError> {
        let mut buffer = [0; 4096];
        match self.file.read(&mut buffer)? {
            Sight::Here(text) => {
                parse_available(text).ok_or_else(|| garbled(self.file.path(), text))
            }
            Sight::Gone => Err(garbled(self.file.path(), b"")),
        }
    }
}

/// `MemAvailable` in bytes.
fn parse_available(text: &[u8]) -> Option<u64> {
    let (_, value) = flat(text).find(|(key, _)| *key == b"MemAvailable:")?;
    number(value.trim_ascii().strip_suffix(b" kB")?)?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_lists() {
        for (text, count) in [
            ("0-1\n", Some(2)),
            ("0", Some(1)),
            ("0-3,8,10-11", Some(7)),
            ("", None),
            ("3-1", None),
        ] {
            assert_eq!(cpu_list_len(text), count, "{text:?}");
        }
        assert!(allowed_cpus() >= 1);
    }

    #[test]
    fn available_from_the_text() {
        let text = b"MemTotal:       16384256 kB\nMemFree:         1000000 kB\nMemAvailable:    8234567 kB\n";
        assert_eq!(parse_available(text), Some(8_234_567 * 1024));
        for length in 0..text.len() - 4 {
            assert_eq!(parse_available(&text[..length]), None, "cut at {length}");
        }
    }

    #[test]
    fn both_readers_agree_about_this_host() {
        let hierarchies = Hierarchies::detect().unwrap();
        let node = NodeReader::new(&hierarchies)
            .read(&mut Scratch::new())
            .unwrap();
        assert!(node.cpu_capacity >= Amount::CPU);
        assert!(node.cpu_busy_ns > 0);
        let available = Available::open().unwrap().read().unwrap();
        assert!(available <= node.memory_total);
        let gap = available.abs_diff(node.memory_available);
        assert!(
            gap < node.memory_total / 4,
            "{available} and {}",
            node.memory_available
        );
    }
}
