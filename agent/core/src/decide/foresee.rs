//! Feeds forecasts, and finds the rises in them.

use super::engine::Engine;
use super::settings::Policy;
use crate::signal::{Nanos, Resource, Slot};

impl Engine {
    /// Tells the outlook of a workload whose policy looks ahead what is needed now, and asks it for a rise: more than
    /// half of the margin above, which is what the reactive part waits for.
    pub(super) fn foresee(&mut self, now: Nanos, slot: Slot, resource: Resource) {
        let workload = self.workloads.get_mut(slot.0 as usize);
        let Some(workload) = workload.and_then(Option::as_mut) else {
            return;
        };
        let Policy::Predictive(policy) = workload.policy else {
            return;
        };
        let Some(control) = &mut workload.controls[resource.index()] else {
            return;
        };
        let need = control.usage.demand(policy.reactive.percentile);
        let outlook = control.outlook.get_or_insert_default();
        outlook.push(now, resource, need, policy.coverage);
        let within_margin = need.percent(100 + policy.reactive.margin / 2);
        control.foreseen = outlook
            .ahead(now, resource, policy.lead)
            .filter(|foreseen| foreseen.expected > within_margin);
    }
}
