//! The ring buffer through which the kernel wakes the fast thread.

use std::{
    mem::size_of,
    os::fd::{AsFd, BorrowedFd},
};

use aya::maps::{MapData, RingBuf};
use trimtab_ebpf::Event;

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

impl AsFd for Ring {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ring.as_fd()
    }
}
