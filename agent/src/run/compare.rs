//! What other policies would have done, for the API.

use trimtab_core::{
    decide::Course,
    signal::{Nanos, Resource},
};

use super::{
    agent::{Agent, now},
    workload::Workload,
};
use crate::api::{
    backend::Refusal,
    view::{self, Comparison, Quantity},
};

impl Agent {
    /// What has come of one workload's shadow.
    ///
    /// # Errors
    /// [`Refusal::Conflict`] when it has none, or when there is nothing to compare yet.
    pub(super) fn compare(&self, workload: &Workload) -> Result<Comparison, Refusal> {
        self.compared(workload).ok_or_else(|| {
            let Workload { name, policy, .. } = workload;
            Refusal::Conflict(if workload.shadow.is_some() {
                format!("{name} has not been looked at yet: ask again in a second")
            } else {
                format!(
                    "nothing is asked beside `{policy}`, which has {name}: write shadow = \"...\" there, with another policy's name"
                )
            })
        })
    }

    /// The same for all that have one, in the order of their paths.
    pub(super) fn compare_all(&self) -> Vec<Comparison> {
        let compared = |workload| self.compared(workload);
        let mut comparisons: Vec<_> = self.workloads.iter().filter_map(compared).collect();
        comparisons.sort_by(|a, b| a.path.cmp(&b.path));
        comparisons
    }

    fn compared(&self, workload: &Workload) -> Option<Comparison> {
        let shadow = workload.shadow.as_ref()?;
        let beside = self.engine.shadows().beside(workload.slot)?;
        let [active_slack, shadow_slack] = beside.slack();
        Some(Comparison {
            workload: workload.name.clone(),
            path: workload.shown_path(),
            resource: Resource::Cpu,
            age_ns: now().since(beside.since).0,
            compared_ns: beside.time.0,
            used: Quantity::new(Resource::Cpu, beside.mean_used()),
            active: course(&workload.policy, &beside.active, beside.time, active_slack),
            shadow: course(shadow, &beside.shadow, beside.time, shadow_slack),
        })
    }
}

fn course(policy: &str, course: &Course, time: Nanos, slack: Option<i64>) -> view::Course {
    let quantity = |amount| Quantity::new(Resource::Cpu, amount);
    view::Course {
        policy: policy.to_owned(),
        limit: quantity(course.limit),
        mean_limit: quantity(course.mean_limit(time)),
        mean_held: quantity(course.mean_held(time)),
        changes: course.changes,
        turns: course.turns,
        short_ns: course.short.0,
        slack_per_mille: slack,
    }
}
