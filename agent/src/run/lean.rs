//! What only the start needed goes back to the kernel, before memory is locked.
//!
//! Reading the configuration, the kernel's types and the eBPF object runs through most of the program once. Whatever of
//! it is used again is mapped again, 64 KiB at a time (`mm/memory.c`, `do_fault_around`); the rest would stay resident,
//! and locked, for good.

use std::{ffi::c_void, io, ptr};

use procfs::process::{MMPermissions, MMapPath, MemoryMap, Process};
use rustix::mm::{Advice, madvise};

/// Lets go of free heap, and of the pages of program and libraries; before there is another thread, which could map
/// something else in between.
///
/// # Errors
/// The kernel does not tell what is mapped.
pub(super) fn give_back() -> io::Result<()> {
    trim_heap();
    let maps = Process::myself().and_then(|own| own.smaps());
    for map in maps
        .map_err(io::Error::other)?
        .iter()
        .filter(|map| is_of_a_file(map))
    {
        forget(map)?;
    }
    Ok(())
}

/// Whether all of it can be had from a file again: nothing in it was ever changed, or can be.
fn is_of_a_file(map: &MemoryMap) -> bool {
    let none = |of: &str| map.extension.map.get(of) == Some(&0);
    matches!(map.pathname, MMapPath::Path(_))
        && map
            .perms
            .contains(MMPermissions::READ | MMPermissions::PRIVATE)
        && !map.perms.contains(MMPermissions::WRITE)
        && none("Anonymous")
        && none("Swap")
}

#[expect(unsafe_code, reason = "madvise may change what memory holds")]
fn forget(map: &MemoryMap) -> io::Result<()> {
    let (start, end) = map.address;
    let [start, length] = [start, end - start].map(|bytes| usize::try_from(bytes).unwrap_or(0));
    let address = ptr::with_exposed_provenance_mut::<c_void>(start);
    // SAFETY: the mapping is of a file, private, without write permission and without a page of its own, so that
    // its pages hold after the next fault what they hold now; no other thread maps anything now.
    unsafe { madvise(address, length, Advice::LinuxDontNeed) }.map_err(io::Error::from)
}

/// glibc keeps what is freed below the top of the heap.
#[expect(unsafe_code, reason = "a call into the C library")]
fn trim_heap() {
    // SAFETY: it takes no pointer and may be called at any time (malloc_trim(3)).
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0);
    }
}
