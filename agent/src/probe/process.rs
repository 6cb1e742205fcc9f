//! Every thread, as the kernel has counted it: read at one go, when somebody asks.

use std::{
    io::{self, Read as _},
    mem::size_of,
};

use aya::{Ebpf, programs::Iter};
use trimtab_ebpf::Thread;

use super::{Error, hook::refused};

/// The program.
pub(super) const NAME: &str = "iter_task";

/// What the kernel fills before it hands anything over.
const CHUNK: usize = 32 << 10;

pub(super) fn iterator(object: &mut Ebpf) -> Result<&mut Iter, Error> {
    object
        .program_mut(NAME)
        .and_then(|program| program.try_into().ok())
        .ok_or(Error::Missing {
            what: "program",
            name: NAME,
        })
}

/// Hands every thread to `each`, in the order of their numbers. A list can be read but once, so
/// that each call begins a new one.
pub(super) fn threads(object: &mut Ebpf, mut each: impl FnMut(&Thread)) -> Result<(), Error> {
    let iterator = iterator(object)?;
    let link = iterator.attach().map_err(|source| refused(NAME, source))?;
    let link = iterator
        .take_link(link)
        .map_err(|source| refused(NAME, source))?;
    let mut list = link
        .into_file()
        .map_err(|source| Error::Threads(io::Error::other(source)))?;
    let mut chunk = vec![0; CHUNK];
    let mut filled = 0;
    loop {
        // The kernel ends a read between two records, but a reader need not rely on it.
        match list.read(&mut chunk[filled..]).map_err(Error::Threads)? {
            0 => return Ok(()),
            read => filled += read,
        }
        let whole = filled - filled % size_of::<Thread>();
        for bytes in chunk[..whole].chunks_exact(size_of::<Thread>()) {
            // SAFETY: as many bytes as the structure has, any of which are plain integers.
            each(&unsafe { bytes.as_ptr().cast::<Thread>().read_unaligned() });
        }
        chunk.copy_within(whole..filled, 0);
        filled -= whole;
    }
}
