//! The node: what it has, and what is in use.

use std::path::{Path, PathBuf};

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

/// Reads the node's totals, for the slow loop; allocates nothing while groups neither come nor go.
#[derive(Debug)]
pub struct NodeReader {
    ran: Ran,
    stat: KeptFile,
    memory: KeptFile,
    /// `None` where `/sys` is not mounted.
    online: Option<KeptFile>,
}

/// What counts the time for which tasks ran.
#[derive(Debug)]
enum Ran {
    /// v1: the root group's `cpuacct.usage`, to the nanosecond, kernel threads included.
    Root(KeptFile),
    /// v2, whose root only samples: the `cpu.stat` of the groups in this directory, `None` while that
    /// has to be looked at. Kernel threads, which are in none of them, are left out.
    Groups(PathBuf, Option<Vec<KeptFile>>),
    /// `/proc/stat` samples at each timer tick: what runs in step with it is seen always or never.
    Sampled,
}

/// The first line of `/proc/stat`: all CPUs together since boot, in timer ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sampled {
    /// User, nice and system.
    ran: u64,
    /// Interrupts, softirqs, and what a hypervisor took.
    beside: u64,
}

impl NodeReader {
    /// Chooses the most exact source that there is. In a container that does not see the root
    /// groups, that is `/proc/stat`.
    ///
    /// # Errors
    /// `/proc/stat` or `/proc/meminfo` cannot be opened.
    pub fn new(hierarchies: &Hierarchies) -> Result<Self, SenseError> {
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
                Version::V2 => Some(Ran::Groups(root.dir.clone(), None)),
            }
        });
        Ok(Self {
            ran: exact.unwrap_or(Ran::Sampled),
            stat: KeptFile::open(Path::new("/proc/stat"))?,
            memory: KeptFile::open(Path::new("/proc/meminfo"))?,
            online: KeptFile::open(Path::new(ONLINE)).ok(),
        })
    }

    /// Groups right below the root have come or gone.
    pub fn look_again(&mut self) {
        if let Ran::Groups(_, kept) = &mut self.ran {
            *kept = None;
        }
    }

    /// Reads all of it once.
    ///
    /// # Errors
    /// `/proc/stat`, `/proc/meminfo` or the root's groups cannot be read or parsed.
    pub fn read(&mut self, scratch: &mut Scratch) -> Result<Node, SenseError> {
        let sampled = self.sampled(scratch)?;
        let (memory_total, memory_available) = self
            .memory
            .parse(scratch, parse_memory)?
            .here()
            .unwrap_or_default();
        let per_tick = 1_000_000_000 / procfs::ticks_per_second().max(1);
        let ran = match &mut self.ran {
            Ran::Root(file) => file.parse(scratch, single)?.here().unwrap_or_default(),
            Ran::Groups(dir, kept) => {
                let files = match kept.take() {
                    Some(files) => files,
                    None => open_groups(dir)?,
                };
                groups(kept.insert(files), scratch)?
            }
            Ran::Sampled => sampled.ran.saturating_mul(per_tick),
        };
        Ok(Node {
            cpu_capacity: self.capacity(scratch),
            cpu_busy_ns: ran.saturating_add(sampled.beside.saturating_mul(per_tick)),
            memory_total,
            memory_available,
        })
    }

    /// The first line of `/proc/stat`; the rest may be longer than any buffer.
    fn sampled(&self, scratch: &mut Scratch) -> Result<Sampled, SenseError> {
        let Sight::Here(text) = self.stat.head(scratch.bytes())? else {
            return Ok(Sampled::default());
        };
        parse_sampled(text).ok_or_else(|| garbled(self.stat.path(), text))
    }

    fn capacity(&self, scratch: &mut Scratch) -> Amount {
        let count = |file: &KeptFile| {
            let text = file.read(scratch.bytes()).ok()?.here()?;
            cpu_list_len(std::str::from_utf8(text).ok()?)
        };
        let online = self.online.as_ref().and_then(count);
        Amount(
            online
                .unwrap_or_else(allowed_cpus)
                .saturating_mul(Amount::CPU.0),
        )
    }
}

/// The `cpu.stat` of every group in a directory.
fn open_groups(dir: &Path) -> Result<Vec<KeptFile>, SenseError> {
    let mut files = Vec::new();
    for (name, _) in subdirectories(dir)? {
        match KeptFile::open(&dir.join(name).join("cpu.stat")) {
            Ok(file) => files.push(file),
            Err(error) if error.means_gone() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(files)
}

/// For how long the tasks of all these groups have run, in ns.
fn groups(files: &[KeptFile], scratch: &mut Scratch) -> Result<u64, SenseError> {
    let mut ran = 0u64;
    for file in files {
        let stat = file.parse(scratch, parse_stat_v2)?.here();
        ran = ran.saturating_add(stat.and_then(|stat| stat.usage_ns).unwrap_or_default());
    }
    Ok(ran)
}

/// `cpu user nice system idle iowait irq softirq steal ...`
fn parse_sampled(text: &[u8]) -> Option<Sampled> {
    let line = text.split(|byte| *byte == b'\n').next()?;
    let mut fields = line
        .strip_prefix(b"cpu ")?
        .split(|byte| *byte == b' ')
        .filter(|field| !field.is_empty());
    let mut next = || number(fields.next()?);
    let (user, nice, system) = (next()?, next()?, next()?);
    let (_idle, _iowait) = (next()?, next()?);
    let mut later = || next().unwrap_or_default();
    Some(Sampled {
        ran: user + nice + system,
        beside: later() + later() + later(),
    })
}

/// `MemTotal` and `MemAvailable` in bytes.
fn parse_memory(text: &[u8]) -> Option<(u64, u64)> {
    Some((parse_bytes(text, b"MemTotal:")?, parse_available(text)?))
}

/// Where the kernel lists the CPUs that are online.
const ONLINE: &str = "/sys/devices/system/cpu/online";

/// The CPUs that are online, whatever this process itself may run on.
#[must_use]
pub fn cpu_capacity() -> Amount {
    let online = std::fs::read_to_string(ONLINE).ok();
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
    parse_bytes(text, b"MemAvailable:")
}

/// A line of `/proc/meminfo`, in bytes.
fn parse_bytes(text: &[u8], name: &[u8]) -> Option<u64> {
    let (_, value) = flat(text).find(|(key, _)| *key == name)?;
    number(value.trim_ascii().strip_suffix(b" kB")?)?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::allocations::allocations;

    #[test]
    fn the_first_line_of_stat() {
        let text = b"cpu  100 20 3 4000 50 6 7 8 9 10\ncpu0 1 2 3\nintr 5";
        let sampled = Sampled {
            ran: 123,
            beside: 21,
        };
        assert_eq!(parse_sampled(text), Some(sampled));
        assert_eq!(
            parse_sampled(b"cpu  100 20 3 4000 50"),
            Some(Sampled {
                beside: 0,
                ..sampled
            }),
            "older kernels have fewer"
        );
        for bad in [
            &b"cpu  100 20"[..],
            b"",
            b"cpu0 1 2 3 4 5 6",
            b"cpu a b c d e",
        ] {
            assert_eq!(parse_sampled(bad), None, "{bad:?}");
        }
    }

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
        let mut reader = NodeReader::new(&hierarchies).unwrap();
        let mut scratch = Scratch::new();
        let node = reader.read(&mut scratch).unwrap();
        let again = || {
            reader.read(&mut scratch).unwrap();
        };
        assert_eq!(allocations(again), 0);
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
