//! The command itself: started inside its group, given our signals, waited for.

use std::{
    ffi::OsString,
    io,
    os::unix::process::{CommandExt, ExitStatusExt},
    path::PathBuf,
    process::{Child, Command, ExitStatus},
    time::{Duration, Instant},
};

use crate::cli::{join, signals::Signals};

/// Starts the command in its groups, by way of `trimtab __join`.
pub(super) fn spawn(
    groups: impl Iterator<Item = PathBuf>,
    command: &[OsString],
) -> io::Result<Child> {
    let mut child = Command::new("/proc/self/exe");
    child.arg0("trimtab").arg(join::NAME);
    for group in groups {
        child.arg("--group").arg(group);
    }
    child.arg("--").args(command).spawn()
}

/// Waits for the command, forwards signals to it, and calls `sample` at every interval.
pub(super) fn wait(
    child: &mut Child,
    signals: &Signals,
    interval: Duration,
    mut sample: impl FnMut(Instant),
) -> io::Result<ExitStatus> {
    let mut next = Instant::now() + interval;
    loop {
        signals.wait(next)?;
        signals.forward(child)?;
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        let now = Instant::now();
        if now >= next {
            sample(now);
            // Never two samples at once after a pause: intervals are measured, not assumed.
            next = now + interval;
        }
    }
}

/// The exit code that a shell would give: the command's own, or 128 and the signal.
pub(super) fn code(status: ExitStatus) -> u8 {
    let code = status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    u8::try_from(code & 0xff).unwrap_or(u8::MAX)
}
