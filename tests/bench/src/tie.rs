//! Child processes that end with us and only with us.

use std::{os::unix::process::CommandExt, process::Command};

use rustix::process::{Signal, set_parent_process_death_signal};

/// Keeps a terminal's Ctrl-C from a child, which we end in our own order, and lets the kernel end it
/// should we be killed.
pub(crate) fn tie(command: &mut Command) -> &mut Command {
    command.process_group(0);
    let ask = || Ok(set_parent_process_death_signal(Some(Signal::TERM))?);
    // SAFETY: between fork and exec this makes one system call and touches no memory but its stack.
    unsafe { command.pre_exec(ask) }
}
