//! What a run comes to, in figures that people and programs read.

use std::collections::BTreeMap;

use serde::Serialize;
use trimtab_core::{
    score::{Account, Price, Score},
    signal::{Nanos, Resource},
};

use super::{
    error::ReadError,
    run::{Each, EachNode, Options, Policy, Report, SourceReport, Together},
};
use crate::api::view::Quantity;

/// All that a run comes to.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Which program.
    pub version: &'static str,
    /// Which half of the series: `tuning`, `reporting` or `all`.
    pub half: &'static str,
    /// One in so many series, by a hash of their names.
    pub one_in: u64,
    /// How they shared nodes; `None` for a node each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub together: Option<TogetherFigures>,
    /// How much of each series was run at the most; `None` for all of it.
    pub most_ns: Option<u64>,
    /// Length of the windows that are judged.
    pub window_ns: u64,
    /// How late work may be.
    pub objective_ns: u64,
    /// Source by source.
    pub sources: Vec<SourceFigures>,
    /// All sources together, one per policy.
    pub all: Vec<PolicyFigures>,
    /// What could not be read.
    pub refused: Vec<Refused>,
    /// Node by node, where that was asked for and nodes are shared.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<NodeFigures>,
    /// Series by series, where that was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub series: Vec<SeriesFigures>,
}

/// How series share nodes.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct TogetherFigures {
    /// So many workloads on a node at the most.
    pub workloads: usize,
    /// What a node has, in percent of what its workloads begin with.
    pub room_percent: u32,
}

/// One source.
#[derive(Clone, Debug, Serialize)]
pub struct SourceFigures {
    /// Its name.
    pub source: &'static str,
    /// How what was recorded stands to what was wanted.
    pub recorded: Vec<String>,
    /// Whether some amounts are parts of a whole that is not known.
    pub relative: bool,
    /// How many series were run; parts of one count by themselves.
    pub series: u64,
    /// On how many nodes, where they are shared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes: Option<u64>,
    /// How long they are together.
    pub time_ns: u128,
    /// Series of which only the beginning was run.
    pub cut: u64,
    /// Series that were too short.
    pub short: u64,
    /// Series and files about nothing that is simulated.
    pub other: u64,
    /// Series that no policy of a configuration selects, which therefore leaves them alone.
    #[serde(skip_serializing_if = "is_zero")]
    pub left_alone: u64,
    /// What was repaired, and how often.
    pub repairs: BTreeMap<&'static str, u64>,
    /// One per policy.
    pub policies: Vec<PolicyFigures>,
}

/// One node that is shared.
#[derive(Clone, Debug, Serialize)]
pub struct NodeFigures {
    /// Its number, from 1.
    pub node: usize,
    /// The source that its series are from.
    pub source: &'static str,
    /// How many there are on it.
    pub series: usize,
    /// Its CPUs.
    pub cpus: Quantity,
    /// Its memory.
    pub memory: Quantity,
    /// How long it was run.
    pub time_ns: u64,
    /// One per policy.
    pub policies: Vec<PolicyFigures>,
}

/// One series.
#[derive(Clone, Debug, Serialize)]
pub struct SeriesFigures {
    /// The source it is from.
    pub source: &'static str,
    /// Its name.
    pub series: String,
    /// Which part of it.
    pub part: u32,
    /// How long it is.
    pub time_ns: u64,
    /// The number of the node that it shares with others, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<usize>,
    /// One per policy.
    pub policies: Vec<PolicyFigures>,
}

/// One policy.
#[derive(Clone, Debug, Serialize)]
pub struct PolicyFigures {
    /// Its name.
    pub policy: String,
    /// CPU; `None` where nobody wants any.
    pub cpu: Option<ResourceFigures>,
    /// Memory; `None` where nobody wants any.
    pub memory: Option<ResourceFigures>,
    /// Periods that ended throttled, in millionths of those in which something wanted to run.
    pub throttled_ppm: u64,
    /// Time throttled, summed over CPUs.
    pub throttled_ns: u128,
    /// Work that was not done, in millionths of what was wanted.
    pub shortfall_ppm: u64,
    /// How late work was on average.
    pub delay_ns: u64,
    /// Requests; `None` where there were none.
    pub requests: Option<RequestFigures>,
    /// Windows that were judged.
    pub windows: u64,
    /// Windows that violate the objective.
    pub violated: u64,
    /// The same in millionths.
    pub violated_ppm: u64,
    /// Kills for want of memory.
    pub oom_kills: u64,
    /// Starts after a kill or on the policy's order.
    pub restarts: u64,
    /// Time stalled on memory.
    pub stalled_ns: u128,
    /// What was held comes to, in millionths of the currency; `None` without a price.
    pub cost_micros: Option<u128>,
}

/// One resource.
#[derive(Clone, Debug, Serialize)]
pub struct ResourceFigures {
    /// How many workloads want it.
    pub workloads: u64,
    /// Held per workload, averaged over time.
    pub held: Quantity,
    /// Used per workload, averaged over time.
    pub used: Quantity,
    /// The momentary limit per workload, averaged over time: for information, not for comparison.
    pub limit: Quantity,
    /// `(held - used) / held` over all, in thousandths.
    pub slack_permille: Option<i64>,
    /// The median over workloads.
    pub slack_median_permille: Option<i64>,
    /// Changes of the limit.
    pub changes: u64,
    /// The same per workload and day, in thousandths.
    pub changes_per_day_millis: u64,
    /// Changes that went the other way than the one before.
    pub turns: u64,
    /// The mean size of a change, in thousandths of the larger of the two limits.
    pub change_size_permille: u64,
}

