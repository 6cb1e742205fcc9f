//! Starts the thread, with all that it will ever need.

use std::{io, sync::Arc, thread::JoinHandle};

use rustix::{
    event::epoll::{self, CreateFlags, EventData, EventFlags},
    fd::{AsFd as _, OwnedFd},
    thread::gettid,
};
use trimtab_core::signal::Amount;

use super::{
    memory::NodeMemory,
    message::FastEnd,
    priority::{Priority, raise},
    stats::Stats,
    thread::State,
};
use crate::{config, probe::Ring};

/// What the thread is made of.
pub struct Fast {
    /// The kernel's events; `None` when no probe could be loaded: the twins still come.
    pub ring: Option<Ring>,
    /// The slow loop's messages.
    pub end: FastEnd,
    /// Memory of the node that is never granted.
    pub memory_reserve: Amount,
    /// How it wishes to be scheduled.
    pub wish: config::Fast,
}

/// A running fast thread.
#[derive(Debug)]
pub struct Handle {
    /// Ends after [`Command::Stop`].
    pub thread: JoinHandle<()>,
    /// What it says about itself.
    pub stats: Arc<Stats>,
    /// What it was granted.
    pub priority: Priority,
}

/// Starts the thread and waits until it has its priority.
///
/// # Errors
/// No thread, no `epoll`, or no `/proc/meminfo`.
pub fn spawn(fast: Fast) -> io::Result<Handle> {
    let stats = Arc::new(Stats::default());
    let (tell, told) = std::sync::mpsc::sync_channel(1);
    let memory = NodeMemory::open(fast.memory_reserve).map_err(io::Error::other)?;
    let epoll = poll_set(&fast)?;
    let shared = Arc::clone(&stats);
    let thread = std::thread::Builder::new()
        .name("trimtab-fast".into())
        .spawn(move || {
            shared.tid.store(
                gettid().as_raw_nonzero().get(),
                std::sync::atomic::Ordering::Relaxed,
            );
            // The receiver lives until the priority has arrived.
            let _ = tell.send(raise(fast.wish));
            let Fast { ring, end, .. } = fast;
            State::new(end, memory, shared).run(&epoll, ring);
        })?;
    let priority = told
        .recv()
        .map_err(|_| io::Error::other("the fast thread ended at its start"))?;
    Ok(Handle {
        thread,
        stats,
        priority,
    })
}

fn poll_set(fast: &Fast) -> io::Result<OwnedFd> {
    let set = epoll::create(CreateFlags::CLOEXEC)?;
    if let Some(ring) = &fast.ring {
        epoll::add(&set, ring.as_fd(), EventData::new_u64(0), EventFlags::IN)?;
    }
    epoll::add(&set, &fast.end.wake, EventData::new_u64(1), EventFlags::IN)?;
    Ok(set)
}
