//! Which policy is asked.

use super::types::{Memory, Need, Proposal};
use super::{headroom, memory, predictive, slo, threshold};
use crate::decide::settings::Policy;

/// Asks the workload's policy, and for memory that is given back the one that does so.
pub(in crate::decide) fn propose(
    policy: &Policy,
    memory: &mut Memory,
    need: &Need<'_>,
) -> Option<Proposal> {
    memory.forgive(need.now);
    let own = match policy {
        Policy::Threshold(threshold) => threshold::propose(threshold, memory, need),
        Policy::Headroom(headroom) => headroom::propose(headroom, memory, need),
        Policy::Predictive(predictive) => predictive::propose(predictive, memory, need),
        Policy::Slo(slo) => slo::propose(slo, memory, need),
    };
    match need.memory {
        Some((policy, set)) => memory::propose(&policy, memory, need, set, own),
        None => own,
    }
}
