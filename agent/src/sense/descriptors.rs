//! How many files may be open, and which of them stay so.
//!
//! The kernel gives out the lowest number that is free, so the number of a new descriptor says how many
//! are in use: no count has to be kept.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// From which number on a descriptor is not kept that can be done without.
static SHORT: AtomicU64 = AtomicU64::new(u64::MAX);

/// Whether a descriptor that has just been given out leaves enough for those that must be had.
pub(super) fn may_keep(fd: BorrowedFd<'_>) -> bool {
    u64::try_from(fd.as_raw_fd()).is_ok_and(|number| number < SHORT.load(Relaxed))
}

/// Files below this number stay open from one look at a workload that rests to the next: at 4.4 KB each, the kernel
/// keeps 9 MB for them at most.
const RESTING: i32 = 2048;

/// Whether a file may stay open although nothing but a look now and then reads it.
pub(super) fn may_rest_open(fd: BorrowedFd<'_>) -> bool {
    fd.as_raw_fd() < RESTING
}

/// Raises the limit on open files to what is wanted. Beyond the hard limit that takes
/// `CAP_SYS_RESOURCE`; without it the soft one is raised as far as it goes, and of what is allowed
/// `needed` are left for those that must be had: other files are opened at each read then. Returns the
/// number of files that may be open now.
///
/// # Errors
/// `setrlimit(2)` failed.
pub fn raise_descriptor_limit(wanted: u64, needed: u64) -> io::Result<u64> {
    let limit = getrlimit(Resource::Nofile);
    let raise = |to: Option<u64>| {
        let limit = Rlimit {
            current: to,
            maximum: to,
        };
        setrlimit(Resource::Nofile, limit)
    };
    if let Some(maximum) = limit.maximum
        && wanted > maximum
        && raise(Some(wanted)).is_ok()
    {
        return Ok(wanted);
    }
    raise(limit.maximum)?;
    let most = limit.maximum.unwrap_or(u64::MAX);
    if most < wanted {
        SHORT.store(most.saturating_sub(needed), Relaxed);
    }
    Ok(most)
}
