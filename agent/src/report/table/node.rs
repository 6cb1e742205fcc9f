//! The node: what it has to lend, who is a workload.

use trimtab_core::signal::Resource;

use super::{
    counter::{pressure, word},
    row,
};
use crate::{
    api::view::{Pool, Quantity},
    report::{
        Kind::{Counter, Gauge, UpDownCounter},
        Metric, Points, Read, Sample, Unit,
    },
};

/// The parts of a pool, in the order of [`parts`].
const PARTS: &[&str] = &["trimtab.pool.part"];

pub(super) const METRICS: &[Metric] = &[
    row(
        UpDownCounter,
        "trimtab.pool.cpu",
        Unit::Cpus,
        Read::Node(|sample, points| pool(sample, Resource::Cpu, points)),
        "the slow loop",
        "CPU of the node: what is never lent (reserve), set aside (floors), used by others (unmanaged), lent, and left to lend (free). \
         The parts add up to what the node has, unless more is lent than there is.",
    )
    .by(PARTS),
    row(
        UpDownCounter,
        "trimtab.pool.memory",
        Unit::Bytes,
        Read::Node(|sample, points| pool(sample, Resource::Memory, points)),
        "the slow loop",
        "Memory of the node, by the same parts.",
    )
    .by(PARTS),
    row(
        Counter,
        "trimtab.node.stall.time",
        Unit::Seconds,
        Read::Node(|sample, points| {
            let stalls = &sample.status.pressure;
            pressure("cpu", stalls.cpu.as_ref(), points);
            pressure("memory", stalls.memory.as_ref(), points);
            pressure("io", stalls.io.as_ref(), points);
        }),
        "PSI: `/proc/pressure`",
        "Time that some or all tasks of the node stalled, since it booted.",
    )
    .by(&["trimtab.resource", "trimtab.stall"]),
    row(
        UpDownCounter,
        "trimtab.node.workloads",
        Unit::Count("{workload}"),
        Read::Node(|sample, points| {
            let status = &sample.status;
            points.number(&["observe"], u64::from(status.observed));
            points.number(&["recommend"], u64::from(status.recommended));
            points.number(&["enforce"], u64::from(status.enforced));
        }),
        "the slow loop",
        "Workloads by mode.",
    )
    .by(&["trimtab.workload.mode"]),
    row(
        UpDownCounter,
        "trimtab.node.workloads.pinned",
        Unit::Count("{workload}"),
        Read::Node(|sample, points| points.number(&[], u64::from(sample.status.pinned))),
        "the slow loop",
        "Workloads that somebody has pinned.",
    ),
    row(
        UpDownCounter,
        "trimtab.node.workloads.waiting",
        Unit::Count("{group}"),
        Read::Node(|sample, points| points.number(&[], u64::from(sample.status.room.waiting))),
        "the slow loop",
        "Groups that policies select and for which there is no room.",
    ),
    row(
        UpDownCounter,
        "trimtab.node.workloads.sharing",
        Unit::Count("{workload}"),
        Read::Node(|sample, points| points.number(&[], u64::from(sample.status.room.sharing))),
        "the slow loop",
        "Workloads without histograms of their own.",
    ),
    row(
        UpDownCounter,
        "trimtab.node.workloads.unnamed",
        Unit::Count("{workload}"),
        Read::Node(|sample, points| points.number(&[], sample.others)),
        "this table",
        "Workloads that these metrics do not tell by name: the others.",
    ),
    row(
        UpDownCounter,
        "trimtab.node.anomalies",
        Unit::Count("{anomaly}"),
        Read::Node(anomalies),
        "the slow loop, once a minute",
        "What is out of the ordinary about workloads, by kind, whether or not they are told by name.",
    )
    .by(&["trimtab.anomaly", "trimtab.resource"]),
    row(
        Gauge,
        "trimtab.node.paused",
        Unit::None,
        Read::Node(|sample, points| points.number(&[], u64::from(sample.status.paused))),
        "the slow loop",
        "1 while somebody has suspended all writing.",
    ),
];

/// What a pool is made of.
fn parts(pool: &Pool) -> [(&'static str, u64); 5] {
    let [reserve, floors, unmanaged, size, lent] = [
        pool.reserve,
        pool.floors,
        pool.unmanaged,
        pool.size,
        pool.lent,
    ]
    .map(amount);
    [
        ("reserve", reserve),
        ("floors", floors),
        ("unmanaged", unmanaged),
        ("lent", lent),
        ("free", size.saturating_sub(lent)),
    ]
}

fn pool(sample: &Sample, resource: Resource, points: &mut Points) {
    let pools = sample.status.pools.iter();
    for pool in pools.filter(|pool| pool.resource == resource) {
        for (part, amount) in parts(pool) {
            points.number(&[part], amount);
        }
    }
}

const fn amount(quantity: Quantity) -> u64 {
    match quantity {
        Quantity::MicroCpus(amount) | Quantity::Bytes(amount) => amount,
        Quantity::Unlimited => 0,
    }
}

fn anomalies(sample: &Sample, points: &mut Points) {
    let mut counts = std::collections::BTreeMap::new();
    for anomaly in &sample.status.anomalies {
        let key = (anomaly.kind.as_str(), word(anomaly.resource));
        *counts.entry(key).or_insert(0_u64) += 1;
    }
    for ((kind, resource), count) in counts {
        points.number(&[kind, resource], count);
    }
}
