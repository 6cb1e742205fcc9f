//! Random mixes on one node: whether guaranteed work keeps its P99 beside best-effort work that wants all there
//! is, and how much of the idle CPU that gets.
//!
//! Each guaranteed workload is compared with itself alone on the node and without a limit: all that holds it up in
//! the mix counts, whether best-effort work, other guaranteed work or its own limit. What is left without
//! best-effort work is in a column of its own.

use std::num::NonZeroUsize;

use serde::Serialize;
use trimtab::replay::Policy;
use trimtab_core::{
    decide::{Entitlement, Priority},
    node::{Controller, Mix},
    score::{Packing, Since, Span},
    signal::Nanos,
};

use super::{cells, threads};
use crate::{
    speed::Still,
    spread::{number, quantile},
};

/// Ours trim nothing in a workload's first three minutes, and need a minute more; then five are looked at.
const SPAN: Span = Span {
    from: Nanos(4 * Nanos::MINUTE.0),
    until: Nanos(9 * Nanos::MINUTE.0),
};

/// `cpu.weight` of best-effort work: what Kubernetes gives it, and what a group has that nobody has thought of.
const WEIGHTS: [u64; 2] = [1, 100];

/// The goal: this much later at the most, in thousandths, and this much of the idle CPU used at the least.
const LATER: f64 = 40.0;
const USED: u64 = 750;

/// Many mixes under one policy.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    best_effort_weight: u64,
    policy: String,
    mixes: usize,
    guaranteed: usize,
    /// By how much P99 is above that alone, in thousandths, over all guaranteed workloads.
    later_median: f64,
    later_worst: f64,
    /// The same without best-effort work.
    later_worst_without: f64,
    /// How many of them are within the goal.
    in_time: usize,
    /// The part of the CPU that guaranteed work left which best-effort work used, in thousandths.
    idle_used_median: f64,
    idle_used_least: f64,
    /// The part of the node that was used, in thousandths.
    utilisation_median: f64,
    utilisation_least: f64,
    /// Mixes in which all of the goal was reached.
    reached: usize,
}

/// One mix under one policy.
struct Came {
    later: Vec<f64>,
    later_without: Vec<f64>,
    idle_used: u64,
    utilisation: u64,
}

/// What stands beside the policies: nobody has a limit, and weights settle everything.
const WEIGHTS_ALONE: &str = "no limits";

/// Whether a policy does anything about CPU within minutes.
pub(super) fn suits(policy: &Policy) -> bool {
    const QUICK: [&str; 5] = [
        "static",
        "k8s-cpu",
        "k8s-cpu-fast",
        "captain",
        "koordinator",
    ];
    policy.is_own() || QUICK.contains(&policy.name())
}

/// Runs so many mixes under these policies.
pub(super) fn run(mixes: u64, policies: &[Policy], threads: NonZeroUsize) -> Vec<Row> {
    let seeds: Vec<_> = (1..=mixes).collect();
    // Alone, the weight of others does not matter.
    let alone = threads::each(threads, seeds.len(), |job| {
        Packing::alone(&Mix::random(seeds[job], 1).unlimited(), || Still, SPAN)
    });
    let names = || policies.iter().map(Some).chain([None]);
    let cases: Vec<_> = WEIGHTS
        .into_iter()
        .flat_map(|weight| names().map(move |policy| (weight, policy)))
        .collect();
    let came = threads::each(threads, cases.len() * seeds.len(), |job| {
        let (weight, policy) = cases[job / seeds.len()];
        let nth = job % seeds.len();
        came(&Mix::random(seeds[nth], weight), policy, &alone[nth])
    });
    let rows = cases.iter().zip(came.chunks(seeds.len().max(1)));
    rows.map(|((weight, policy), came)| {
        let policy = policy.map_or(WEIGHTS_ALONE, Policy::name);
        row(*weight, policy, came)
    })
    .collect()
}

fn came(mix: &Mix, policy: Option<&Policy>, alone: &[Since]) -> Came {
    let mut quiet = mix.clone();
    quiet.best_effort.clear();
    let [with, without] = [mix, &quiet].map(|mix| match policy {
        Some(policy) => Packing::run(mix, steer(policy, mix).as_mut(), SPAN),
        None => Packing::run(&mix.clone().unlimited(), &mut Still, SPAN),
    });
    Came {
        later: later(&with.guaranteed, alone),
        later_without: later(&without.guaranteed, alone),
        idle_used: with.idle_used(),
        utilisation: with.utilisation(),
    }
}

