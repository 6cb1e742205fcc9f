//! `trimtab pause` and `trimtab resume`.

use std::process::ExitCode;

use serde::Serialize;

use super::{Failure, context::Context, output::print};

/// Options of `trimtab pause` and `trimtab resume`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

/// What `--json` says.
#[derive(Debug, Serialize)]
struct State {
    paused: bool,
}

pub(super) fn run(_: &Args, paused: bool, context: &Context) -> Result<ExitCode, Failure> {
    let paused = context.ask(async |mut agent| Ok(agent.pause(paused).await?))?;
    print(context.json, &State { paused }, |state| {
        if state.paused {
            "paused: limits stay as they are, sensing goes on; `trimtab resume` ends it\n"
                .to_owned()
        } else {
            "limits are written again\n".to_owned()
        }
    })?;
    Ok(ExitCode::SUCCESS)
}
