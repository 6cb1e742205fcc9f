//! What has come out of a run.

use std::{collections::BTreeMap, sync::Arc};

use trimtab_core::{score::Score, signal::Nanos};

use super::super::{
    error::ReadError,
    reader::LeftOut,
    repair::Repairs,
    series::{Kind, Scale},
};
use super::{case::Case, options::Options};

/// What has come out of a run.
#[derive(Debug, Default)]
pub struct Report {
    /// By the name of the source.
    pub sources: BTreeMap<&'static str, SourceReport>,
    /// Files that were not read to their end, in the order in which they were given.
    pub refused: Vec<ReadError>,
    /// The scores of each series, if they were wanted, in the order in which they were read.
    pub each: BTreeMap<usize, Each>,
    /// Scores that were there already, out of how many.
    pub reused: (u64, u64),
    /// The first series of each source, if they are to be drawn.
    pub(super) first: BTreeMap<&'static str, Arc<Case>>,
    policies: usize,
    keep_each: bool,
    keep_first: bool,
}

/// What has come out of one source.
#[derive(Debug, Default)]
pub struct SourceReport {
    /// Series, each part of one by itself, that were run.
    pub series: u64,
    /// How long they are together.
    pub time: u128,
    /// Series of which only the beginning was run.
    pub cut: u64,
    /// Series that say nothing of CPU, memory or requests.
    pub other: u64,
    /// What was not handed out, of all series that were read.
    pub left_out: LeftOut,
    /// What was repaired in the series that were run.
    pub repairs: Repairs,
    /// What was recorded; several only where a source is mixed.
    pub kinds: Vec<Kind>,
    /// Whether all amounts are true.
    pub relative: bool,
    /// One per policy, in their order.
    pub scores: Vec<Score>,
}

/// One series.
#[derive(Debug)]
pub struct Each {
    /// The source it is from.
    pub source: &'static str,
    /// Its name.
    pub name: String,
    /// Which part of it.
    pub part: u32,
    /// How long it is.
    pub time: Nanos,
    /// One per policy, in their order.
    pub scores: Vec<Score>,
}

impl Report {
    pub(super) fn new(policies: usize, options: &Options) -> Self {
        Self {
            policies,
            keep_each: options.each,
            keep_first: options.draw,
            ..Self::default()
        }
    }

    /// How many series were run.
    #[must_use]
    pub fn series(&self) -> u64 {
        self.sources.values().map(|source| source.series).sum()
    }

    /// The scores over all sources, one per policy.
    #[must_use]
    pub fn all(&self) -> Vec<Score> {
        let mut all = vec![Score::default(); self.policies];
        for source in self.sources.values() {
            for (all, score) in all.iter_mut().zip(&source.scores) {
                all.merge(score);
            }
        }
        all
    }

    fn source(&mut self, name: &'static str) -> &mut SourceReport {
        self.sources.entry(name).or_default()
    }

    pub(super) fn refuse(&mut self, error: ReadError) {
        self.refused.push(error);
    }

    pub(super) fn leave_out(&mut self, source: &'static str, left_out: LeftOut) {
        let all = &mut self.source(source).left_out;
        all.short += left_out.short;
        all.other += left_out.other;
    }

    pub(super) fn skip(&mut self, source: &'static str) {
        self.source(source).other += 1;
    }

    /// A series is to be run.
    pub(super) fn take(&mut self, case: &Arc<Case>) {
        if self.keep_first {
            let first = self.first.entry(case.head.source);
            first.or_insert_with(|| Arc::clone(case));
        }
        let policies = self.policies;
        let source = self.source(case.head.source);
        source.series += 1;
        source.time += u128::from(case.until.0);
        source.cut += u64::from(case.cut);
        source.repairs.add(&case.repairs);
        source.relative |= case.head.scale == Scale::Relative;
        if !source.kinds.contains(&case.head.kind) {
            source.kinds.push(case.head.kind);
        }
        source.scores.resize_with(policies, Score::default);
        if self.keep_each {
            let each = Each {
                source: case.head.source,
                name: case.head.name.clone(),
                part: case.head.part,
                time: case.until,
                scores: vec![Score::default(); policies],
            };
            self.each.insert(case.index, each);
        }
    }

    /// A series has been run under a policy.
    pub(super) fn score(&mut self, case: &Case, policy: usize, score: &Score, reused: bool) {
        self.reused.0 += u64::from(reused);
        self.reused.1 += 1;
        if let Some(all) = self.source(case.head.source).scores.get_mut(policy) {
            all.merge(score);
        }
        let each = self.each.get_mut(&case.index);
        if let Some(own) = each.and_then(|each| each.scores.get_mut(policy)) {
            own.merge(score);
        }
    }
}