/// The policy's controller of a mix; one that cannot be had for it leaves everything as it is.
fn steer(policy: &Policy, mix: &Mix) -> Box<dyn Controller + Send> {
    let guaranteed = mix.guaranteed.iter().map(|one| (one, Priority::High));
    let best_effort = mix.best_effort.iter().map(|one| (one, Priority::Low));
    let entitlements: Vec<_> = guaranteed
        .chain(best_effort)
        .map(|(one, priority)| Entitlement {
            weight: u16::try_from(one.weight).unwrap_or(Entitlement::HEAVIEST),
            priority,
        })
        .collect();
    let controller = policy.on_node(&mix.setup, &entitlements);
    controller.unwrap_or_else(|| Box::new(Still))
}

/// By how much each P99 is above that alone, in thousandths.
fn later(mixed: &[Since], alone: &[Since]) -> Vec<f64> {
    let pairs = mixed.iter().zip(alone);
    let later = pairs.filter_map(|(mixed, alone)| {
        let alone = number(alone.latency(990)?.0);
        // Where nobody was answered at all, everybody waited to the end.
        let whole = SPAN.until.since(SPAN.from);
        let mixed = mixed.latency(990).unwrap_or(whole);
        Some((number(mixed.0) / alone - 1.0) * 1000.0)
    });
    later.collect()
}

fn row(best_effort_weight: u64, policy: &str, came: &[Came]) -> Row {
    let sorted = |values: &dyn Fn(&Came) -> Vec<f64>| {
        let mut sorted: Vec<_> = came.iter().flat_map(values).collect();
        sorted.sort_by(f64::total_cmp);
        sorted
    };
    let later = sorted(&|one| one.later.clone());
    let without = sorted(&|one| one.later_without.clone());
    let idle = sorted(&|one| vec![number(one.idle_used)]);
    let utilisation = sorted(&|one| vec![number(one.utilisation)]);
    let reached = came
        .iter()
        .filter(|one| one.idle_used >= USED && one.later.iter().all(|later| *later <= LATER));
    Row {
        best_effort_weight,
        policy: policy.to_owned(),
        mixes: came.len(),
        guaranteed: later.len(),
        later_median: quantile(&later, 0.5),
        later_worst: quantile(&later, 1.0),
        later_worst_without: quantile(&without, 1.0),
        in_time: later.iter().filter(|later| **later <= LATER).count(),
        idle_used_median: quantile(&idle, 0.5),
        idle_used_least: quantile(&idle, 0.0),
        utilisation_median: quantile(&utilisation, 0.5),
        utilisation_least: quantile(&utilisation, 0.0),
        reached: reached.count(),
    }
}

/// Tables in Markdown, as docs/CONTROL.md has them.
pub(super) fn print(rows: &[Row]) {
    let mut last = None;
    for row in rows {
        if last != Some(row.best_effort_weight) {
            last = Some(row.best_effort_weight);
            println!(
                "\npacking: {} mixes with {} guaranteed workloads, best effort of weight {}\n",
                row.mixes, row.guaranteed, row.best_effort_weight
            );
            println!(
                "{}",
                cells::head(&[
                    "policy",
                    "P99 later: median",
                    "worst",
                    "worst without best effort",
                    "within 4 %",
                    "idle CPU used: median",
                    "least",
                    "node used: median",
                    "least",
                    "mixes that reach both goals",
                ])
            );
        }
        let tenth = |permille: f64| format!("{:.1} %", permille / 10.0);
        let part = |part: usize, whole: usize| format!("{part} of {whole}");
        let cells = [
            row.policy.clone(),
            tenth(row.later_median),
            tenth(row.later_worst),
            tenth(row.later_worst_without),
            part(row.in_time, row.guaranteed),
            tenth(row.idle_used_median),
            tenth(row.idle_used_least),
            tenth(row.utilisation_median),
            tenth(row.utilisation_least),
            part(row.reached, row.mixes),
        ];
        println!("{}", cells::row(&cells));
    }
}
