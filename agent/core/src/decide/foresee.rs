//! Feeds forecasts, and finds the rises in them.

use super::control::Control;
use super::engine::Engine;
use super::settings::Policy;
use crate::signal::{Nanos, Resource, Slot};

impl Engine {
    /// Looks ahead where a workload's policy does.
    pub(super) fn foresee(&mut self, now: Nanos, slot: Slot, resource: Resource) {
        let workload = self.workloads.get_mut(slot.0 as usize);
        let Some(workload) = workload.and_then(Option::as_mut) else {
            return;
        };
        if let Some(control) = &mut workload.controls[resource.index()] {
            control.foresee(now, &workload.policy);
        }
    }
}

impl Control {
    /// Under a policy that looks ahead, tells the outlook what is needed now, and asks it for a rise: more than half of
    /// the margin above, which is what the reactive part waits for.
    pub(super) fn foresee(&mut self, now: Nanos, policy: &Policy) {
        let Policy::Predictive(policy) = policy else {
            return;
        };
        let resource = self.resource;
        let need = self.usage.demand(policy.reactive.percentile);
        let outlook = self.outlook.get_or_insert_default();
        outlook.push(now, resource, need, policy.coverage);
        let within_margin = need.percent(100 + policy.reactive.margin / 2);
        self.foreseen = outlook
            .ahead(now, resource, policy.lead)
            .filter(|foreseen| foreseen.expected > within_margin);
    }
}
