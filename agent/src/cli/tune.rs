//! `trimtab tune`.

mod progress;
mod render;

use std::{
    fs::{self, File, OpenOptions},
    io::{Seek, Write as _},
    num::NonZeroUsize,
    path::{Path, PathBuf},
    process::ExitCode,
};

use super::{
    Failure,
    context::Context,
    exit::DATA,
    output::{note, print},
    progress::Lines,
    replay::{Input, Part, nothing, usage},
};
use crate::{
    config::{Config, ConfigError},
    tune::{Figures, Goal, KINDS, Options, Parameter, Space, Start, StartError, TuneError, tune},
};

/// So many parameter sets are tried where neither a number nor a time is given.
const BUDGET: usize = 240;

/// Options of `trimtab tune`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    input: Input,

    /// Which half of the series; what is found is to be reported on the other
    #[arg(long, value_enum, default_value_t = Part::Tuning)]
    half: Part,

    /// The policy of that name in the configuration [default: one of --kind]
    #[arg(long, value_name = "NAME", conflicts_with = "kind")]
    policy: Option<String>,

    /// A kind of policy, with its defaults
    #[arg(long, value_parser = KINDS, default_value = "headroom")]
    kind: String,

    /// A key of the policy that may be changed; may be given several times [default: all but
    /// guardrails]
    #[arg(long = "parameter", value_name = "KEY", value_parser = parameter)]
    parameters: Vec<Parameter>,

    /// What is to be as little as possible: cpu, memory, missed, throttled, delay, p99 or changes;
    /// may be given several times [default: cpu, missed, changes; for memory that is given back
    /// memory in place of cpu]
    #[arg(long = "goal", value_name = "GOAL", value_parser = goal)]
    goals: Vec<Goal>,

    /// So many sets of parameters are tried at the most [default: 240, or no end with --time]
    #[arg(long, value_name = "N")]
    budget: Option<NonZeroUsize>,

    /// Begin nothing new after so long; what is found then depends on how fast the machine is
    #[arg(long, value_name = "TIME")]
    time: Option<humantime::Duration>,

    /// Into so many parts the series are dealt, each held out in turn; 1 for no such check
    #[arg(long, value_name = "N", default_value = "3")]
    folds: NonZeroUsize,

    /// So many sets of parameters live at once
    #[arg(long, value_name = "N", default_value = "16")]
    population: NonZeroUsize,

    /// What all that is random depends on
    #[arg(long, value_name = "N", default_value = "1")]
    seed: u64,

    /// Write the policy with the parameters of the knee, as a part of a configuration
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<ExitCode, Failure> {
    let (sources, unfound) = args.input.sources()?;
    let start = args.start(context)?;
    let options = args.options(&start);
    let space = Space::new(start, &args.parameters).map_err(|error| usage(error.into()))?;
    // Better now than when all is done.
    let out = args.out.as_deref().map(Out::open).transpose()?;
    let lines = Lines::new();
    let tell = |now| lines.tell(|elapsed| progress::line(now, elapsed));
    let mut tuned = match tune(&sources, &space, &options, &tell) {
        Ok(tuned) => tuned,
        Err(TuneError::Nothing(refused)) => {
            let refused: Vec<_> = unfound.into_iter().chain(refused).collect();
            return Err(nothing(&refused));
        }
        Err(error) => return Err(failed(&error)),
    };
    note(&progress::end(&tuned, lines.elapsed()));
    tuned.report.refused.splice(0..0, unfound);
    let figures = Figures::of(&tuned, &space, &options);
    print(context.json, &figures, render::render)?;
    if let (Some(out), Some(knee)) = (out, tuned.knee()) {
        let text = space
            .start()
            .fragment(&knee.values, &render::remark(&figures));
        out.write(&text)?;
        note(&format!("the knee is in {}", out.path.display()));
    }
    Ok(if tuned.report.refused.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(DATA)
    })
}

impl Args {
    fn start(&self, context: &Context) -> Result<Start, Failure> {
        let start = match &self.policy {
            None => Start::kind(&self.kind, self.input.objective()),
            Some(name) => {
                let default = || PathBuf::from(Config::DEFAULT_PATH);
                let path = context.config.clone().unwrap_or_else(default);
                let text = fs::read_to_string(&path).map_err(|source| ConfigError::Read {
                    path: path.clone(),
                    source,
                })?;
                Start::named(name, &text, &path.display().to_string())
            }
        };
        start.map_err(|error| match error {
            StartError::Invalid(invalid) => ConfigError::Invalid(invalid).into(),
            other => usage(other.into()),
        })
    }

    fn options(&self, start: &Start) -> Options {
        let gives_back = start
            .policy
            .memory
            .is_some_and(|bounds| bounds.give_back.is_some());
        let held = if gives_back { Goal::Memory } else { Goal::Cpu };
        let budget = self.budget.or_else(|| match self.time {
            None => NonZeroUsize::new(BUDGET),
            Some(_) => None,
        });
        Options {
            goals: if self.goals.is_empty() {
                vec![held, Goal::Missed, Goal::Changes]
            } else {
                self.goals.clone()
            },
            folds: self.folds,
            budget,
            time: self.time.map(Into::into),
            population: self.population,
            seed: self.seed,
            replay: self.input.options(self.half),
        }
    }
}

/// The file for what is found, opened before the search.
struct Out {
    path: PathBuf,
    file: File,
}

impl Out {
    fn open(path: &Path) -> Result<Self, Failure> {
        // What is in it stays until there is something better.
        let file = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(false)
            .open(path);
        let file = file.map_err(|error| Failure::os("write", path, &error))?;
        let path = path.to_owned();
        Ok(Self { path, file })
    }

    fn write(&self, text: &str) -> Result<(), Failure> {
        let mut file = &self.file;
        let written = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(text.as_bytes()));
        written.map_err(|error| Failure::os("write", &self.path, &error))
    }
}

fn parameter(key: &str) -> Result<Parameter, String> {
    let there = || Parameter::ALL.map(Parameter::key).join(", ");
    Parameter::named(key).ok_or_else(|| format!("there are {}", there()))
}

fn goal(name: &str) -> Result<Goal, String> {
    let there = || Goal::ALL.map(Goal::name).join(", ");
    Goal::named(name).ok_or_else(|| format!("there are {}", there()))
}

/// Nothing was found: why, and what to do about it.
fn failed(error: &TuneError) -> Failure {
    let remedy = match error {
        TuneError::TooFew { .. } => {
            "; give more history, --half all, or fewer --folds (1 checks nothing)"
        }
        TuneError::NoGoal(_) => "; choose another --goal",
        TuneError::State(_) | TuneError::Nothing(_) => "",
    };
    Failure {
        code: DATA,
        error: anyhow::anyhow!("{error}{remedy}"),
    }
}
