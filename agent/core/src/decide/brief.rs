//! All limits in brief, side by side: what a tick adds up over everybody.
//!
//! What is kept of ten thousand workloads is more than caches hold, so that each walk over all of it
//! waits for memory anew. One walk looks at everything, and notes here what the sums after it need.

use super::control::Control;
use super::engine::Engine;
use super::grain::{Grain, Round};
use crate::signal::{Amount, Resource, Slot};

/// One workload in brief.
#[derive(Clone, Copy, Debug)]
pub(super) struct Brief {
    /// The parent, if it is still there.
    pub(super) parent: Option<Slot>,
    pub(super) figures: [Figures; 2],
}

/// One limit in brief.
#[derive(Clone, Copy, Debug)]
pub(super) struct Figures {
    /// What the kernel holds.
    pub(super) known: Amount,
    /// What its bounds say of its floor.
    pub(super) floor: Amount,
    /// How much of that is needed.
    pub(super) needed: Amount,
    pub(super) ceiling: Amount,
    /// See [`Control::given`].
    given: Amount,
    grain: Grain,
}

impl Figures {
    /// One that is not managed adds nothing to any sum, and bounds nothing.
    const NONE: Self = Self {
        known: Amount::UNLIMITED,
        floor: Amount::ZERO,
        needed: Amount::ZERO,
        ceiling: Amount::UNLIMITED,
        given: Amount::ZERO,
        grain: Grain::MEMORY,
    };

    /// See [`Control::base`].
    pub(super) fn base(&self, floor: Amount) -> Amount {
        self.grain.quantise(floor.max(self.given), Round::Up)
    }
}

impl Engine {
    /// Looks at all limits anew.
    pub(super) fn survey(&mut self) {
        self.briefs.clear();
        for slot in (0..).map(Slot).take(self.workloads.len()) {
            self.note(slot);
        }
    }

    /// Notes a workload in brief; to be called once for each slot, one after the other.
    pub(super) fn note(&mut self, slot: Slot) {
        let workload = self.workload(slot);
        let brief = Brief {
            parent: workload.and_then(|workload| self.parent(workload)),
            figures: Resource::ALL.map(|resource| {
                let control =
                    workload.and_then(|workload| workload.controls[resource.index()].as_ref());
                control.map_or(Figures::NONE, |control| self.figures(control))
            }),
        };
        self.briefs.push(brief);
    }

    fn figures(&self, control: &Control) -> Figures {
        Figures {
            known: control.known,
            floor: control.grain.quantise(control.bounds.floor, Round::Up),
            needed: control.needed_of_floor(),
            ceiling: self.ceiling(control),
            given: control.given(),
            grain: control.grain,
        }
    }

    /// The brief of a workload that is managed, or was when the last tick began.
    pub(super) fn brief(&self, slot: Slot) -> &Brief {
        &self.briefs[slot.0 as usize]
    }
}
