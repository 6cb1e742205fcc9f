//! What a shadow sees of its workload at a tick.

use crate::decide::control::Control;
use crate::decide::engine::{Engine, Workload};
use crate::decide::envelope::EnvelopeUpdate;
use crate::decide::grain::Round;
use crate::signal::{Amount, Mode, Nanos, Slot};

/// A workload's own limit and all around it.
pub(super) struct Sight<'a> {
    pub(super) now: Nanos,
    pub(super) slot: Slot,
    pub(super) engine: &'a Engine,
    pub(super) workload: &'a Workload,
    /// The limit that the workload's own policy holds.
    pub(super) active: &'a Control,
    /// What its fast loop was told last.
    pub(super) update: EnvelopeUpdate,
}

impl Sight<'_> {
    /// Whether the workload's own policy is asked, and what its shadow holds can be compared.
    pub(super) fn is_time(&self, shadow: &Control) -> bool {
        let (workload, active) = (self.workload, self.active);
        let idle = workload.mode == Mode::Observe || workload.pinned || self.engine.paused;
        let clear = active.fresh && active.doubt.is_none() && !active.foreign.stands_back();
        let bounded = |control| !self.stands(control).is_unlimited();
        !idle && clear && bounded(active) && bounded(shadow)
    }

    /// Where a limit stands: at the ceiling, where there is none.
    pub(super) fn stands(&self, control: &Control) -> Amount {
        let limit = control.limit();
        if limit.is_unlimited() {
            self.engine.ceiling(control)
        } else {
            limit
        }
    }

    /// A shadow's floor: its own, and no less than those of the workloads below together.
    pub(super) fn floor(&self, shadow: &Control) -> Amount {
        let below = if self.is_parent() {
            self.active_floor()
        } else {
            Amount::ZERO
        };
        let top = self.engine.ceiling(shadow);
        own_floor(shadow).max(below).min(top)
    }

    /// What the node's pool has left, and what of it is lent to the workload: a raise that has just been decided
    /// counts already.
    pub(super) fn pool(&self) -> Amount {
        let (engine, index) = (self.engine, self.active.resource.index());
        let planned = engine.plans[self.slot.0 as usize][index];
        let limit = self.active.known.max(planned);
        let loan = engine.owed(self.slot, self.active, limit);
        engine.pools[index].minus(engine.lent[index]).plus(loan)
    }

    /// What could be promised to nobody else while both limits stand where they do: a limit without what is
    /// lent, and of a floor no more than is set aside.
    pub(super) fn held(&self, shadow: &Control) -> [Amount; 2] {
        let (engine, resource) = (self.engine, self.active.resource);
        let nested = !engine.cap(self.slot, resource).is_unlimited();
        let held = |control: &Control, floor: Amount, set_aside: Amount| {
            let stands = self.stands(control);
            let own = if nested {
                stands
            } else {
                stands.min(control.base(floor))
            };
            if own <= floor {
                own.min(set_aside)
            } else {
                own
            }
        };
        let set_aside = engine.set_aside(self.slot, resource);
        let needed = if self.is_parent() {
            set_aside
        } else {
            shadow.needed_of_floor()
        };
        [
            held(self.active, self.active_floor(), set_aside),
            held(shadow, self.floor(shadow), needed),
        ]
    }

    fn active_floor(&self) -> Amount {
        self.engine.floors[self.slot.0 as usize][self.active.resource.index()]
    }

    /// Whether its floor is that of the workloads below it.
    fn is_parent(&self) -> bool {
        self.active_floor() > own_floor(self.active)
    }
}

/// What a limit's own bounds say of its floor.
fn own_floor(control: &Control) -> Amount {
    control.grain.quantise(control.bounds.floor, Round::Up)
}
