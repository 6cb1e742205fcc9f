//! The guardian: parent of the agent, which puts limits back when the agent cannot.
//!
//! The agent restores by itself when it is told to stop. The guardian waits for its end, however
//! it comes, and restores what is left in the ledger. If the guardian itself is killed, the
//! kernel tells the agent to stop, which then restores. Killed both at once, the next start does.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, getppid, kill_process, set_parent_process_death_signal};
use tokio::signal::unix::{SignalKind, signal};

use super::error::ActError;
use super::ledger::Ledger;
use super::restore::{Report, restore};

/// Set in the agent's environment: the pid of its guardian.
const GUARDED_BY: &str = "TRIMTAB_GUARDED_BY";

/// How long the guardian waits for limits to go back after the agent died.
pub const RESTORE_WITHIN: Duration = Duration::from_millis(1_500);

/// How the agent ended, and what was put back afterwards.
#[derive(Debug)]
pub struct Ended {
    /// The agent's exit status.
    pub status: ExitStatus,
    /// What the guardian restored; `None` if nothing was left to restore.
    pub report: Option<Result<Report, ActError>>,
}

impl Ended {
    /// The exit code to pass on: the agent's own, or 128 and the signal that killed it.
    #[must_use]
    pub fn code(&self) -> u8 {
        let code = self
            .status
            .code()
            .or_else(|| self.status.signal().map(|signal| 128 + signal))
            .unwrap_or(1);
        u8::try_from(code).unwrap_or(1)
    }
}

/// Whether this process was started by a guardian: then it is the agent and must [`join`].
#[must_use]
pub fn is_guarded() -> bool {
    std::env::var_os(GUARDED_BY).is_some()
}

/// The agent's side: asks the kernel for SIGTERM when the guardian dies. To be called first, from
/// the main thread.
///
/// # Errors
/// The guardian is gone already, or the kernel refused.
pub fn join() -> Result<(), ActError> {
    let failed = |action, source| ActError::Guardian { action, source };
    set_parent_process_death_signal(Some(Signal::TERM))
        .map_err(|errno| failed("ask for a signal at its death", errno.into()))?;
    let expected = std::env::var(GUARDED_BY)
        .ok()
        .and_then(|pid| pid.parse().ok());
    // It may have died before the kernel was asked.
    if getppid()
        .map(Pid::as_raw_nonzero)
        .map(std::num::NonZero::get)
        == expected
    {
        return Ok(());
    }
    Err(failed("find it", io::Error::from(io::ErrorKind::NotFound)))
}

/// The guardian's side: starts this very program again with `arguments` as the agent, forwards
/// SIGTERM, SIGINT and SIGHUP to it, and restores from the ledger in `ledger_dir` when it ends.
/// Nothing may have been started in this process yet: it has one thread and stays small.
///
/// # Errors
/// The agent could not be started, or signals cannot be received.
pub fn guard(
    ledger_dir: &Path,
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<Ended, ActError> {
    let mut command = Command::new("/proc/self/exe");
    command.args(arguments);
    if let Some(name) = std::env::args_os().next() {
        command.arg0(name);
    }
    guard_command(ledger_dir, command)
}

/// As [`guard`], for any command.
///
/// # Errors
/// As [`guard`].
pub fn guard_command(ledger_dir: &Path, mut command: Command) -> Result<Ended, ActError> {
    let failed = |action| move |source| ActError::Guardian { action, source };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .map_err(failed("start"))?;
    // A terminal's Ctrl-C goes to its foreground group: to the guardian, which forwards it once.
    command
        .env(GUARDED_BY, std::process::id().to_string())
        .process_group(0);
    let status = runtime.block_on(async {
        let receive = |kind| signal(kind).map_err(failed("receive signals"));
        let mut term = receive(SignalKind::terminate())?;
        let mut interrupt = receive(SignalKind::interrupt())?;
        let mut hangup = receive(SignalKind::hangup())?;
        let mut child_ended = receive(SignalKind::child())?;
        let mut agent = command.spawn().map_err(failed("start the agent"))?;
        loop {
            if let Some(status) = agent.try_wait().map_err(failed("wait for the agent"))? {
                return Ok::<_, ActError>(status);
            }
            tokio::select! {
                _ = child_ended.recv() => {}
                _ = term.recv() => forward(&agent, Signal::TERM),
                _ = interrupt.recv() => forward(&agent, Signal::INT),
                _ = hangup.recv() => forward(&agent, Signal::HUP),
            }
        }
    })?;
    let report = restore_leftovers(ledger_dir, Instant::now() + RESTORE_WITHIN).transpose();
    Ok(Ended { status, report })
}

fn forward(agent: &Child, signal: Signal) {
    if let Some(pid) = i32::try_from(agent.id()).ok().and_then(Pid::from_raw) {
        // An agent that has just ended needs no signal.
        let _ = kill_process(pid, signal);
    }
}

/// Restores whatever a ledger still holds; `None` if there is no ledger, or it is empty.
///
/// # Errors
/// The ledger cannot be opened, or another agent holds it.
pub fn restore_leftovers(ledger_dir: &Path, deadline: Instant) -> Result<Option<Report>, ActError> {
    if !ledger_dir.join("ledger.json").exists() {
        return Ok(None);
    }
    let patience = deadline.saturating_duration_since(Instant::now()) / 2;
    let (mut ledger, notices) = Ledger::open(ledger_dir, patience)?;
    for notice in notices {
        tracing::warn!("{notice}");
    }
    if ledger.is_empty() {
        return Ok(None);
    }
    Ok(Some(restore(&mut ledger, |_| true, deadline)))
}
