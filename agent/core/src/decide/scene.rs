//! What the guardrails look at, gathered from all over the engine.

use super::control::Control;
use super::engine::{Engine, Workload};
use super::guard::Scene;
use super::policy::Need;
use crate::signal::{Amount, Mode, Nanos, Resource, Slot};

/// How much one limit may count on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Take {
    /// All it wants: to learn how much that is.
    All,
    /// What the pool has left, or its share of that.
    Part,
}

impl Engine {
    /// What policies are told about one limit.
    pub(super) fn need<'a>(&self, now: Nanos, control: &'a Control) -> Need<'a> {
        let limit = control.limit();
        Need {
            now,
            limit: if limit.is_unlimited() {
                self.ceiling(control)
            } else {
                limit
            },
            usage: &control.usage,
            cut: control.trials.hurting(now),
            foreseen: control.foreseen,
            missed: control
                .attainment
                .as_ref()
                .is_some_and(|one| one.is_missed()),
            memory: control.bounds.give_back.zip(control.working_set.as_deref()),
        }
    }

    /// The surroundings of one limit.
    pub(super) fn scene<'a>(
        &self,
        now: Nanos,
        slot: Slot,
        workload: &Workload,
        control: &'a Control,
    ) -> Scene<'a> {
        self.scene_of(now, slot, workload, control, Take::Part)
    }

    /// The same, with as much from the pool as is said.
    pub(super) fn scene_of<'a>(
        &self,
        now: Nanos,
        slot: Slot,
        workload: &Workload,
        control: &'a Control,
        take: Take,
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
        let free = limit.max(base);
        let share = match workload.mode {
            Mode::Enforce => self.division.bound(slot, control.resource),
            Mode::Observe | Mode::Recommend => None,
        };
        let pool = if take == Take::All || !self.cap(slot, control.resource).is_unlimited() {
            Amount::UNLIMITED
        } else if let Some(share) = share {
            free.max(share)
        } else {
            free.plus(self.pools[index].minus(self.lent[index]))
        };
        Scene {
            resource: control.resource,
            bounds: &control.bounds,
            grain: control.grain,
            need: self.need(now, control),
            unlimited: limit.is_unlimited(),
            memory: &control.memory,
            floor,
            visible: control.visible.min(ceiling),
            ceiling,
            base,
            parent,
            node,
            pool,
            divided: share.is_some(),
            barred: control.barred,
            settled_in: now.since(workload.born) >= control.bounds.warm_up,
            cooldown: control.cooldown(),
            raised: control.raised,
            trimmed: control.trimmed,
            changes: control.changes,
        }
    }
}
