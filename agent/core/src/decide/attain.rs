//! Feeds what is learned of latency objectives, and takes from it how much of a limit is held.

use super::control::Control;
use super::engine::Engine;
use super::reason::Input;
use super::settings::Policy;
use crate::signal::{Amount, Nanos, Resource};
use crate::snapshot::{LatencySignals, WorkloadSignals};

impl Engine {
    /// Tells what has ended over the tick to a workload whose policy has an objective. What has been learned counts only
    /// where limits may be written, and where less may be held than the owner had set.
    pub(super) fn attain(&mut self, now: Nanos, elapsed: Nanos, signals: &WorkloadSignals) {
        let resource = Resource::Cpu;
        let Some(workload) = self.workload(signals.slot) else {
            return;
        };
        if workload.policy.objective().is_none() {
            return;
        }
        let control = workload.controls[resource.index()].as_ref();
        let armed = control.is_some_and(|control| self.armed(workload, control));
        if let Some(control) = self.control(signals.slot, resource) {
            control.attain(now, elapsed, signals.latency, armed);
        }
    }
}

impl Control {
    /// The same for one limit; `ended`: what has ended, if anything tells.
    pub(super) fn attain(
        &mut self,
        now: Nanos,
        elapsed: Nanos,
        ended: Option<LatencySignals>,
        armed: bool,
    ) {
        let Some(ended) = ended else {
            (self.attainment, self.own) = (None, None);
            return;
        };
        let attainment = self.attainment.get_or_insert_default();
        attainment.push(now, elapsed, self.usage.latest(), ended);
        let own = attainment.own(self.usage.least());
        self.own = own
            .filter(|_| armed && self.bounds.trim)
            .map(|own| steady(self.own, own));
    }
}

/// A change of less than a thirty-second is not worth telling.
fn steady(before: Option<Amount>, now: Amount) -> Amount {
    before
        .filter(|before| before.0.abs_diff(now.0) < before.0 / 32)
        .unwrap_or(now)
}

/// What an objective has to do with a decision.
pub(super) fn attained(policy: &Policy, control: &Control) -> Vec<Input> {
    let (Some(objective), Some(attainment)) = (policy.objective(), &control.attainment) else {
        return Vec::new();
    };
    let lately = attainment.lately();
    if lately.count == 0 {
        return Vec::new();
    }
    let mut inputs = vec![Input::Attained {
        late: lately.late,
        of: lately.count,
        objective,
    }];
    inputs.extend(control.own().map(Input::Own));
    inputs
}
