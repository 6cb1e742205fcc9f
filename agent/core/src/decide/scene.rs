//! What the guardrails look at, gathered from all over the engine.

use super::control::Control;
use super::engine::{Engine, Workload};
use super::guard::Scene;
use super::policy::Need;
use crate::signal::{Amount, Nanos, Resource, Slot};

impl Engine {
    /// The surroundings of one limit.
    pub(super) fn scene<'a>(
        &self,
        now: Nanos,
        slot: Slot,
        workload: &Workload,
        control: &'a Control,
    ) -> Scene<'a> {
        let index = control.resource.index();
        let ceiling = self.ceiling(control);
        let floor = self.floors[slot.0 as usize][index];
        let base = control.base(floor);
        let limit = control.limit();
        // What this tick has decided for those above counts already.
        let parents = self
            .ancestors(slot)
            .map(|above| self.plans[above.0 as usize][index]);
        let parent = parents.min().unwrap_or(Amount::UNLIMITED);
        let node = match control.resource {
            Resource::Cpu => Amount::UNLIMITED,
            Resource::Memory => base.max(control.usage.last().plus(self.memory_headroom())),
        };
        let pool = if self.cap(slot, control.resource).is_unlimited() {
            limit
                .max(base)
                .plus(self.pools[index].minus(self.lent[index]))
        } else {
            Amount::UNLIMITED
        };
        Scene {
            resource: control.resource,
            bounds: &control.bounds,
            grain: control.grain,
            need: Need {
                now,
                limit: if limit.is_unlimited() { ceiling } else { limit },
                usage: &control.usage,
                cut: control.cut.filter(|cut| cut.to_blame(now)),
                foreseen: control.foreseen,
            },
            unlimited: limit.is_unlimited(),
            memory: &control.memory,
            floor,
            ceiling,
            base,
            parent,
            node,
            pool,
            barred: control.barred,
            settled_in: now.since(workload.born) >= control.bounds.warm_up,
            raised: control.raised,
            trimmed: control.trimmed,
            changes: control.changes,
        }
    }
}
