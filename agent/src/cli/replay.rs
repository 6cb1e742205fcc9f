//! `trimtab replay`.

mod input;
mod progress;
pub(super) mod render;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use trimtab_core::score::Price;

use super::{Failure, context::Context, exit::DATA, output::print, progress::Lines};
use crate::config::ConfigError;
use crate::replay::{self, Figures, Options, Policy, Progress, ReadError, State, StateError};

pub(super) use input::{Input, Part, usage};

/// Options of `trimtab replay`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    input: Input,

    /// A policy, or NAME:NUMBER; may be given several times [default: all]. With --config, what that
    /// file says is one more
    #[arg(long = "policy", value_name = "NAME")]
    policies: Vec<String>,

    /// Which half of the series; policies are tuned on one and reported on the other
    #[arg(long, value_enum, default_value_t = Part::All)]
    half: Part,

    /// What holding one CPU for an hour costs, in any currency
    #[arg(long, value_name = "PRICE", value_parser = price)]
    cpu_price: Option<Price>,

    /// What holding one GiB for an hour costs
    #[arg(long, value_name = "PRICE", value_parser = price)]
    memory_price: Option<Price>,

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

pub(super) fn run(args: &Args, context: &Context) -> Result<ExitCode, Failure> {
    let (sources, unfound) = args.input.sources()?;
    let policies = args.policies(context.config.as_deref())?;
    let options = Options {
        each: args.each,
        draw: args.html.is_some(),
        ..args.input.options(args.half)
    };
    let state = args.resume.as_deref().map(State::open).transpose()?;
    progress::begin(state.as_ref());
    let lines = Lines::new();
    let tell = |now: &Progress| lines.tell(|elapsed| progress::line(now, elapsed));
    let mut report = replay::replay(&sources, &policies, &options, state, &tell)?;
    report.refused.splice(0..0, unfound);
    if report.series() == 0 {
        return Err(nothing(&report.refused));
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

/// Nothing was run: why.
pub(super) fn nothing(refused: &[ReadError]) -> Failure {
    let refused: Vec<_> = refused.iter().map(ToString::to_string).collect();
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
