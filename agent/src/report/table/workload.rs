//! Who workloads are, and what people or their tools may want to do about them.

use super::{counter::word, row};
use crate::report::{
    Kind::{Gauge, Info},
    Metric, Points, Read, Subject, Unit,
    sample::Who,
};

pub(super) const METRICS: &[Metric] = &[
    row(
        Info,
        "trimtab.workload",
        Unit::None,
        Read::Workload(who),
        "identity: paths, systemd, container runtimes",
        "Who a workload is.",
    )
    .by(&[
        "trimtab.workload.policy",
        "trimtab.workload.mode",
        "trimtab.workload.owner",
        "trimtab.workload.parent",
        "trimtab.workload.unit",
        "container.id",
        "container.name",
        "container.image.name",
        "k8s.namespace.name",
        "k8s.pod.name",
        "k8s.pod.uid",
    ]),
    row(
        Gauge,
        "trimtab.workload.anomaly",
        Unit::None,
        Read::Workload(anomalies),
        "the slow loop, once a minute",
        "1 for as long as it is found that something is out of the ordinary.",
    )
    .by(&["trimtab.anomaly", "trimtab.resource"]),
    row(
        Gauge,
        "trimtab.workload.instances",
        Unit::Count("{instance}"),
        Read::Workload(|subject, points| {
            points.number(&[], known(subject).map(|who| who.instances));
        }),
        "the slow loop, once a minute",
        "How many instances there should be for each of today's; 1 while this node can do.",
    ),
    row(
        Gauge,
        "trimtab.workload.balancing.weight",
        Unit::None,
        Read::Workload(|subject, points| {
            points.number(&[], known(subject).and_then(|who| who.balancing_weight));
        }),
        "the slow loop, once a minute",
        "How much of the load it should get beside other instances of its kind; absent until that is known.",
    ),
];

/// A workload that is told by name.
fn known(subject: &Subject) -> Option<&Who> {
    subject.who.as_deref()
}

fn who(subject: &Subject, points: &mut Points) {
    let Some(who) = known(subject) else { return };
    let identity = &who.identity;
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let attributes = [
        who.policy.clone(),
        who.mode.to_owned(),
        who.owner.clone(),
        text(&who.parent),
        text(&identity.unit),
        text(&identity.container_id),
        text(&identity.container),
        text(&identity.image),
        text(&identity.namespace),
        text(&identity.pod),
        text(&identity.pod_uid),
    ];
    points.number(&attributes.each_ref().map(String::as_str), 1_u64);
}

fn anomalies(subject: &Subject, points: &mut Points) {
    let Some(who) = known(subject) else { return };
    for anomaly in &who.anomalies {
        points.number(&[&anomaly.kind, word(anomaly.resource)], 1_u64);
    }
}
