//! `trimtab agent`.

use std::process::ExitCode;

use super::{Failure, context::Context};

/// Options of `trimtab agent`: all of them are in the configuration file.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) fn run(_: &Args, context: &Context) -> Result<ExitCode, Failure> {
    let (config, path) = context.load()?;
    Ok((context.hooks.agent)(config, path.as_deref())?)
}
