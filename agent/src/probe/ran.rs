//! When a task of each group last got a CPU, as the kernel notes it: mapped, so that to ask takes no call.

use std::os::fd::{AsFd as _, AsRawFd as _};

use aya::maps::Map;
use memmap2::{MmapOptions, MmapRaw};
use trimtab_core::signal::Nanos;
use trimtab_ebpf::RAN_GRAIN;

use super::Error;

/// One note for each cell of the table of groups.
pub(super) struct Ran {
    notes: MmapRaw,
    cells: usize,
}

impl Ran {
    /// Maps the notes of so many cells.
    pub(super) fn new(name: &'static str, map: &Map, cells: u32) -> Result<Self, Error> {
        let Map::Array(data) = map else {
            return Err(Error::Missing { what: "map", name });
        };
        let cells = cells as usize;
        let notes = MmapOptions::new()
            .len(cells * size_of::<u64>())
            .map_raw_read_only(data.fd().as_fd().as_raw_fd())
            .map_err(|source| Error::Mmap { map: name, source })?;
        Ok(Self { notes, cells })
    }

    /// Whether a task of the group with this cell may have got a CPU since `time`: never `false` when one
    /// has, but `true` for an eighth of a second after it.
    pub(super) fn since(&self, cell: usize, time: Nanos) -> bool {
        if cell >= self.cells {
            return true;
        }
        #[expect(clippy::cast_ptr_alignment, reason = "a mapping begins at a page")]
        let notes = self.notes.as_ptr().cast::<u64>();
        // SAFETY: the mapping holds so many notes and begins at a page; the kernel writes there
        // meanwhile, hence volatile.
        let last = unsafe { notes.add(cell).read_volatile() };
        last >= time.0 >> RAN_GRAIN
    }
}
