//! `trimtab check-config`.

use std::{path::PathBuf, process::ExitCode};

use serde::Serialize;

use super::{Failure, context::Context, exit::CONFIG, output::print};
use crate::config::{Config, ConfigError};

/// Options of `trimtab check-config`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The file [default: --config, /etc/trimtab/trimtab.toml]
    file: Option<PathBuf>,
}

/// What is found, as `--json` says it.
#[derive(Debug, Serialize)]
struct Verdict {
    file: String,
    valid: bool,
    policies: usize,
    problems: Vec<Mistake>,
}

/// One mistake.
#[derive(Debug, Serialize)]
struct Mistake {
    line: usize,
    column: usize,
    message: String,
    remedy: String,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<ExitCode, Failure> {
    let default = || PathBuf::from(Config::DEFAULT_PATH);
    let path = args
        .file
        .clone()
        .or_else(|| context.config.clone())
        .unwrap_or_else(default);
    let file = path.display().to_string();
    match Config::load(&path) {
        Ok(config) => {
            let verdict = Verdict {
                file,
                valid: true,
                policies: config.policies.len(),
                problems: Vec::new(),
            };
            print(context.json, &verdict, |verdict| {
                format!("{} is good; policies: {}\n", verdict.file, verdict.policies)
            })?;
            Ok(ExitCode::SUCCESS)
        }
        Err(ConfigError::Invalid(invalid)) if context.json => {
            let problems = invalid.problems.into_iter().map(|problem| Mistake {
                line: problem.line,
                column: problem.column,
                message: problem.message,
                remedy: problem.remedy,
            });
            let verdict = Verdict {
                file,
                valid: false,
                policies: 0,
                problems: problems.collect(),
            };
            print(true, &verdict, |_| String::new())?;
            Ok(ExitCode::from(CONFIG))
        }
        Err(error) => Err(error.into()),
    }
}
