//! What the probes lost, by cause.

use std::os::fd::{AsFd as _, AsRawFd as _};

use aya::maps::Map;
use memmap2::{MmapOptions, MmapRaw};
use trimtab_ebpf::lost;

use super::Error;

/// The kernel's counters, one set per CPU, mapped: to read them takes no call.
pub struct Lost {
    counts: MmapRaw,
    cpus: usize,
}

/// Sums over all CPUs since the probes were loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Events for which the ring had no room.
    pub ring_full: u64,
    /// Run-queue samples of groups that are not registered.
    pub unknown_group: u64,
    /// Run-queue samples whose start another task had overwritten.
    pub collision: u64,
    /// Run-queue samples that ended before they began.
    pub backwards: u64,
    /// Walks that ended before they reached the root.
    pub too_deep: u64,
    /// Objects that were going away while they were read.
    pub stale: u64,
    /// Requests that a group answered which is not registered.
    pub unknown_server: u64,
    /// Accepted connections for which there was no memory.
    pub no_storage: u64,
    /// Reclaims and requests that began while too many were under way.
    pub no_room: u64,
}

impl Lost {
    /// Maps the counters of so many CPUs.
    pub(super) fn new(map: &Map, cpus: u32) -> Result<Self, Error> {
        const LOST: &str = "LOST";
        let Map::Array(data) = map else {
            return Err(Error::Missing {
                what: "map",
                name: LOST,
            });
        };
        let cpus = cpus as usize;
        let counts = MmapOptions::new()
            .len(cpus * lost::ROOM * size_of::<u64>())
            .map_raw_read_only(data.fd().as_fd().as_raw_fd())
            .map_err(|source| Error::Mmap { map: LOST, source })?;
        Ok(Self { counts, cpus })
    }

    /// Events for which the ring had no room.
    #[must_use]
    pub fn ring_full(&self) -> u64 {
        self.sum(lost::RING_FULL)
    }

    /// Reads all counters.
    #[must_use]
    pub fn read(&self) -> Losses {
        Losses {
            ring_full: self.ring_full(),
            unknown_group: self.sum(lost::UNKNOWN_GROUP),
            collision: self.sum(lost::COLLISION),
            backwards: self.sum(lost::BACKWARDS),
            too_deep: self.sum(lost::TOO_DEEP),
            stale: self.sum(lost::STALE),
            unknown_server: self.sum(lost::UNKNOWN_SERVER),
            no_storage: self.sum(lost::NO_STORAGE),
            no_room: self.sum(lost::NO_ROOM),
        }
    }

    fn sum(&self, cause: u32) -> u64 {
        #[expect(clippy::cast_ptr_alignment, reason = "a mapping begins at a page")]
        let first = self.counts.as_ptr().cast::<u64>();
        let place = |cpu: usize| cpu * lost::ROOM + cause as usize;
        // SAFETY: the mapping holds `ROOM` counters for each CPU and begins at a page; the kernel writes
        // there meanwhile, hence volatile.
        let count = |cpu| unsafe { first.add(place(cpu)).read_volatile() };
        (0..self.cpus).map(count).sum()
    }
}
