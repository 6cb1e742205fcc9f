//! What points cost: a replay of all history under each of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
};

use trimtab_core::{
    score::Score,
    tune::{Costs, Point},
};

use super::{
    folds::Folds,
    goal::{Goal, rounded},
    space::Space,
};
use crate::{
    config::{Agent, Config, Selector},
    replay::{self, Options, Policy, Report, Source, StateError},
};

/// What is known of each point that was run, fold by fold.
pub(super) struct Judge<'a> {
    sources: &'a [Source],
    space: &'a Space,
    goals: &'a [Goal],
    options: Options,
    folds: Folds,
    scores: BTreeMap<Point, Vec<Score>>,
    /// Of the first run, which says the same of the history as all others.
    pub(super) report: Option<Report>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(
        sources: &'a [Source],
        space: &'a Space,
        goals: &'a [Goal],
        options: &Options,
    ) -> Self {
        Self {
            sources,
            space,
            goals,
            options: Options {
                each: true,
                draw: false,
                ..*options
            },
            folds: Folds::default(),
            scores: BTreeMap::new(),
            report: None,
        }
    }

    /// How many points are known.
    pub(super) fn known(&self) -> usize {
        self.scores.len()
    }

    pub(super) const fn folds(&self) -> &Folds {
        &self.folds
    }

    /// Those that are not known yet, each once.
    pub(super) fn unknown<'b>(&self, points: impl Iterator<Item = &'b Point>) -> Vec<Point> {
        let points: BTreeSet<_> = points.collect();
        let unknown = points
            .into_iter()
            .filter(|point| !self.scores.contains_key(*point));
        unknown.cloned().collect()
    }

    /// Runs these points; `told` hears which part of that is done. The first run deals the history out to so many
    /// folds.
    pub(super) fn run(
        &mut self,
        points: Vec<Point>,
        [folds, seed]: [u64; 2],
        told: &(dyn Fn(f64) + Sync),
    ) -> Result<(), StateError> {
        let policies: Vec<_> = points.iter().map(|point| self.policy(point)).collect();
        let last = Mutex::new(0);
        let report = replay::replay(self.sources, &policies, &self.options, None, &|progress| {
            let Some(all) = progress.all.filter(|all| *all > 0) else {
                return;
            };
            let permille = progress.done.saturating_mul(1000) / all;
            let permille = u32::try_from(permille).unwrap_or(1000).min(1000);
            if let Ok(mut last) = last.lock()
                && *last < permille
            {
                *last = permille;
                told(f64::from(permille) / 1000.0);
            }
        })?;
        if self.report.is_none() {
            self.folds = Folds::deal(&report, usize::try_from(folds).unwrap_or(1), seed);
        }
        for (index, point) in points.into_iter().enumerate() {
            self.scores.insert(point, self.folds.scores(&report, index));
        }
        self.report.get_or_insert(report);
        Ok(())
    }

    /// The policy at a point for every workload, whatever it is called.
    fn policy(&self, point: &Point) -> Policy {
        let start = self.space.start();
        let policy = crate::config::Policy {
            select: Selector::new(&["/**"]).unwrap_or_default(),
            matching: None,
            ..self.space.policy(point)
        };
        let config = Config {
            agent: Agent {
                exclude: Selector::default(),
                ..start.agent.clone()
            },
            policies: vec![policy],
            ..Config::default()
        };
        Policy::of(format!("{point:?}"), config)
    }

    /// The score of a point over the folds that are wanted.
    pub(super) fn score(&self, point: &Point, wanted: impl Fn(usize) -> bool) -> Score {
        let mut all = Score::default();
        let folds = self.scores.get(point).into_iter().flatten().enumerate();
        for (_, score) in folds.filter(|(fold, _)| wanted(*fold)) {
            all.merge(score);
        }
        all
    }

    /// What a score comes to by the goals, as exactly as points are compared.
    pub(super) fn costs(&self, score: &Score) -> Costs {
        self.goals
            .iter()
            .map(|goal| rounded(goal.of(score)))
            .collect()
    }
}
