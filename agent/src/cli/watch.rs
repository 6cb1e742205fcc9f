//! `trimtab watch`.

use std::{pin::pin, process::ExitCode};

use tokio_stream::StreamExt;

use super::{Failure, context::Context, journal, output::print};

/// Options of `trimtab watch`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only this workload: name, cgroup path, or a part of either that no other workload has
    workload: Option<String>,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<ExitCode, Failure> {
    let wanted = args.workload.as_deref().unwrap_or_default();
    context.ask(async |mut agent| {
        let mut entries = pin!(agent.watch(wanted).await?);
        while let Some(entry) = entries.next().await {
            print(context.json, &entry?, |entry| {
                journal::line(entry, wanted.is_empty())
            })?;
        }
        Ok(ExitCode::SUCCESS)
    })
}
