//! Scheduling classes other than the usual one.

use std::{io, os::unix::process::CommandExt as _, process::Command};

/// A real-time class (`sched(7)`): it goes before everything that is not real-time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheduling {
    /// `SCHED_FIFO`: until it waits for something.
    Fifo,
    /// `SCHED_RR`: in turn with others of its kind.
    RoundRobin,
}

impl Scheduling {
    /// Has the command start in it.
    pub fn start(self, command: &mut Command) -> &mut Command {
        let policy = match self {
            Self::Fifo => libc::SCHED_FIFO,
            Self::RoundRobin => libc::SCHED_RR,
        };
        let become_it = move || {
            let priority = libc::sched_param { sched_priority: 10 };
            // SAFETY: a system call on this process, with a structure that outlives it.
            match unsafe { libc::sched_setscheduler(0, policy, &raw const priority) } {
                0 => Ok(()),
                _ => Err(io::Error::last_os_error()),
            }
        };
        // SAFETY: between fork and exec it makes that one system call and allocates nothing.
        unsafe { command.pre_exec(become_it) }
    }
}

/// Has the command start before everything that is not real-time ([`Scheduling::Fifo`]).
pub fn real_time(command: &mut Command) -> &mut Command {
    Scheduling::Fifo.start(command)
}

/// Has the command start in a session of its own, as from another terminal: an autogroup, where the kernel makes those.
pub fn new_session(command: &mut Command) -> &mut Command {
    let begin = || rustix::process::setsid().map(drop).map_err(io::Error::from);
    // SAFETY: between fork and exec it makes one system call and allocates nothing.
    unsafe { command.pre_exec(begin) }
}
