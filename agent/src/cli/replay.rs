//! `trimtab replay`.

mod progress;
mod render;

use std::{
    fs,
    num::{NonZeroU32, NonZeroU64, NonZeroUsize},
    path::{Path, PathBuf},
    process::ExitCode,
};

use trimtab_core::{
    score::{Price, Rules},
    signal::Nanos,
};

use super::{
    Failure,
    context::Context,
    exit::{DATA, USAGE},
    output::print,
};
use crate::config::ConfigError;
use crate::replay::{
    self, Chosen, Columns, Figures, Half, Options, Policy, ReadError, Report, Source, State,
    StateError, Together,
};

/// Options of `trimtab replay`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Files, directories of files, or a directory with an index.csv; FORMAT:PATH where the name
    /// does not tell the format
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<String>,

    /// A policy, or NAME:NUMBER; may be given several times [default: all]. With --config, what that
    /// file says is one more
    #[arg(long = "policy", value_name = "NAME")]
    policies: Vec<String>,

    /// The format of all paths that do not name one
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,

    /// What the columns of a table mean, as in time=t:s,cpu=use:cores
    #[arg(long, value_name = "MAP")]
    columns: Option<String>,

    /// Which half of the series; policies are tuned on one and reported on the other
    #[arg(long, value_enum, default_value_t = Part::All)]
    half: Part,

    /// One in so many series, by a hash of their names
    #[arg(long, value_name = "N", default_value = "1")]
    one_in: NonZeroU64,

    /// So many series on one node, as its workloads [default: a node each, with room enough]
    #[arg(long, value_name = "N")]
    together: Option<NonZeroUsize>,

    /// What such a node has, in percent of what its workloads begin with
    #[arg(
        long,
        value_name = "PERCENT",
        default_value = "100",
        requires = "together"
    )]
    room: NonZeroU32,

    /// Only so much of the beginning of each series [default: all of it]
    #[arg(long, value_name = "HOURS")]
    most_hours: Option<NonZeroU64>,

    /// How late work may be before a minute counts as missed
    #[arg(long, value_name = "TIME", default_value = "200ms")]
    objective: humantime::Duration,

    /// What holding one CPU for an hour costs, in any currency
    #[arg(long, value_name = "PRICE", value_parser = price)]
    cpu_price: Option<Price>,

    /// What holding one GiB for an hour costs
    #[arg(long, value_name = "PRICE", value_parser = price)]
    memory_price: Option<Price>,

    /// How many series are run at once [default: as many as there are CPUs]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,

    /// Keep finished scores in a file, and begin with those that are in it
    #[arg(long, value_name = "FILE")]
    resume: Option<PathBuf>,

    /// The scores of each series too, and of each node that is shared
    #[arg(long)]
    each: bool,

    /// Write a page with scores and pictures: one file that needs nothing else
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// Which half of the series.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Part {
    Tuning,
    Reporting,
    All,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<ExitCode, Failure> {
    let columns = args.columns.as_deref().map(Columns::parse).transpose();
    let columns = columns.map_err(|error| usage(error.into()))?;
    let policies = args.policies(context.config.as_deref())?;
    let options = args.options();
    let state = args.resume.as_deref().map(State::open).transpose()?;
    let (sources, unfound) = args.sources(columns.as_ref());
    let told = progress::Lines::new(state.as_ref());
    let mut report = replay::replay(&sources, &policies, &options, state, &|now| told.tell(now))?;
    report.refused.splice(0..0, unfound);
    if report.series() == 0 {
        return Err(nothing(&report));
    }
    let prices = [args.cpu_price, args.memory_price];
    let figures = Figures::of(&report, &policies, &options, prices);
    if let Some(path) = &args.html {
        let page = replay::page(&figures, &replay::draw(&report, &policies, &options));
        fs::write(path, page).map_err(|error| Failure::os("write", path, &error))?;
    }
    print(context.json, &figures, render::render)?;
    Ok(if report.refused.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(DATA)
    })
}

