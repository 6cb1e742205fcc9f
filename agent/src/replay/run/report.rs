//! What has come out of a run.

use std::{collections::BTreeMap, sync::Arc};

use trimtab_core::{
    score::Score,
    signal::{Amount, Nanos},
};

use super::super::{
    error::ReadError,
    reader::LeftOut,
    repair::Repairs,
    series::{Kind, Scale},
};
use super::{options::Options, pack::Pack};

/// What has come out of a run.
#[derive(Debug, Default)]
pub struct Report {
    /// By the name of the source.
    pub sources: BTreeMap<&'static str, SourceReport>,
    /// Files that were not read to their end, in the order in which they were given.
    pub refused: Vec<ReadError>,
    /// The scores of each series, if they were wanted, in the order in which they were read.
    pub each: BTreeMap<usize, Each>,
    /// The scores of each node, if they were wanted and nodes are shared.
    pub nodes: BTreeMap<usize, EachNode>,
    /// Scores that were there already, out of how many.
    pub reused: (u64, u64),
    /// The first node of each source, if its first series is to be drawn.
    pub(super) first: BTreeMap<&'static str, Arc<Pack>>,
    policies: usize,
    keep_each: bool,
    keep_first: bool,
}

/// What has come out of one source.
#[derive(Debug, Default)]
pub struct SourceReport {
    /// Series, each part of one by itself, that were run.
    pub series: u64,
    /// Nodes on which they were run.
    pub nodes: u64,
    /// Series that a configuration which was replayed leaves alone.
    pub left_alone: u64,
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
    /// On which node it was, of all that are shared.
    pub node: Option<usize>,
    /// One per policy, in their order.
    pub scores: Vec<Score>,
}

/// One node that is shared.
#[derive(Debug)]
pub struct EachNode {
    /// The source that its series are from.
    pub source: &'static str,
    /// How many there are on it.
    pub series: usize,
    /// What it has of each resource: micro-CPUs and bytes.
    pub room: [Amount; 2],
    /// How long it was run.
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

    /// A node is to be run.
    pub(super) fn take(&mut self, pack: &Arc<Pack>) {
        let policies = self.policies;
        for (index, about) in pack.series.iter().enumerate() {
            let source = self.source(about.head.source);
            source.series += 1;
            source.nodes += u64::from(index == 0);
            source.time += u128::from(about.until.0);
            source.cut += u64::from(about.cut);
            source.repairs.add(&about.repairs);
            source.relative |= about.head.scale == Scale::Relative;
            if !source.kinds.contains(&about.head.kind) {
                source.kinds.push(about.head.kind);
            }
            source.scores.resize_with(policies, Score::default);
            if self.keep_each {
                let each = Each {
                    source: about.head.source,
                    name: about.head.name.clone(),
                    part: about.head.part,
                    time: about.until,
                    node: pack.shared.then_some(pack.node),
                    scores: vec![Score::default(); policies],
                };
                self.each.insert(pack.first + index, each);
            }
        }
        let Some(source) = pack.source() else { return };
        if self.keep_each && pack.shared {
            let node = EachNode {
                source,
                series: pack.series.len(),
                room: pack.room(),
                time: pack.until,
                scores: vec![Score::default(); policies],
            };
            self.nodes.insert(pack.node, node);
        }
        if self.keep_first {
            let first = self.first.entry(source);
            first.or_insert_with(|| Arc::clone(pack));
        }
    }

    /// A configuration selects none of so many series of a source.
    pub(super) fn leave_alone(&mut self, source: &'static str, series: u64) {
        self.source(source).left_alone += series;
    }

    /// A node has been run under a policy: the scores of its series, in their order.
    pub(super) fn score(&mut self, pack: &Pack, policy: usize, scores: &[Score], reused: bool) {
        self.reused.0 += u64::from(reused);
        self.reused.1 += 1;
        for (index, (about, score)) in pack.series.iter().zip(scores).enumerate() {
            if let Some(all) = self.source(about.head.source).scores.get_mut(policy) {
                all.merge(score);
            }
            let node = self.nodes.get_mut(&pack.node);
            if let Some(all) = node.and_then(|node| node.scores.get_mut(policy)) {
                all.merge(score);
            }
            let each = self.each.get_mut(&(pack.first + index));
            let Some(own) = each.and_then(|each| each.scores.get_mut(policy)) else {
                continue;
            };
            own.merge(score);
            if pack.shared {
                // What is kept free for all of a node is nobody's own.
                own.accounts
                    .iter_mut()
                    .for_each(|account| account.shared = 0);
            }
        }
    }
}
