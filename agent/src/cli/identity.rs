//! Who a workload is, in `trimtab show`, and who is asked about that, in `trimtab status`.

use super::{
    output::{BAD, FAINT, FAIR, paint},
    units::quantity,
};
use crate::{
    api::view::{Finding, FindingState, Identity},
    identity::container::Qos,
};

/// What is known of a workload beyond its path: labels of lines, and lines.
pub(super) fn lines(identity: &Identity) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    if let Some(unit) = &identity.unit {
        lines.push(("unit", self::unit(unit, identity)));
    }
    if let (Some(namespace), Some(pod)) = (&identity.namespace, &identity.pod) {
        let qos = identity.qos.map_or("", qos);
        lines.push(("pod", format!("{namespace}/{pod}{qos}")));
    }
    if identity.sandbox {
        lines.push(("container", "its pod's sandbox".into()));
    } else if let (Some(container), Some(image)) = (&identity.container, &identity.image) {
        lines.push(("container", format!("{container}, image {image}")));
    }
    let labels = identity.labels.iter();
    let labels: Vec<_> = labels
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    if !labels.is_empty() {
        lines.push(("labels", labels.join(", ")));
    }
    let declared = declared(identity);
    if !declared.is_empty() {
        lines.push(("declared", declared.join(", ")));
    }
    if !identity.sources.is_empty() {
        lines.push(("told by", paint(FAINT, identity.sources.join(", "))));
    }
    lines
}

fn unit(unit: &str, identity: &Identity) -> String {
    let description = identity.description.as_deref().filter(|text| *text != unit);
    match description {
        Some(description) => format!("{unit}: {description}"),
        None => unit.to_owned(),
    }
}

const fn qos(qos: Qos) -> &'static str {
    match qos {
        Qos::Guaranteed => ", guaranteed",
        Qos::Burstable => ", burstable",
        Qos::BestEffort => ", best effort",
    }
}

fn declared(identity: &Identity) -> Vec<String> {
    let amounts = [
        ("CPU request", identity.cpu_request),
        ("CPU limit", identity.cpu_limit),
        ("memory request", identity.memory_request),
        ("memory limit", identity.memory_limit),
    ];
    let said = amounts
        .into_iter()
        .filter_map(|(name, amount)| Some(format!("{name} {}", quantity(amount?))));
    said.collect()
}

/// Who answers, and who ought to and does not; `None` where nobody is there to be asked.
pub(super) fn sources(findings: &[Finding]) -> Option<String> {
    let said: Vec<_> = findings
        .iter()
        .filter_map(|finding| match finding.state {
            FindingState::On => Some(finding.why.clone()),
            FindingState::Degraded => {
                let text = format!("{}: {}", finding.name, finding.why);
                Some(paint(FAIR, text))
            }
            FindingState::Off => Some(paint(BAD, format!("{}: {}", finding.name, finding.why))),
            FindingState::None => None,
        })
        .collect();
    (!said.is_empty()).then(|| said.join("; "))
}
