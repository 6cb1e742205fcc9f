//! Memory use, composition and limits of one cgroup.

use std::os::fd::BorrowedFd;
use std::path::Path;

use trimtab_core::signal::Amount;

use super::faults::{self, Faults};
use super::file::{KeptFile, Scratch, SenseError, Sight, flat, limit, number, single};
use super::hierarchy::Version;

/// v1 prints 'no limit' as the largest number of pages that it can count, in bytes: everything
/// from here on means none, whatever the page size.
pub const V1_UNLIMITED: u64 = i64::MAX as u64 - 0xff_ffff;

/// What a group's memory is made of, in bytes, descendants included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryStat {
    /// Anonymous memory: cannot be dropped, only swapped.
    pub anon: u64,
    /// Page cache, tmpfs included.
    pub file: u64,
    /// Page cache not used lately: the first to be dropped.
    pub inactive_file: u64,
    /// Page cache in use.
    pub active_file: u64,
    /// tmpfs and shared anonymous memory: part of `file`, but cannot be dropped.
    pub shmem: u64,
    /// Memory that is locked.
    pub unevictable: u64,
    /// Written pages that must reach the disk before they can be dropped.
    pub dirty: u64,
    /// Kernel objects that can be dropped (v2 only, 0 on v1).
    pub slab_reclaimable: u64,
    /// Pages that were wanted again soon after they had been dropped or swapped out; 0 before 5.9,
    /// which did not count them so.
    pub refaults: u64,
}

impl MemoryStat {
    /// Bytes that the kernel can drop without swap: file pages that are not shared memory. Dirty
    /// ones are among them: whoever fills a group with what it writes waits for the disk, and is
    /// not killed.
    #[must_use]
    pub const fn droppable(&self) -> u64 {
        self.inactive_file
            .saturating_add(self.active_file)
            .saturating_add(self.slab_reclaimable)
    }
}

/// How often the group met its limits since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryEvents {
    /// Times that a task went over `memory.high` (v2 only).
    pub high: u64,
    /// Times that use was about to go over the hard limit: `max`, or `memory.failcnt` on v1.
    pub max: u64,
    /// Times that the OOM killer was called (v2 only).
    pub oom: u64,
    /// Processes killed by the OOM killer.
    pub oom_kill: u64,
}

/// One look at a group's memory files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Bytes charged now.
    pub current: u64,
    /// What they are.
    pub stat: MemoryStat,
    /// The limit above which tasks are slowed and reclaim; unlimited on v1, which has none.
    pub high: Amount,
    /// The hard limit.
    pub max: Amount,
    /// Counters.
    pub events: MemoryEvents,
}

impl Memory {
    /// Bytes that the workload needs: what is charged less what can be dropped at once.
    #[must_use]
    pub const fn needed(&self) -> u64 {
        self.current.saturating_sub(self.stat.droppable())
    }

    /// The working set as Kubernetes counts it: charged less inactive page cache.
    #[must_use]
    pub const fn working_set(&self) -> u64 {
        self.current.saturating_sub(self.stat.inactive_file)
    }

    /// The lower of the two limits.
    #[must_use]
    pub fn effective_limit(&self) -> Amount {
        self.high.min(self.max)
    }
}

/// `memory.stat` of v2.
#[must_use]
pub fn parse_stat_v2(text: &[u8]) -> Option<MemoryStat> {
    let mut stat = MemoryStat::default();
    let mut seen = 0;
    for (key, value) in flat(text) {
        let field = match key {
            b"anon" => &mut stat.anon,
            b"file" => &mut stat.file,
            b"inactive_file" => &mut stat.inactive_file,
            b"active_file" => &mut stat.active_file,
            b"shmem" => &mut stat.shmem,
            b"unevictable" => &mut stat.unevictable,
            b"file_dirty" => &mut stat.dirty,
            b"slab_reclaimable" => &mut stat.slab_reclaimable,
            b"workingset_refault_anon" | b"workingset_refault_file" => {
                stat.refaults = stat.refaults.saturating_add(number(value)?);
                continue;
            }
            _ => continue,
        };
        *field = number(value)?;
        seen += 1;
    }
    (seen == 8).then_some(stat)
}

