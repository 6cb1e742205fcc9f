//! What people may want to see of a workload between decisions.

use super::engine::Engine;
use super::entitlement::Entitlement;
use super::reason::Guard;
use crate::model::OFTEN;
use crate::signal::{Amount, Mode, Nanos, Resource, Slot};
use serde::{Deserialize, Serialize};

/// One workload's limit and what is thought about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// Whether limits may be written.
    pub armed: bool,
    /// The configured mode.
    pub mode: Mode,
    /// Whether it is pinned.
    pub pinned: bool,
    /// What the kernel holds.
    pub limit: Amount,
    /// What it would be in mode `enforce`, where it is not.
    pub advised: Option<Amount>,
    /// What its owner had set.
    pub adopted: Amount,
    /// What of that is held for it, where a latency objective is met with less than all.
    pub own: Option<Amount>,
    /// The effective floor.
    pub floor: Amount,
    /// No trim goes below this, so that applications see no less, here and below; never more than
    /// the owner had set.
    pub visible: Amount,
    /// The effective ceiling.
    pub ceiling: Amount,
    /// Use over the last tick.
    pub used: Amount,
    /// The 95th percentile of demand.
    pub demand: Amount,
    /// Throttled periods of the last ten ticks, and periods in all.
    pub throttled: (u64, u64),
    /// The guardrail that stops the policy's present proposal.
    pub held_back: Option<Guard>,
    /// Since when that is so, and where the limit was to go.
    pub held: Option<(Nanos, Amount)>,
    /// Who gets what it cannot have, where that is [`Guard::Rival`].
    pub behind: Option<Slot>,
    /// Trims in a row that hurt or were taken back, and for how long after a raise nothing is trimmed
    /// since.
    pub backs_off: (u32, Nanos),
    /// Until when it is left alone after a foreign write.
    pub foreign_until: Option<Nanos>,
    /// Somebody else keeps writing it, so it is not managed.
    pub write_war: bool,
}

impl Engine {
    /// A look at one limit; `None` if it is not managed.
    #[must_use]
    pub fn view(&self, slot: Slot, resource: Resource) -> Option<View> {
        let workload = self.workload(slot)?;
        let control = workload.controls[resource.index()].as_ref()?;
        Some(View {
            armed: self.armed(workload, control),
            mode: workload.mode,
            pinned: workload.pinned,
            limit: control.known,
            advised: control.advised,
            adopted: control.adopted,
            own: control.own(),
            floor: self
                .floors
                .get(slot.0 as usize)
                .map_or(control.bounds.floor, |floors| floors[resource.index()]),
            visible: control.visible,
            ceiling: self.ceiling(control),
            used: control.usage.last(),
            demand: control.usage.demand(OFTEN),
            throttled: control.usage.throttling().recent(),
            held_back: control.held_back,
            held: control.held,
            behind: control.behind,
            backs_off: control.backs_off(),
            foreign_until: control.foreign.until(),
            write_war: control.foreign.at_war(),
        })
    }

    /// How a workload stands among others.
    #[must_use]
    pub fn entitlement(&self, slot: Slot) -> Option<Entitlement> {
        self.workload(slot).map(|workload| workload.entitlement)
    }

    /// A workload's name.
    #[must_use]
    pub fn name(&self, slot: Slot) -> Option<&str> {
        self.workload(slot).map(|workload| workload.name.as_str())
    }

    /// The managed workloads, parents before children.
    #[must_use]
    pub fn slots(&self) -> &[Slot] {
        &self.order
    }
}
