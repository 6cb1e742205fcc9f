//! `trimtab mode`.

use std::process::ExitCode;

use clap::ValueEnum;
use trimtab_core::signal::Mode;

use super::{Failure, context::Context, output::print, workloads::mode_word};
use crate::api::view::Workload;

/// Options of `trimtab mode`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name, cgroup path, or a part of either that no other workload has
    workload: String,

    /// What may be done with its decisions
    mode: Word,
}

/// The modes as clap reads them.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Word {
    /// Signals only
    Observe,
    /// Decide and explain, write nothing
    Recommend,
    /// Decide, write, verify
    Enforce,
}

impl From<Word> for Mode {
    fn from(word: Word) -> Self {
        match word {
            Word::Observe => Self::Observe,
            Word::Recommend => Self::Recommend,
            Word::Enforce => Self::Enforce,
        }
    }
}

pub(super) fn run(args: &Args, context: &Context) -> Result<ExitCode, Failure> {
    let workload = context
        .ask(async |mut agent| Ok(agent.set_mode(&args.workload, args.mode.into()).await?))?;
    print(context.json, &workload, render)?;
    Ok(ExitCode::SUCCESS)
}

fn render(workload: &Workload) -> String {
    format!(
        "{} is in mode {} until the agent stops\n",
        workload.name,
        mode_word(workload.mode)
    )
}
