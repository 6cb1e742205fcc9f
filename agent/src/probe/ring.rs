//! The ring buffers through which the kernel wakes the fast threads.

use std::{
    mem::size_of,
    os::fd::{AsFd, BorrowedFd},
};

use aya::maps::{ArrayOfMaps, Map, MapData, MapError, RingBuf};
use aya_obj::generated::bpf_map_type::BPF_MAP_TYPE_RINGBUF;
use trimtab_ebpf::Event;

use super::{Error, load::map_error};

/// Size of a CPU's own ring in bytes, where a page is no larger: some hundred events.
const CPU_RING: usize = 16 << 10;

/// The consumer's end of the ring: one owner, no allocation, no lock.
///
/// Poll [`AsFd::as_fd`] for reading and then drain with [`Ring::for_each`] until it returns 0:
/// the kernel only wakes a consumer that had caught up, so an edge-triggered poll that leaves
/// records behind sleeps on.
pub struct Ring {
    ring: RingBuf<MapData>,
    foreign: u64,
}

impl Ring {
    pub(super) fn new(ring: RingBuf<MapData>) -> Self {
        Self { ring, foreign: 0 }
    }

    /// Hands every record that is there to `each`, oldest first, and returns how many there were.
    pub fn for_each(&mut self, mut each: impl FnMut(&Event)) -> usize {
        let mut count = 0;
        while let Some(item) = self.ring.next() {
            if item.len() == size_of::<Event>() {
                // SAFETY: `Event` is plain integers, and the record has its size; the ring aligns
                // records to eight bytes, which an unaligned read does not even ask for.
                let event = unsafe { item.as_ptr().cast::<Event>().read_unaligned() };
                // The record is released before it is acted on: a slow reader must not hold back the kernel.
                drop(item);
                each(&event);
                count += 1;
            } else {
                self.foreign += 1;
            }
        }
        count
    }

    /// Records that were skipped because they were not an [`Event`]: more than 0 is a bug.
    #[must_use]
    pub const fn foreign(&self) -> u64 {
        self.foreign
    }
}

/// Gives each of `cpus` a ring of its own.
///
/// # Errors
/// The kernel refuses a ring: no memory.
pub(super) fn cpu_rings(map: Map, cpus: &[u32]) -> Result<Vec<(u32, Ring)>, Error> {
    let failed = |call, cpu| move |source| map_error("CPU_EVENTS", call, u64::from(cpu), source);
    let mut rings = ArrayOfMaps::<_, MapData>::try_from(map).map_err(failed("open", 0))?;
    cpus.iter()
        .map(|&cpu| {
            let data = new_ring().map_err(failed("create", cpu))?;
            rings.set(cpu, &data, 0).map_err(failed("set", cpu))?;
            let ring = Map::from_map_data(data)
                .and_then(RingBuf::try_from)
                .map_err(failed("map", cpu))?;
            Ok((cpu, Ring::new(ring)))
        })
        .collect()
}

fn new_ring() -> Result<MapData, MapError> {
    let size = CPU_RING.max(rustix::param::page_size());
    let ring = aya_obj::Map::new_from_params(
        BPF_MAP_TYPE_RINGBUF as u32,
        0,
        0,
        u32::try_from(size).unwrap_or(u32::MAX),
        0,
    );
    MapData::create(ring, "trimtab_cpu", None)
}

impl AsFd for Ring {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ring.as_fd()
    }
}
