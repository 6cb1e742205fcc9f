//! What was found, in figures that people and programs read.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    goal::Goal,
    run::Options,
    space::Space,
    tuned::{Row, Tuned},
};
use crate::replay::Refused;

/// All that was found.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Which program.
    pub version: &'static str,
    /// The policy that was tuned: its name, or a kind with its defaults.
    pub policy: String,
    /// Its parameters that were, in the order of tables.
    pub parameters: Vec<&'static str>,
    /// The goals, likewise.
    pub goals: Vec<&'static str>,
    /// The goals themselves, for tables.
    #[serde(skip)]
    pub by: Vec<Goal>,
    /// Which half of the series: `tuning`, `reporting` or `all`.
    pub half: &'static str,
    /// Series that were run, and how long they are together.
    pub series: u64,
    /// The same in time.
    pub time_ns: u128,
    /// Into so many folds they were dealt.
    pub folds: usize,
    /// All that was random depends on it.
    pub seed: u64,
    /// So many parameter sets were tried.
    pub tried: usize,
    /// In so many generations.
    pub generations: usize,
    /// How late work may be.
    pub objective_ns: u64,
    /// The front by the first goal, and the present parameters.
    pub rows: Vec<RowFigures>,
    /// Files that were not read to their end.
    pub refused: Vec<Refused>,
}

/// One set of parameters.
#[derive(Clone, Debug, Serialize)]
pub struct RowFigures {
    /// Whether the policy has them now.
    pub present: bool,
    /// Whether they are the knee, as [`Row::knee`] is.
    pub knee: bool,
    /// As they are written in a configuration.
    pub parameters: BTreeMap<&'static str, String>,
    /// By goal, on all series.
    pub all: BTreeMap<&'static str, u64>,
    /// By goal, on series that had no say in the choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_out: Option<BTreeMap<&'static str, u64>>,
}

impl Figures {
    /// Of what was found.
    #[must_use]
    pub fn of(tuned: &Tuned, space: &Space, options: &Options) -> Self {
        let report = &tuned.report;
        let goals = |values: &Vec<u64>| -> BTreeMap<_, _> {
            let goals = options.goals.iter().map(|goal| goal.field());
            goals.zip(values.iter().copied()).collect()
        };
        let row = |row: &Row| RowFigures {
            present: row.present,
            knee: row.knee,
            parameters: row
                .values
                .iter()
                .map(|(parameter, value)| (parameter.key(), parameter.shown(*value)))
                .collect(),
            all: goals(&row.all),
            held_out: row.held_out.as_ref().map(goals),
        };
        Self {
            version: env!("CARGO_PKG_VERSION"),
            policy: space.start().called.clone(),
            parameters: space.parameters().map(super::Parameter::key).collect(),
            goals: options.goals.iter().map(|goal| goal.name()).collect(),
            by: options.goals.clone(),
            half: options.replay.chosen.half_name(),
            series: report.series(),
            time_ns: report.sources.values().map(|source| source.time).sum(),
            folds: options.folds.get(),
            seed: options.seed,
            tried: tuned.tried,
            generations: tuned.generations,
            objective_ns: options.replay.rules.objective.0,
            rows: tuned.rows.iter().map(row).collect(),
            refused: report.refused.iter().map(Refused::of).collect(),
        }
    }
}
