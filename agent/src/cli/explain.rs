//! `trimtab explain`.

use std::process::ExitCode;

use super::{Failure, context::Context, journal, output::print};
use crate::api::view::Entry;

/// Options of `trimtab explain`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name, cgroup path, or a part of either that no other workload has
    workload: String,

    /// How many entries at most
    #[arg(short = 'n', long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    last: u32,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<ExitCode, Failure> {
    let entries =
        context.ask(async |mut agent| Ok(agent.explain(&args.workload, args.last).await?))?;
    print(context.json, &entries, |entries| render(entries))?;
    Ok(ExitCode::SUCCESS)
}

/// The whole text.
pub(super) fn render(entries: &[Entry]) -> String {
    if entries.is_empty() {
        return "nothing has happened to it yet\n".to_owned();
    }
    entries
        .iter()
        .map(journal::paragraph)
        .collect::<Vec<_>>()
        .join("\n")
}
