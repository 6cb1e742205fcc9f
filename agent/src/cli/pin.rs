//! `trimtab pin` and `trimtab unpin`.

use std::process::ExitCode;

use super::{Failure, context::Context, output::print};
use crate::api::view::Workload;

/// Options of `trimtab pin` and `trimtab unpin`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name, cgroup path, or a part of either that no other workload has
    workload: String,
}

pub(super) fn run(args: &Args, pinned: bool, context: &Context) -> Result<ExitCode, Failure> {
    let workload = context.ask(async |mut agent| Ok(agent.pin(&args.workload, pinned).await?))?;
    print(context.json, &workload, render)?;
    Ok(ExitCode::SUCCESS)
}

fn render(workload: &Workload) -> String {
    if workload.pinned {
        format!(
            "{} keeps the limits it has until `trimtab unpin {0}`\n",
            workload.name
        )
    } else {
        format!("{} is not pinned\n", workload.name)
    }
}