/// `memory.stat` of v1: the `total_` lines, which include descendants.
#[must_use]
pub fn parse_stat_v1(text: &[u8]) -> Option<MemoryStat> {
    let mut stat = MemoryStat::default();
    let mut seen = 0;
    for (key, value) in flat(text) {
        let field = match key {
            b"total_rss" => &mut stat.anon,
            b"total_cache" => &mut stat.file,
            b"total_inactive_file" => &mut stat.inactive_file,
            b"total_active_file" => &mut stat.active_file,
            b"total_shmem" => &mut stat.shmem,
            b"total_unevictable" => &mut stat.unevictable,
            b"total_dirty" => &mut stat.dirty,
            b"total_workingset_refault_anon" | b"total_workingset_refault_file" => {
                stat.refaults = stat.refaults.saturating_add(number(value)?);
                continue;
            }
            _ => continue,
        };
        *field = number(value)?;
        seen += 1;
    }
    (seen == 7).then_some(stat)
}

/// `memory.events` of v2.
#[must_use]
pub fn parse_events(text: &[u8]) -> Option<MemoryEvents> {
    let mut events = MemoryEvents::default();
    let mut seen = 0;
    for (key, value) in flat(text) {
        let field = match key {
            b"high" => &mut events.high,
            b"max" => &mut events.max,
            b"oom" => &mut events.oom,
            b"oom_kill" => &mut events.oom_kill,
            _ => continue,
        };
        *field = number(value)?;
        seen += 1;
    }
    (seen == 4).then_some(events)
}

/// The kills in `memory.oom_control` of v1; 0 before 4.13, which did not count them.
#[must_use]
pub fn parse_oom_control(text: &[u8]) -> Option<u64> {
    let mut seen = false;
    let mut kills = 0;
    for (key, value) in flat(text) {
        match key {
            b"under_oom" => seen = true,
            b"oom_kill" => kills = number(value)?,
            _ => {}
        }
    }
    seen.then_some(kills)
}

/// A limit in bytes as the kernel counts it, where a huge number is none.
#[must_use]
pub const fn memory_amount(bytes: u64) -> Amount {
    if bytes >= V1_UNLIMITED {
        Amount::UNLIMITED
    } else {
        Amount(bytes)
    }
}

/// A limit of v1, where a huge number is none.
#[must_use]
pub fn parse_limit_v1(text: &[u8]) -> Option<Amount> {
    limit(text).map(memory_amount)
}

/// The descriptors of one group's memory files.
#[derive(Debug)]
pub struct MemoryReader {
    version: Version,
    current: KeptFile,
    stat: KeptFile,
    high: Option<KeptFile>,
    max: KeptFile,
    events: Option<KeptFile>,
    failures: Option<KeptFile>,
}

