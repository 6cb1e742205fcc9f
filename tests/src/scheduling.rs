//! Scheduling classes other than the usual one.

use std::{io, os::unix::process::CommandExt as _, process::Command};

/// `include/uapi/linux/sched.h`
const SCHED_DEADLINE: u32 = 6;

/// By it the kernel knows which of the structure's fields there are.
#[expect(clippy::cast_possible_truncation, reason = "48 bytes")]
const SIZE: u32 = size_of::<libc::sched_attr>() as u32;

/// A real-time class (`sched(7)`): it goes before everything that is not real-time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheduling {
    /// `SCHED_FIFO`: until it waits for something.
    Fifo,
    /// `SCHED_RR`: in turn with others of its kind.
    RoundRobin,
    /// `SCHED_DEADLINE`: before those, for 3 ms of every 10, then not at all. It may start no other process.
    Deadline,
}

impl Scheduling {
    /// Has the command start in it.
    pub fn start(self, command: &mut Command) -> &mut Command {
        let attributes = self.attributes();
        let become_it = move || {
            // SAFETY: a system call on this process, with a structure that outlives it.
            match unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) } {
                0 => Ok(()),
                _ => Err(io::Error::last_os_error()),
            }
        };
        // SAFETY: between fork and exec it makes that one system call and allocates nothing.
        unsafe { command.pre_exec(become_it) }
    }

    /// What `sched_setattr(2)` is told.
    fn attributes(self) -> libc::sched_attr {
        let nothing = libc::sched_attr {
            size: SIZE,
            sched_policy: libc::SCHED_OTHER.cast_unsigned(),
            sched_flags: 0,
            sched_nice: 0,
            sched_priority: 0,
            sched_runtime: 0,
            sched_deadline: 0,
            sched_period: 0,
        };
        match self {
            Self::Fifo => libc::sched_attr {
                sched_policy: libc::SCHED_FIFO.cast_unsigned(),
                sched_priority: 10,
                ..nothing
            },
            Self::RoundRobin => libc::sched_attr {
                sched_policy: libc::SCHED_RR.cast_unsigned(),
                sched_priority: 10,
                ..nothing
            },
            Self::Deadline => libc::sched_attr {
                sched_policy: SCHED_DEADLINE,
                sched_runtime: 3_000_000,
                sched_deadline: 10_000_000,
                sched_period: 10_000_000,
                ..nothing
            },
        }
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
