//! Starting a program inside a cgroup, so that not even its first instruction runs outside.

use std::{
    convert::Infallible, ffi::OsString, fs, os::unix::process::CommandExt, path::PathBuf,
    process::Command,
};

use anyhow::{Context, Result};

/// Moves this process into the groups and becomes the command.
///
/// # Errors
/// When a group refuses, the command is empty, or it cannot be started.
pub fn join(groups: &[PathBuf], command: &[OsString]) -> Result<Infallible> {
    for group in groups {
        let file = group.join("cgroup.procs");
        fs::write(&file, "0").with_context(|| format!("cannot join {}", file.display()))?;
    }
    let (program, arguments) = command.split_first().context("no command to start")?;
    let error = Command::new(program).args(arguments).exec();
    Err(error).with_context(|| format!("cannot start {}", program.display()))
}
