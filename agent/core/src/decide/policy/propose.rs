//! Which policy is asked.

use super::types::{Memory, Need, Proposal};
use super::{headroom, predictive, slo, threshold};
use crate::decide::settings::Policy;

/// Asks the workload's policy.
pub(in crate::decide) fn propose(
    policy: &Policy,
    memory: &mut Memory,
    need: &Need<'_>,
) -> Option<Proposal> {
    memory.forgive(need.now);
    match policy {
        Policy::Threshold(threshold) => threshold::propose(threshold, memory, need),
        Policy::Headroom(headroom) => headroom::propose(headroom, memory, need),
        Policy::Predictive(predictive) => predictive::propose(predictive, memory, need),
        Policy::Slo(slo) => slo::propose(slo, memory, need),
    }
}
