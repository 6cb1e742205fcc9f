//! How the fast thread gets ahead of the neighbours it polices.
//!
//! A thread at nice 0 was measured up to 4 ms late under load. `SCHED_FIFO` with a budget is
//! asked for first, then nice -20; memory is locked as it is touched, so that a page fault never
//! stands between an event and its write.

use std::{fmt, io};

use rustix::{
    mm::{MlockAllFlags, mlockall},
    process::{Resource, Rlimit, getrlimit, setpriority_process, setrlimit},
};

use trimtab_core::signal::Amount;

use crate::config::{self, Scheduling};

/// How long the fast thread may run without blocking before the kernel signals `SIGXCPU`, in us.
const BUDGET_US: u64 = 100_000;

/// What the fast thread was granted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Priority {
    /// `SCHED_FIFO` 1, or why not.
    pub realtime: Got,
    /// Nice -20, tried when `SCHED_FIFO` was refused.
    pub nice: Got,
    /// Pages locked once touched.
    pub locked: Got,
    /// A thread on each CPU.
    pub cpus: Got,
}

/// The result of asking for one privilege.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Got {
    /// Granted.
    Yes,
    /// Refused by the kernel, with its reason.
    No(String),
    /// Not asked for.
    #[default]
    NotAsked,
}

impl Got {
    fn from(result: io::Result<()>) -> Self {
        match result {
            Ok(()) => Self::Yes,
            Err(error) => Self::No(error.to_string()),
        }
    }

    /// Whether it was granted.
    #[must_use]
    pub fn granted(&self) -> bool {
        *self == Self::Yes
    }
}

impl fmt::Display for Got {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Yes => f.write_str("yes"),
            Self::No(why) => write!(f, "no: {why}"),
            Self::NotAsked => f.write_str("not needed"),
        }
    }
}

/// Asks for all of it, for the calling thread (memory: for the process).
#[must_use]
pub(super) fn raise(wish: config::Fast) -> Priority {
    let realtime = match wish.scheduling {
        Scheduling::Fifo => Got::from(fifo(wish.priority)),
        Scheduling::Nice | Scheduling::Normal => Got::NotAsked,
    };
    let nice = if realtime.granted() || wish.scheduling == Scheduling::Normal {
        Got::NotAsked
    } else {
        Got::from(setpriority_process(None, -20).map_err(io::Error::from))
    };
    let locked = if wish.lock_memory {
        let flags = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT;
        Got::from(mlockall(flags).map_err(io::Error::from))
    } else {
        Got::NotAsked
    };
    Priority {
        realtime,
        nice,
        locked,
        cpus: Got::NotAsked,
    }
}

/// Whether each CPU of the node has a thread that stays there.
pub(super) fn on_each_cpu(threads: usize, node: Amount) -> Got {
    let cpus = usize::try_from(node.0 / Amount::CPU.0).unwrap_or(usize::MAX);
    match threads {
        0 => Got::NotAsked,
        _ if threads >= cpus => Got::Yes,
        _ => Got::No(format!("the agent may run on {threads} of {cpus} CPUs")),
    }
}

/// `SCHED_FIFO` for the calling thread, with a budget first: a real-time loop without one
/// could take a CPU for good.
fn fifo(priority: u8) -> io::Result<()> {
    let limit = getrlimit(Resource::Rttime);
    setrlimit(
        Resource::Rttime,
        Rlimit {
            current: Some(BUDGET_US),
            maximum: limit.maximum,
        },
    )?;
    schedule(0, libc::SCHED_FIFO, priority.into())
}

/// Takes real time away from a thread that overran its budget; called on `SIGXCPU`.
///
/// # Errors
/// The kernel's refusal.
pub(super) fn demote(tid: i32) -> io::Result<()> {
    schedule(tid, libc::SCHED_OTHER, 0)
}

#[expect(unsafe_code, reason = "rustix has no sched_setscheduler")]
fn schedule(tid: i32, policy: libc::c_int, priority: libc::c_int) -> io::Result<()> {
    let param = libc::sched_param {
        sched_priority: priority,
    };
    // SAFETY: the pointer is to a live, fully initialised sched_param; the call keeps nothing.
    let result = unsafe { libc::sched_setscheduler(tid, policy, &raw const param) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
