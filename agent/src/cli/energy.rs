//! Energy, in `trimtab status` and `trimtab show`.

use super::{
    output::{FAIR, paint},
    units::{joules, watts},
};
use crate::api::view::{Energy, EnergyShare, EnergyState};

/// What the node draws; `None` where nothing is known of that, nor anything in the way.
pub(super) fn node(energy: &Energy) -> Option<String> {
    let trouble = (energy.state == EnergyState::Refused)
        .then(|| paint(FAIR, format!("counters cannot be read: {}", energy.why)));
    let Some(all) = energy.milliwatts else {
        return trouble;
    };
    let mut parts = Vec::new();
    for (value, what) in [
        (energy.package_milliwatts, "packages"),
        (energy.memory_milliwatts, "memory"),
        (energy.gpu_milliwatts, "GPUs"),
        (energy.idle_milliwatts, "of that idle"),
        (energy.unattributed_milliwatts, "of no workload"),
    ] {
        parts.extend(value.map(|value| format!("{} {what}", watts(value))));
    }
    let text = format!(
        "{}: {}; {} so far",
        watts(all),
        parts.join(", "),
        joules(energy.millijoules)
    );
    Some(trouble.map_or(text.clone(), |trouble| format!("{text}; {trouble}")))
}

/// What a workload draws.
pub(super) fn workload(share: &EnergyShare) -> String {
    let now = share.milliwatts.map_or_else(|| "-".to_owned(), watts);
    let all = joules(share.millijoules);
    let gpus = match share.gpu_millijoules {
        0 => String::new(),
        some => format!(", {} of them on GPUs", joules(some)),
    };
    format!("{now} now, {all} since adoption{gpus}")
}
