//! Signals that come while `trimtab run` waits for its command: held back, and passed on.

use std::{io, process::Child, time::Instant};

use nix::sys::{
    signal::{SigSet, Signal},
    signalfd::{SfdFlags, SignalFd},
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, kill_process},
};

/// Signals that the command gets from us.
const FORWARDED: [Signal; 7] = [
    Signal::SIGINT,
    Signal::SIGTERM,
    Signal::SIGHUP,
    Signal::SIGQUIT,
    Signal::SIGWINCH,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
];

/// What is held back from us while the command runs: the forwarded ones and SIGCHLD.
fn held_back() -> SigSet {
    let mut set: SigSet = FORWARDED.into_iter().collect();
    set.add(Signal::SIGCHLD);
    set
}

/// Undoes in the child what [`Signals::hold`] did in the parent: a mask is inherited.
pub(super) fn release() -> io::Result<()> {
    held_back().thread_unblock().map_err(io::Error::from)
}

/// Signals arrive here instead of killing us, from before the group exists until it is gone.
#[derive(Debug)]
pub(super) struct Signals(SignalFd);

impl Signals {
    /// Holds back the signals of this thread, which must be the only one.
    pub(super) fn hold() -> io::Result<Self> {
        let set = held_back();
        set.thread_block()?;
        Ok(Self(SignalFd::with_flags(
            &set,
            SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC,
        )?))
    }

    /// Waits for a signal, but not beyond a point in time.
    pub(super) fn wait(&self, until: Instant) -> io::Result<()> {
        let left = until.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mut fds = [PollFd::new(&self.0, PollFlags::IN)];
        match poll(&mut fds, Some(&timeout)) {
            Err(rustix::io::Errno::INTR) | Ok(_) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Gives the child what arrived. What the terminal sends (Ctrl-C, a new size) reaches the
    /// child by itself, since it is in the same process group: it must not get that twice.
    pub(super) fn forward(&self, child: &Child) -> io::Result<()> {
        while let Some(info) = self.0.read_signal()? {
            let signal = i32::try_from(info.ssi_signo)
                .ok()
                .and_then(|number| Signal::try_from(number).ok());
            if signal.is_some_and(|signal| FORWARDED.contains(&signal))
                && info.ssi_code != libc::SI_KERNEL
            {
                send(child, info.ssi_signo)?;
            }
        }
        Ok(())
    }
}

/// Sends a signal to a child that has not been waited for, so its pid is still its own.
fn send(child: &Child, signal: u32) -> io::Result<()> {
    let signal = i32::try_from(signal)
        .ok()
        .and_then(rustix::process::Signal::from_named_raw);
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    match (pid, signal) {
        (Some(pid), Some(signal)) => match kill_process(pid, signal) {
            Err(rustix::io::Errno::SRCH) | Ok(()) => Ok(()),
            Err(error) => Err(error.into()),
        },
        _ => Ok(()),
    }
}
