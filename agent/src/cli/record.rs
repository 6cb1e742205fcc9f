//! `trimtab record`.

mod dump;
mod status;
mod switch;
mod verdict;
mod verify;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use trimtab_core::signal::Nanos;

use super::{
    Failure,
    context::Context,
    exit::{DATA, SOFTWARE},
    output::{BAD, FAIR, paint},
};
use crate::{
    api::view::{Finding, FindingState},
    record::{RecordError, segments},
};

/// Options of `trimtab record`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

/// What to do.
#[derive(Debug, clap::Subcommand)]
enum What {
    /// Show which segments there are, and how the agent's recording stands
    Status,
    /// Decide everything once more: is it the same, byte for byte? With --policy: what would another
    /// configuration have decided?
    Verify(verify::Args),
    /// Print what a recording consists of
    Dump(dump::Args),
    /// Record from now on, until `stop` or the agent's end
    Start,
    /// Record no longer, until `start` or the agent's end
    Stop,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<ExitCode, Failure> {
    match &args.what {
        What::Status => status::run(context),
        What::Verify(args) => verify::run(args, context),
        What::Dump(args) => dump::run(args, context),
        What::Start => switch::run(true, context),
        What::Stop => switch::run(false, context),
    }
}

/// How the recording stands, for `trimtab status`.
pub(super) fn standing(finding: &Finding) -> String {
    match finding.state {
        FindingState::On | FindingState::None => finding.why.clone(),
        FindingState::Degraded => paint(FAIR, &finding.why),
        FindingState::Off => paint(BAD, &finding.why),
    }
}

/// The segments that are meant: files, those of directories, or of the configuration's directory.
pub(super) fn files(named: &[PathBuf], context: &Context) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    let configured;
    let named = if named.is_empty() {
        configured = [context.load()?.0.record.directory];
        &configured
    } else {
        named
    };
    for path in named {
        if path.is_dir() {
            files.extend(segments(path)?.into_iter().map(|segment| segment.path));
        } else {
            files.push(path.clone());
        }
    }
    if files.is_empty() {
        let place: Vec<_> = named
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        return Err(Failure {
            code: DATA,
            error: anyhow::anyhow!("there is no recording in {}", place.join(", ")),
        });
    }
    Ok(files)
}

/// Wall-clock time of a moment in a segment.
pub(super) fn wall(header: &trimtab_core::record::Header, now: Nanos) -> u64 {
    (header.unix_ns.saturating_add(now.0)).saturating_sub(header.monotonic.0)
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

impl From<RecordError> for Failure {
    fn from(error: RecordError) -> Self {
        match &error {
            RecordError::Os { call, path, source } => Self::os(call, path, source),
            RecordError::Fault { .. } | RecordError::Limit { .. } => Self {
                code: DATA,
                error: error.into(),
            },
        }
    }
}

impl From<trimtab_core::record::Unencodable> for Failure {
    fn from(error: trimtab_core::record::Unencodable) -> Self {
        Self {
            code: SOFTWARE,
            error: error.into(),
        }
    }
}
