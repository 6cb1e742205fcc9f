//! What was found: the front over all series, and how each of its trade-offs does where it was not chosen.

use std::collections::BTreeMap;

use trimtab_core::{
    score::Score,
    tune::{Costs, Point, Search, dominates, knee},
};

use super::{
    judge::Judge,
    parameter::Parameter,
    run::{Options, seen},
    space::Space,
};
use crate::replay::Report;

/// What was found.
#[derive(Debug)]
pub struct Tuned {
    /// The front, by the first goal; where the present parameters are not on it they come first.
    pub rows: Vec<Row>,
    /// Points that were tried.
    pub tried: usize,
    /// Generations.
    pub generations: usize,
    /// What of the history was run, and what could not be read.
    pub report: Report,
}

/// Parameters that were tried.
#[derive(Clone, Debug)]
pub struct Row {
    /// Each with its value; times are in ns.
    pub values: Vec<(Parameter, u64)>,
    /// What they come to by each goal on all series.
    pub all: Vec<u64>,
    /// What their trade-off comes to on series that had no say in it: for each fold those parameters count that a search
    /// which never saw it would have taken. `None` without cross-validation.
    pub held_out: Option<Vec<u64>>,
    /// Whether the policy has them now.
    pub present: bool,
    /// Whether they are the knee: of those that are no worse than the present ones by any goal, or of the whole front
    /// where nothing is.
    pub knee: bool,
}

impl Tuned {
    /// The knee of the front.
    #[must_use]
    pub fn knee(&self) -> Option<&Row> {
        self.rows.iter().find(|row| row.knee)
    }
}

/// Puts together what was found. The last search is the one that goes by all series.
pub(super) fn of(
    mut judge: Judge<'_>,
    space: &Space,
    options: &Options,
    searches: &[Search],
    generations: usize,
) -> Tuned {
    let report = judge.report.take().unwrap_or_default();
    let mut tuned = Tuned {
        rows: Vec::new(),
        tried: judge.known(),
        generations,
        report,
    };
    let Some((search, beside)) = searches.split_last() else {
        return tuned;
    };
    let present = space.present();
    let front = front(search, &present);
    let now = judge.costs(&judge.score(&present, |_| true));
    let knee = knee_of(&front, &now).cloned();
    let mut points: Vec<_> = front.into_iter().map(|(_, point)| point).collect();
    if !points.contains(&present) {
        points.insert(0, present.clone());
    }
    let goals = |score: &Score| options.goals.iter().map(|goal| goal.of(score)).collect();
    let row = |point: Point| Row {
        values: space.values(&point),
        all: goals(&judge.score(&point, |_| true)),
        held_out: (!beside.is_empty()).then(|| {
            if point == present {
                // Nobody has chosen them by any of these series.
                return goals(&judge.score(&point, |_| true));
            }
            let mut all = Score::default();
            for (fold, search) in beside.iter().enumerate() {
                let wanted = seen(&judge, &point, fold);
                let chosen = like(search, &wanted).unwrap_or(&point);
                all.merge(&judge.score(chosen, |other| other == fold));
            }
            goals(&all)
        }),
        present: point == present,
        knee: Some(&point) == knee.as_ref(),
    };
    tuned.rows = points.into_iter().map(row).collect();
    tuned
}

/// The front by its costs. Of points that cost the same, the one with the fewest changes to what is there now.
fn front(search: &Search, present: &Point) -> Vec<(Costs, Point)> {
    let changes = |point: &Point| {
        let pairs = point.iter().zip(present);
        pairs.filter(|(one, other)| one != other).count()
    };
    let mut front: BTreeMap<Costs, Point> = BTreeMap::new();
    for (point, costs) in search.front() {
        let nearest = front.entry(costs.clone()).or_insert_with(|| point.clone());
        if changes(point) < changes(nearest) {
            nearest.clone_from(point);
        }
    }
    front.into_iter().collect()
}

/// The knee of what is no worse than now by any goal, or of all where nothing is.
fn knee_of<'a>(front: &'a [(Costs, Point)], now: &[u64]) -> Option<&'a Point> {
    let better = front.iter().filter(|(costs, _)| dominates(costs, now));
    let mut among: Vec<_> = better.collect();
    if among.is_empty() {
        among = front.iter().collect();
    }
    let costs: Vec<_> = among.iter().map(|(costs, _)| costs).collect();
    knee(&costs).map(|knee| &among[knee].1)
}

/// What a search would have taken for a trade-off: the least by the first goal of what is no worse by the others (the
/// epsilon-constraint method, Haimes 1971), or what comes nearest to that.
fn like<'a>(search: &'a Search, wanted: &[u64]) -> Option<&'a Point> {
    let excess = |costs: &Costs| -> u128 {
        let others = costs.iter().zip(wanted).skip(1);
        let parts = others.map(|(cost, wanted)| {
            u128::from(cost.saturating_sub(*wanted)) * 1_000_000 / u128::from((*wanted).max(1))
        });
        parts.sum()
    };
    let known = search.known().iter();
    let best = known.min_by_key(|(point, costs)| (excess(costs), costs.first().copied(), *point));
    best.map(|(point, _)| point)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trade_off_is_what_is_no_worse_elsewhere() {
        let mut search = Search::new(vec![10], vec![0], 4, 1);
        let known = [[30, 100], [20, 200], [10, 300]];
        let points = known
            .iter()
            .zip(0..)
            .map(|(costs, point)| (vec![point], costs.to_vec()));
        search.tell(points);
        for (wanted, taken) in [([0, 100], 0), ([0, 299], 1), ([0, 300], 2), ([0, 900], 2)] {
            assert_eq!(like(&search, &wanted), Some(&vec![taken]), "{wanted:?}");
        }
        // Nobody is that good: the one that is nearest.
        assert_eq!(like(&search, &[0, 90]), Some(&vec![0]));
    }

    #[test]
    fn the_knee_gives_nothing_away_where_something_is_better() {
        let front = [[10, 900], [20, 500], [30, 300], [40, 290], [200, 1]];
        let points = front
            .iter()
            .zip(0..)
            .map(|(costs, point)| (costs.to_vec(), vec![point]));
        let front: Vec<_> = points.collect();
        assert_eq!(knee_of(&front, &[41, 501]), Some(&vec![2]));
        assert_eq!(knee_of(&front, &[25, 500]), Some(&vec![1]));
        // Nothing is.
        assert_eq!(knee_of(&front, &[20, 500]), Some(&vec![2]));
        assert_eq!(knee_of(&[], &[1, 1]), None);
    }

    #[test]
    fn of_equals_the_nearest_is_told() {
        let mut search = Search::new(vec![9, 9], vec![1, 1], 4, 1);
        let points = [[0, 0], [1, 2], [3, 3]].map(|point| (point.to_vec(), vec![5, 5]));
        search.tell(points);
        assert_eq!(front(&search, &vec![1, 1]), [(vec![5, 5], vec![1, 2])]);
    }
}
