//! Which series are held out together.

use std::collections::BTreeMap;

use trimtab_core::score::Score;

use crate::replay::{Digest, Report};

/// What is held out as a whole: a series with all its parts, or a node that several share, since what becomes of
/// one there depends on the others.
type Unit = (&'static str, String);

/// Which fold each unit is in.
#[derive(Clone, Debug, Default)]
pub(super) struct Folds {
    count: usize,
    of: BTreeMap<Unit, usize>,
}

impl Folds {
    /// Deals all that was run out to so many folds: those of each source in the order of a hash of their names, so that
    /// each fold has as many of them as the others, or one less.
    pub(super) fn deal(report: &Report, count: usize, seed: u64) -> Self {
        let mut units: Vec<Unit> = units(report).map(|(unit, _)| unit).collect();
        units.sort_by_cached_key(|(source, name)| {
            let digest = Digest::seeded(seed).text(source).text(name);
            (*source, digest.mixed(), name.clone())
        });
        units.dedup();
        let folds = (0..count.max(1)).cycle();
        Self {
            count: count.max(1),
            of: units.into_iter().zip(folds).collect(),
        }
    }

    /// How many units there are.
    pub(super) fn units(&self) -> usize {
        self.of.len()
    }

    /// How many folds there are.
    pub(super) const fn count(&self) -> usize {
        self.count
    }

    /// The scores of a policy, fold by fold.
    pub(super) fn scores(&self, report: &Report, policy: usize) -> Vec<Score> {
        let mut folds = vec![Score::default(); self.count];
        for (unit, scores) in units(report) {
            let fold = self.of.get(&unit).and_then(|fold| folds.get_mut(*fold));
            if let (Some(fold), Some(score)) = (fold, scores.get(policy)) {
                fold.merge(score);
            }
        }
        folds
    }
}

fn units(report: &Report) -> impl Iterator<Item = (Unit, &[Score])> {
    let alone = report.each.values().filter(|each| each.node.is_none());
    let alone = alone.map(|each| ((each.source, each.name.clone()), &each.scores[..]));
    let shared = report.nodes.iter();
    let shared = shared.map(|(node, each)| ((each.source, node.to_string()), &each.scores[..]));
    alone.chain(shared)
}