impl MemoryReader {
    /// Opens the files of the group whose directory in the memory hierarchy is `dir`; `None`
    /// where the controller is not enabled for the group.
    ///
    /// # Errors
    /// A file is there but cannot be opened.
    pub fn open(
        version: Version,
        dir: (BorrowedFd<'_>, &Path),
    ) -> Result<Option<Self>, SenseError> {
        let open = |name| KeptFile::open_in(dir.0, dir.1, name);
        let (current, max) = match version {
            Version::V2 => (open("memory.current")?, open("memory.max")?),
            Version::V1 => (
                open("memory.usage_in_bytes")?,
                open("memory.limit_in_bytes")?,
            ),
        };
        let (Some(current), Some(max), Some(stat)) = (current, max, open("memory.stat")?) else {
            return Ok(None);
        };
        let v2 = version == Version::V2;
        Ok(Some(Self {
            version,
            current,
            stat,
            high: if v2 { open("memory.high")? } else { None },
            max,
            events: open(if v2 {
                "memory.events"
            } else {
                "memory.oom_control"
            })?,
            failures: if v2 { None } else { open("memory.failcnt")? },
        }))
    }

    /// Opens the file with the most bytes that were ever charged; `None` where the kernel has no
    /// such file (v2 before 5.19). Apart, since nobody but `trimtab run` asks.
    ///
    /// # Errors
    /// The file is there but cannot be opened.
    pub fn open_peak(
        version: Version,
        dir: (BorrowedFd<'_>, &Path),
    ) -> Result<Option<KeptFile>, SenseError> {
        let name = match version {
            Version::V2 => "memory.peak",
            Version::V1 => "memory.max_usage_in_bytes",
        };
        KeptFile::open_in(dir.0, dir.1, name)
    }

    /// Closes files until they are read again: those of which only a full reading has need, and of the others as many
    /// as are too many.
    pub fn rest(&mut self) {
        self.stat.close();
        let counts = [&mut self.events, &mut self.failures];
        counts.into_iter().flatten().for_each(KeptFile::close);
        let limits = [&mut self.current, &mut self.max].into_iter();
        limits.chain(&mut self.high).for_each(KeptFile::rest);
    }

    /// Bytes charged now.
    ///
    /// # Errors
    /// The file cannot be read or parsed.
    pub fn current(&self, scratch: &mut Scratch) -> Result<Sight<u64>, SenseError> {
        self.current.parse(scratch, single)
    }

    /// What the charged bytes are: the fast loop asks before it takes page cache for need.
    ///
    /// # Errors
    /// The file cannot be read or parsed.
    pub fn stat(&self, scratch: &mut Scratch) -> Result<Sight<MemoryStat>, SenseError> {
        let parser = if self.version == Version::V2 {
            parse_stat_v2
        } else {
            parse_stat_v1
        };
        self.stat.parse(scratch, parser)
    }

    /// Refaults and major faults.
    ///
    /// # Errors
    /// The file cannot be read, or the kernel does not count them (before 5.9).
    pub fn faults(&self, scratch: &mut Scratch) -> Result<Sight<Faults>, SenseError> {
        let parser = match self.version {
            Version::V1 => faults::parse_v1,
            Version::V2 => faults::parse_v2,
        };
        self.stat.parse(scratch, parser)
    }

    /// Counters.
    ///
    /// # Errors
    /// A file cannot be read or parsed.
    pub fn events(&self, scratch: &mut Scratch) -> Result<Sight<MemoryEvents>, SenseError> {
        let Some(file) = &self.events else {
            return Ok(Sight::Here(MemoryEvents::default()));
        };
        if self.version == Version::V2 {
            return file.parse(scratch, parse_events);
        }
        let Sight::Here(oom_kill) = file.parse(scratch, parse_oom_control)? else {
            return Ok(Sight::Gone);
        };
        let max = match &self.failures {
            None => 0,
            Some(file) => match file.parse(scratch, single)? {
                Sight::Here(count) => count,
                Sight::Gone => return Ok(Sight::Gone),
            },
        };
        Ok(Sight::Here(MemoryEvents {
            high: 0,
            max,
            oom: 0,
            oom_kill,
        }))
    }

    /// The limits: `memory.high` (unlimited on v1) and the hard one.
    ///
    /// # Errors
    /// A file cannot be read or parsed.
    pub fn limits(&self, scratch: &mut Scratch) -> Result<Sight<(Amount, Amount)>, SenseError> {
        if self.version == Version::V1 {
            return Ok(match self.max.parse(scratch, parse_limit_v1)? {
                Sight::Here(max) => Sight::Here((Amount::UNLIMITED, max)),
                Sight::Gone => Sight::Gone,
            });
        }
        let high = match &self.high {
            None => Amount::UNLIMITED,
            Some(file) => match file.parse(scratch, limit)? {
                Sight::Here(high) => Amount(high),
                Sight::Gone => return Ok(Sight::Gone),
            },
        };
        Ok(match self.max.parse(scratch, limit)? {
            Sight::Here(max) => Sight::Here((high, Amount(max))),
            Sight::Gone => Sight::Gone,
        })
    }

    /// Everything.
    ///
    /// # Errors
    /// A file cannot be read or parsed.
    pub fn read(&self, scratch: &mut Scratch) -> Result<Sight<Memory>, SenseError> {
        let Sight::Here(current) = self.current(scratch)? else {
            return Ok(Sight::Gone);
        };
        let Sight::Here(stat) = self.stat(scratch)? else {
            return Ok(Sight::Gone);
        };
        let Sight::Here((high, max)) = self.limits(scratch)? else {
            return Ok(Sight::Gone);
        };
        let Sight::Here(events) = self.events(scratch)? else {
            return Ok(Sight::Gone);
        };
        Ok(Sight::Here(Memory {
            current,
            stat,
            high,
            max,
            events,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT_V2: &[u8] = b"anon 1052672\nfile 8192000\nkernel 491520\nkernel_stack 32768\nshmem 4096\n\
        file_mapped 0\nfile_dirty 135168\nfile_writeback 0\nswapcached 0\ninactive_anon 1048576\nactive_anon 4096\n\
        inactive_file 8056832\nactive_file 131072\nunevictable 0\nslab_reclaimable 300000\nslab_unreclaimable 100\n";
    const STAT_V1: &[u8] = b"cache 9850880\nrss 8744960\ninactive_file 28672\nhierarchical_memory_limit 8388608\n\
        total_cache 2849984512\ntotal_rss 15933440\ntotal_rss_huge 0\ntotal_shmem 9084928\ntotal_dirty 73728\n\
        total_inactive_file 1286561792\ntotal_active_file 1554337792\ntotal_unevictable 16297984\n";

    #[test]
    fn stat_of_both_versions() {
        let stat = parse_stat_v2(STAT_V2).unwrap();
        assert_eq!(
            (stat.anon, stat.file, stat.shmem, stat.dirty),
            (1_052_672, 8_192_000, 4_096, 135_168)
        );
        assert_eq!(stat.droppable(), 8_056_832 + 131_072 + 300_000);
        assert_eq!(stat.refaults, 0, "an old kernel does not count them");
        let newer = [
            STAT_V2,
            b"workingset_refault_anon 3\nworkingset_refault_file 4\n",
        ];
        assert_eq!(parse_stat_v2(&newer.concat()).unwrap().refaults, 7);
        let stat = parse_stat_v1(STAT_V1).unwrap();
        assert_eq!(
            (stat.anon, stat.file),
            (15_933_440, 2_849_984_512),
            "descendants are included"
        );
        assert_eq!(stat.unevictable, 16_297_984);
        let newer = [
            STAT_V1,
            b"workingset_refault_file 9\ntotal_workingset_refault_anon 1\ntotal_workingset_refault_file 9\n",
        ];
        assert_eq!(parse_stat_v1(&newer.concat()).unwrap().refaults, 10);
    }

    #[test]
    fn damaged_files_are_refused() {
        // The last line asked for decides: every shorter text must be refused, never half read.
        let needed =
            STAT_V2.iter().rposition(|b| *b == b'\n').unwrap() - b"slab_unreclaimable 100\n".len();
        for length in 0..needed - b"300000".len() {
            assert_eq!(parse_stat_v2(&STAT_V2[..length]), None, "{length}");
        }
        for length in 0..STAT_V1.len() - b"16297984\n".len() {
            assert_eq!(parse_stat_v1(&STAT_V1[..length]), None, "{length}");
        }
        assert_eq!(parse_events(b"low 0\nhigh 3\nmax 1\noom 0\n"), None);
        assert_eq!(parse_oom_control(b"oom_kill_disable 0\n"), None);
        assert_eq!(parse_limit_v1(b"12x\n"), None);
    }

    #[test]
    fn events_and_limits() {
        let events =
            parse_events(b"low 0\nhigh 3\nmax 4\noom 5\noom_kill 6\noom_group_kill 0\n").unwrap();
        assert_eq!(
            events,
            MemoryEvents {
                high: 3,
                max: 4,
                oom: 5,
                oom_kill: 6
            }
        );
        assert_eq!(
            parse_oom_control(b"oom_kill_disable 0\nunder_oom 0\noom_kill 7\n"),
            Some(7)
        );
        assert_eq!(
            parse_oom_control(b"oom_kill_disable 0\nunder_oom 0\n"),
            Some(0)
        );
        assert_eq!(
            parse_limit_v1(b"9223372036854771712\n"),
            Some(Amount::UNLIMITED)
        );
        assert_eq!(
            parse_limit_v1(b"9223372036854710272\n"),
            Some(Amount::UNLIMITED),
            "64 KiB pages"
        );
        assert_eq!(parse_limit_v1(b"67108864\n"), Some(Amount(67_108_864)));
    }
}
