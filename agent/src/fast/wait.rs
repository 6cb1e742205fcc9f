//! How the threads wait, and take turns: the first for the slow loop and for what any CPU tells,
//! each of the others for one CPU, on which it stays.
//!
//! An event wakes the thread of the CPU that raised it. That CPU is awake; another one may sleep
//! so deep that waking it takes longer than all the rest.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::{
    event::{
        EventfdFlags,
        epoll::{self, CreateFlags, EventData, EventFlags},
        eventfd,
    },
    fd::{AsFd, OwnedFd},
    io::{Errno, write},
    time::Timespec,
};
use trimtab_core::signal::Nanos;

use super::thread::{State, now};
use crate::probe::Ring;

/// What tells the threads of single CPUs to end: readable from then on.
#[derive(Clone)]
pub(super) struct Stop(Arc<OwnedFd>);

impl Stop {
    pub(super) fn new() -> rustix::io::Result<Self> {
        let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self(Arc::new(fd)))
    }
}

/// What one thread waits with.
pub(super) struct Waiter {
    epoll: OwnedFd,
    ring: Option<Ring>,
    stop: Stop,
}

impl Waiter {
    /// Waits for a ring and for `word`: the slow loop's, or the one to stop.
    pub(super) fn new(ring: Option<Ring>, word: impl AsFd, stop: Stop) -> rustix::io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        if let Some(ring) = &ring {
            epoll::add(&epoll, ring.as_fd(), EventData::new_u64(0), EventFlags::IN)?;
        }
        epoll::add(&epoll, word, EventData::new_u64(WORD), EventFlags::IN)?;
        Ok(Self { epoll, ring, stop })
    }

    /// Waits for one CPU.
    pub(super) fn of_cpu(ring: Ring, stop: &Stop) -> rustix::io::Result<Self> {
        Self::new(Some(ring), &stop.0, stop.clone())
    }

    /// The first thread: takes events and the slow loop's words, and looks after what was promised
    /// of the node's memory, until the slow loop says stop.
    pub(super) fn lead(mut self, state: &Mutex<State>) {
        let mut patience = None;
        while self.wait(patience).is_some() {
            let mut state = turn(state);
            self.drain(&mut state);
            if state.commands().is_break() {
                break;
            }
            state.finish();
            state.watched = state.memory.due();
            patience = state.watched;
        }
        // It can only fail when it is readable already.
        let _ = write(&self.stop.0, &1u64.to_ne_bytes());
    }

    /// The thread of one CPU: takes its events, until the first thread has ended.
    pub(super) fn follow(mut self, state: &Mutex<State>) {
        while let Some(word) = self.wait(None) {
            if word {
                return;
            }
            let mut state = turn(state);
            self.drain(&mut state);
            state.finish();
            let due = state.memory.due();
            if due.is_some_and(|due| state.watched.is_none_or(|watched| due < watched)) {
                // The first thread looks after it; as above.
                let _ = write(&state.end.wake, &1u64.to_ne_bytes());
            }
        }
    }

    /// Whether a word came, and not only events, at the latest at `until`; `None` when there is
    /// nothing to wait with.
    fn wait(&self, until: Option<Nanos>) -> Option<bool> {
        let timeout = until.map(|until| {
            let left = until.since(now()).0;
            Timespec {
                tv_sec: (left / Nanos::SECOND.0).cast_signed(),
                tv_nsec: (left % Nanos::SECOND.0).cast_signed(),
            }
        });
        let mut events = [epoll::Event {
            flags: EventFlags::empty(),
            data: EventData::new_u64(0),
        }; 2];
        match epoll::wait(&self.epoll, &mut events, timeout.as_ref()) {
            Ok(count) => Some(
                events
                    .iter()
                    .take(count)
                    .any(|event| event.data.u64() == WORD),
            ),
            Err(Errno::INTR) => Some(false),
            // Only a closed or foreign descriptor gets here: the twins take over.
            Err(_) => None,
        }
    }

    fn drain(&mut self, state: &mut State) {
        if let Some(ring) = &mut self.ring {
            ring.for_each(|record| state.record(record));
        }
    }
}

/// Marks the events that are no ring's.
const WORD: u64 = 1;

/// Waits for one's turn: some 10 us at most, for each thread that is before.
fn turn(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // Whoever panicked has ended the thread, not what the others have to do.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
