//! Which history is run, and how: the same for `replay` and `tune`.

use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};

use trimtab_core::{score::Rules, signal::Nanos};

use super::super::{Failure, exit::USAGE};
use crate::replay::{Chosen, Columns, Half, Options, ReadError, Source, Together};

/// Which history is run, and how.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Input {
    /// Files, directories of files, or a directory with an index.csv; FORMAT:PATH where the name
    /// does not tell the format
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<String>,

    /// The format of all paths that do not name one
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,

    /// What the columns of a table mean, as in time=t:s,cpu=use:cores
    #[arg(long, value_name = "MAP")]
    columns: Option<String>,

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

    /// How many series are run at once [default: as many as there are CPUs]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
}

/// Which half of the series.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(in crate::cli) enum Part {
    Tuning,
    Reporting,
    All,
}

impl Input {
    /// How late work may be.
    pub(in crate::cli) fn objective(&self) -> Nanos {
        Nanos(u64::try_from(self.objective.as_nanos()).unwrap_or(u64::MAX))
    }

    pub(in crate::cli) fn options(&self, half: Part) -> Options {
        let default = Options::default();
        let hours = |hours: NonZeroU64| Nanos(hours.get().saturating_mul(60 * Nanos::MINUTE.0));
        Options {
            chosen: Chosen {
                half: match half {
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
            rules: Rules {
                objective: self.objective(),
                ..default.rules
            },
            threads: self.threads.unwrap_or(default.threads),
            ..default
        }
    }

    /// What is to be read, and what cannot be found.
    pub(in crate::cli) fn sources(&self) -> Result<(Vec<Source>, Vec<ReadError>), Failure> {
        let columns = self.columns.as_deref().map(Columns::parse).transpose();
        let columns = columns.map_err(|error| usage(error.into()))?;
        let (mut sources, mut unfound) = (Vec::new(), Vec::new());
        for path in &self.paths {
            let given = match &self.format {
                Some(format) if !path.contains(':') => format!("{format}:{path}"),
                _ => path.clone(),
            };
            match Source::find(&given, columns.as_ref()) {
                Ok(found) => sources.extend(found),
                Err(error) => unfound.push(error),
            }
        }
        Ok((sources, unfound))
    }
}

/// The command line is wrong.
pub(in crate::cli) fn usage(error: anyhow::Error) -> Failure {
    Failure { code: USAGE, error }
}