/// Requests.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct RequestFigures {
    /// Those that were answered.
    pub answered: u64,
    /// Those that died, or came while nobody was there.
    pub lost: u64,
    /// The latency that half of those answered did not exceed.
    pub p50_us: Option<i64>,
    /// The latency that 99 of 100 did not exceed.
    pub p99_us: Option<i64>,
}

/// A file that was not read to its end.
#[derive(Clone, Debug, Serialize)]
pub struct Refused {
    /// Which file.
    pub file: String,
    /// In which line.
    pub line: Option<u64>,
    /// What is wrong there.
    pub error: String,
    /// What to do about it.
    pub remedy: String,
}

/// What holding a CPU or a GiB for an hour costs; `None` where it was not said.
pub type Prices = [Option<Price>; 2];

impl Figures {
    /// Of a report.
    #[must_use]
    pub fn of(report: &Report, policies: &[Policy], options: &Options, prices: Prices) -> Self {
        let figures = |scores: &[Score]| -> Vec<PolicyFigures> {
            let scores = policies.iter().zip(scores);
            scores
                .map(|(policy, score)| PolicyFigures::of(policy.name(), score, prices))
                .collect()
        };
        let source = |(name, report): (&&'static str, &SourceReport)| SourceFigures {
            source: name,
            recorded: report.kinds.iter().map(ToString::to_string).collect(),
            relative: report.relative,
            series: report.series,
            nodes: options.together.map(|_| report.nodes),
            time_ns: report.time,
            cut: report.cut,
            short: report.left_out.short,
            other: report.left_out.other + report.other,
            left_alone: report.left_alone,
            repairs: report.repairs.counts().into_iter().collect(),
            policies: figures(&report.scores),
        };
        let series = |each: &Each| SeriesFigures {
            source: each.source,
            series: each.name.clone(),
            part: each.part,
            time_ns: each.time.0,
            node: each.node.map(|node| node + 1),
            policies: figures(&each.scores),
        };
        let node = |(number, node): (&usize, &EachNode)| NodeFigures {
            node: number + 1,
            source: node.source,
            series: node.series,
            cpus: Quantity::MicroCpus(node.room[0].0),
            memory: Quantity::Bytes(node.room[1].0),
            time_ns: node.time.0,
            policies: figures(&node.scores),
        };
        Self {
            version: env!("CARGO_PKG_VERSION"),
            half: options.chosen.half_name(),
            one_in: options.chosen.one_in.get(),
            together: options.together.map(TogetherFigures::from),
            most_ns: options.most.map(|most| most.0),
            window_ns: options.rules.window.0,
            objective_ns: options.rules.objective.0,
            sources: report.sources.iter().map(source).collect(),
            all: figures(&report.all()),
            refused: report.refused.iter().map(Refused::of).collect(),
            nodes: report.nodes.iter().map(node).collect(),
            series: report.each.values().map(series).collect(),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl From<Together> for TogetherFigures {
    fn from(together: Together) -> Self {
        Self {
            workloads: together.workloads.get(),
            room_percent: together.room.get(),
        }
    }
}

impl PolicyFigures {
    fn of(policy: &str, score: &Score, prices: Prices) -> Self {
        let [cpu, memory] = Resource::ALL.map(|resource| {
            let account = score.account(resource);
            (account.workloads > 0).then(|| ResourceFigures::of(resource, account))
        });
        let costs = Resource::ALL.into_iter().zip(prices);
        let costs = costs
            .filter_map(|(resource, price)| Some(price?.of(resource, score.account(resource))));
        let (answered, lost) = (score.latency.count(), score.lost_requests);
        Self {
            policy: policy.to_owned(),
            cpu,
            memory,
            throttled_ppm: score.throttled_part(),
            throttled_ns: score.throttled,
            shortfall_ppm: score.shortfall(),
            delay_ns: score.mean_delay(),
            requests: (answered + lost > 0).then(|| RequestFigures {
                answered,
                lost,
                p50_us: score.latency.quantile(500),
                p99_us: score.latency.quantile(990),
            }),
            windows: score.windows,
            violated: score.violated,
            violated_ppm: score.violated_part(),
            oom_kills: score.oom_kills,
            restarts: score.restarts,
            stalled_ns: score.stalled,
            cost_micros: prices.iter().any(Option::is_some).then(|| costs.sum()),
        }
    }
}

impl ResourceFigures {
    fn of(resource: Resource, account: &Account) -> Self {
        const DAY: u128 = 86_400 * Nanos::SECOND.0 as u128;
        let mean = |sum| match resource {
            Resource::Cpu => Quantity::MicroCpus(account.mean(sum)),
            Resource::Memory => Quantity::Bytes(account.mean(sum)),
        };
        let changes = account.changes;
        let per_day = u128::from(changes.count) * 1000 * DAY / account.time.max(1);
        Self {
            workloads: account.workloads,
            held: mean(account.set_aside()),
            used: mean(account.used),
            limit: mean(account.limit),
            slack_permille: account.slack(),
            slack_median_permille: account.slack.quantile(500),
            changes: changes.count,
            changes_per_day_millis: u64::try_from(per_day).unwrap_or(u64::MAX),
            turns: changes.turns,
            change_size_permille: changes.mean_size(),
        }
    }
}

impl Refused {
    pub(crate) fn of(error: &ReadError) -> Self {
        Self {
            file: error.file.display().to_string(),
            line: error.line,
            error: error.wrong.to_string(),
            remedy: error.wrong.remedy(),
        }
    }
}
