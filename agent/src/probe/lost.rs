//! What the probes lost, by cause.

use aya::maps::{MapData, PerCpuArray};
use trimtab_ebpf::lost;

use super::{Error, load::map_error};

/// The kernel's counters, one set per CPU.
pub struct Lost {
    counts: PerCpuArray<MapData, u64>,
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
    pub(super) const fn new(counts: PerCpuArray<MapData, u64>) -> Self {
        Self { counts }
    }

    /// Reads the counters.
    ///
    /// # Errors
    /// The system call's error.
    pub fn read(&self) -> Result<Losses, Error> {
        Ok(Losses {
            ring_full: self.sum(lost::RING_FULL)?,
            unknown_group: self.sum(lost::UNKNOWN_GROUP)?,
            collision: self.sum(lost::COLLISION)?,
            backwards: self.sum(lost::BACKWARDS)?,
            too_deep: self.sum(lost::TOO_DEEP)?,
            stale: self.sum(lost::STALE)?,
            unknown_server: self.sum(lost::UNKNOWN_SERVER)?,
            no_storage: self.sum(lost::NO_STORAGE)?,
            no_room: self.sum(lost::NO_ROOM)?,
        })
    }

    fn sum(&self, cause: u32) -> Result<u64, Error> {
        let values = self
            .counts
            .get(&cause, 0)
            .map_err(|source| map_error("LOST", "lookup", u64::from(cause), source))?;
        Ok(values.iter().sum())
    }
}
