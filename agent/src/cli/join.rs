//! `trimtab __join`: the child of `trimtab run` before it becomes the command.
//!
//! A process that moves itself between `fork` and `exec` would need unsafe code there; one that
//! moves itself and then becomes the command does not.

use std::{
    ffi::OsString,
    fs, io,
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Command, ExitCode},
};

use super::{Failure, signals};

/// The subcommand's name.
pub(super) const NAME: &str = "__join";

/// The shell's code for a command that cannot be executed.
const NOT_EXECUTABLE: u8 = 126;

/// The shell's code for a command that does not exist.
const NOT_FOUND: u8 = 127;

/// Options of `trimtab __join`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Directories of the groups to join
    #[arg(long = "group", value_name = "DIR")]
    groups: Vec<PathBuf>,

    /// The command and its arguments
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    for group in &args.groups {
        let procs = group.join("cgroup.procs");
        // 0 is whoever writes.
        fs::write(&procs, "0").map_err(|error| Failure::os("write 0 to", &procs, &error))?;
    }
    signals::release()?;
    let Some((program, arguments)) = args.command.split_first() else {
        return Ok(ExitCode::from(NOT_FOUND));
    };
    let error = Command::new(program).args(arguments).exec();
    let code = if error.kind() == io::ErrorKind::NotFound {
        NOT_FOUND
    } else {
        NOT_EXECUTABLE
    };
    Err(Failure {
        code,
        error: anyhow::anyhow!("cannot run {}: {error}", program.display()),
    })
}
