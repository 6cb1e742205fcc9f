//! The search itself: one over all series, and beside it one for each fold that never sees that fold.

use std::{
    num::NonZeroUsize,
    time::{Duration, Instant},
};

use trimtab_core::{
    score::Score,
    tune::{Costs, Point, Search},
};

use super::{
    goal::Goal,
    judge::Judge,
    space::Space,
    tuned::{self, Tuned},
};
use crate::replay::{self, ReadError, Source, StateError};

/// How is searched.
#[derive(Clone, Debug)]
pub struct Options {
    /// What is to be as little as possible.
    pub goals: Vec<Goal>,
    /// Into so many folds series are dealt; 1 for no cross-validation.
    pub folds: NonZeroUsize,
    /// So many points are tried, at the most; `None` for no end.
    pub budget: Option<NonZeroUsize>,
    /// No generation is begun later than this.
    pub time: Option<Duration>,
    /// So many live at once.
    pub population: NonZeroUsize,
    /// All that is random depends on it.
    pub seed: u64,
    /// What is replayed, and how.
    pub replay: replay::Options,
}

/// How far it has come.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Points that were tried.
    pub tried: usize,
    /// What part is done, from 0 to 1, of the budget or the time, whichever ends first.
    pub part: f64,
}

/// Nothing can be found.
#[derive(Debug, thiserror::Error)]
pub enum TuneError {
    /// There is no history.
    #[error("none of the series is to be run")]
    Nothing(Vec<ReadError>),
    /// There are fewer series than folds.
    #[error("{folds} folds need {folds} series or nodes at least, and there are {units}")]
    TooFew {
        /// How many folds were asked for.
        folds: usize,
        /// How many series there are, or nodes that they share.
        units: usize,
    },
    /// No series says anything of a goal.
    #[error("no series says anything of `{0}`")]
    NoGoal(&'static str),
    /// Scores could not be kept.
    #[error(transparent)]
    State(#[from] StateError),
}

/// Looks for points of a space that do better on some history. `told` hears how far it has come, on any thread.
///
/// The result is the same for any number of threads; with a time limit, it depends on how fast the machine is.
///
/// # Errors
/// [`TuneError`]; a file that cannot be read to its end is in what is found.
pub fn tune(
    sources: &[Source],
    space: &Space,
    options: &Options,
    told: &(dyn Fn(Progress) + Sync),
) -> Result<Tuned, TuneError> {
    let began = Instant::now();
    let mut judge = Judge::new(sources, space, &options.goals, &options.replay);
    let mut searches = searches(space, options);
    let mend = |point: &mut Point| space.mend(point);
    let mut generations = 0;
    loop {
        let left = options.budget.map_or(usize::MAX, NonZeroUsize::get) - judge.known();
        // All begin with the same points.
        let share = if generations == 0 {
            left
        } else {
            left / searches.len()
        };
        let late = options
            .time
            .is_some_and(|time| generations > 0 && began.elapsed() >= time);
        if share == 0 || late {
            break;
        }
        let asked: Vec<_> = searches
            .iter_mut()
            .map(|search| search.ask(share, &mend))
            .collect();
        if asked.iter().all(Vec::is_empty) {
            break;
        }
        let unknown = judge.unknown(asked.iter().flatten());
        let (tried, fresh) = (judge.known(), unknown.len());
        if fresh > 0 {
            let keys = [options.folds.get() as u64, options.seed];
            judge.run(unknown, keys, &|part| {
                told(progress(options, began.elapsed(), tried, fresh, part));
            })?;
        }
        if generations == 0 {
            check(&mut judge, options)?;
        }
        for (fold, (search, points)) in searches.iter_mut().zip(asked).enumerate() {
            let costs = |point: Point| {
                let costs = seen(&judge, &point, fold);
                (point, costs)
            };
            search.tell(points.into_iter().map(costs));
        }
        generations += 1;
    }
    Ok(tuned::of(judge, space, options, &searches, generations))
}

/// One for each fold, which goes by all others, and at last one that goes by all. A single fold is no other's.
fn searches(space: &Space, options: &Options) -> Vec<Search> {
    let folds = match options.folds.get() {
        1 => 0,
        folds => folds,
    };
    let population = options.population.get();
    let search = |_| Search::new(space.lengths(), space.present(), population, options.seed);
    (0..=folds).map(search).collect()
}

/// What the search beside a fold knows a point to cost: by all folds but this.
pub(super) fn seen(judge: &Judge<'_>, point: &Point, fold: usize) -> Costs {
    let only = judge.folds().count() == 1;
    judge.costs(&judge.score(point, |other| only || other != fold))
}

/// Whether there is what the options ask for.
fn check(judge: &mut Judge<'_>, options: &Options) -> Result<(), TuneError> {
    let series = judge.report.as_ref().map_or(0, replay::Report::series);
    if series == 0 {
        let report = judge.report.take().unwrap_or_default();
        return Err(TuneError::Nothing(report.refused));
    }
    let (folds, units) = (options.folds.get(), judge.folds().units());
    if units < folds {
        return Err(TuneError::TooFew { folds, units });
    }
    let scores = judge
        .report
        .as_ref()
        .map(replay::Report::all)
        .unwrap_or_default();
    let said = |goal: &Goal| scores.iter().any(|score: &Score| goal.is_in(score));
    match options.goals.iter().find(|goal| !said(goal)) {
        Some(goal) => Err(TuneError::NoGoal(goal.name())),
        None => Ok(()),
    }
}

#[expect(clippy::cast_precision_loss, reason = "to be looked at while it runs")]
fn progress(
    options: &Options,
    elapsed: Duration,
    tried: usize,
    fresh: usize,
    part: f64,
) -> Progress {
    let points = tried as f64 + fresh as f64 * part;
    let by_budget = options.budget.map(|budget| points / budget.get() as f64);
    let by_time = options
        .time
        .map(|time| elapsed.as_secs_f64() / time.as_secs_f64().max(1e-9));
    let part = by_budget.unwrap_or(0.0).max(by_time.unwrap_or(0.0));
    Progress {
        tried,
        part: part.clamp(0.0, 1.0),
    }
}