impl Args {
    /// Those that are named, or all; a configuration that is named comes first.
    fn policies(&self, config: Option<&Path>) -> Result<Vec<Policy>, Failure> {
        let configured = config.map(configured).transpose()?;
        let name = configured.as_ref().map(Policy::name);
        let others = self.policies.iter().map(String::as_str);
        let others = others.filter(|other| Some(*other) != name);
        let others: Result<Vec<_>, _> = others.map(Policy::named).collect();
        let mut others = others.map_err(|error| usage(error.into()))?;
        if self.policies.is_empty() {
            others = Policy::all();
        }
        Ok(configured.into_iter().chain(others).collect())
    }

    fn options(&self) -> Options {
        let default = Options::default();
        let objective = u64::try_from(self.objective.as_nanos()).unwrap_or(u64::MAX);
        let hours = |hours: NonZeroU64| Nanos(hours.get().saturating_mul(60 * Nanos::MINUTE.0));
        Options {
            chosen: Chosen {
                half: match self.half {
                    Part::Tuning => Some(Half::Tuning),
                    Part::Reporting => Some(Half::Reporting),
                    Part::All => None,
                },
                one_in: self.one_in,
            },
            together: self.together.map(|workloads| Together {
                workloads,
                room: self.room,
            }),
            most: self.most_hours.map(hours),
            microbursts: None,
            rules: Rules {
                objective: Nanos(objective),
                ..default.rules
            },
            threads: self.threads.unwrap_or(default.threads),
            each: self.each,
            draw: self.html.is_some(),
        }
    }

    /// What is to be read, and what cannot be found.
    fn sources(&self, columns: Option<&Columns>) -> (Vec<Source>, Vec<ReadError>) {
        let (mut sources, mut unfound) = (Vec::new(), Vec::new());
        for path in &self.paths {
            let given = match &self.format {
                Some(format) if !path.contains(':') => format!("{format}:{path}"),
                _ => path.clone(),
            };
            match Source::find(&given, columns) {
                Ok(found) => sources.extend(found),
                Err(error) => unfound.push(error),
            }
        }
        (sources, unfound)
    }
}

fn configured(path: &Path) -> Result<Policy, Failure> {
    let text = fs::read_to_string(path).map_err(|source| ConfigError::Read {
        path: path.to_owned(),
        source,
    })?;
    let policy = Policy::configured(&text, &path.display().to_string());
    policy.map_err(|error| ConfigError::Invalid(error).into())
}

/// An amount of money, in millionths.
fn price(text: &str) -> Result<Price, String> {
    let wrong = || format!("`{text}` is no price; write it as in 0.031");
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 6 {
        return Err(wrong());
    }
    let micros = format!("{whole}{fraction:0<6}");
    micros.parse().map(Price).map_err(|_| wrong())
}

fn usage(error: anyhow::Error) -> Failure {
    Failure { code: USAGE, error }
}

/// Nothing was run: why.
fn nothing(report: &Report) -> Failure {
    let refused: Vec<_> = report.refused.iter().map(ToString::to_string).collect();
    let error = if refused.is_empty() {
        anyhow::anyhow!(
            "none of the series is to be run: they are too short, about nothing that is simulated, or not in the half, or the part of all, that was asked for"
        )
    } else {
        anyhow::anyhow!("nothing could be read\n{}", refused.join("\n"))
    };
    Failure { code: DATA, error }
}

impl From<StateError> for Failure {
    fn from(error: StateError) -> Self {
        Self::os(error.call, &error.path, &error.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_decimal() {
        for (text, micros) in [
            ("1", 1_000_000),
            ("0.031", 31_000),
            ("12.345678", 12_345_678),
        ] {
            assert_eq!(price(text), Ok(Price(micros)));
        }
        for text in [
            "",
            ".",
            "1.",
            "-1",
            "1e3",
            "0.0000001",
            "1,5",
            "99999999999999999999",
        ] {
            assert!(price(text).is_err(), "{text}");
        }
    }
}
