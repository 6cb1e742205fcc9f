//! The node as a whole: what it is made of, the loop over its events, and what can be read from it.

use crate::signal::{Amount, Event, Nanos, Slot};

use super::{
    calendar::Calendar,
    controller::{Controller, NodeSeen, Seen, Write},
    load::Load,
    meter::Meter,
    orders::Orders,
    setup::{Setup, Workload},
    state::State,
    tree::Tree,
    work::{NEVER, nanos, work},
};

/// What a runner may want to know as it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happened {
    /// A workload has started, for the first time or again.
    Started {
        /// When.
        time: Nanos,
        /// Which.
        slot: Slot,
    },
    /// The kernel has raised an event, whether or not the controller listens.
    Event(Event),
    /// A write takes effect.
    Written {
        /// When.
        time: Nanos,
        /// What was written.
        write: Write,
    },
    /// A workload was killed for want of memory.
    Killed {
        /// When.
        time: Nanos,
        /// Which.
        slot: Slot,
    },
    /// The controller has looked.
    Looked {
        /// When.
        time: Nanos,
        /// What it saw of the node.
        node: NodeSeen,
    },
}

/// Hears what happens.
pub(super) type Watch<'a> = &'a mut dyn FnMut(&Happened);

/// A simulated node. Slots are given in the order in which workloads are added.
#[derive(Clone, Debug)]
pub struct Node {
    pub(super) setup: Setup,
    pub(super) tree: Tree,
    pub(super) states: Vec<State>,
    pub(super) calendar: Calendar,
    pub(super) now: Nanos,
    /// What all leaves desire together, in micro-CPUs.
    pub(super) total: u64,
    /// Whether they desire more than there is.
    pub(super) contended: bool,
    pub(super) orders: Orders,
    pub(super) line: super::turn::Line,
    next_look: Nanos,
    /// Buffers that are kept from one look or division to the next.
    seen: Vec<Seen>,
    pub(super) desires: Vec<u64>,
    pub(super) rates: Vec<u64>,
    pub(super) writes: u64,
    /// Whether the present controller hears events.
    pub(super) listens: bool,
}

impl Node {
    /// An empty node.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        Self {
            setup,
            tree: Tree::default(),
            states: Vec::new(),
            calendar: Calendar::new(1),
            now: Nanos(0),
            total: 0,
            contended: false,
            orders: Orders::default(),
            line: super::turn::Line::default(),
            next_look: Nanos(0),
            seen: Vec::new(),
            desires: Vec::new(),
            rates: Vec::new(),
            writes: 0,
            listens: false,
        }
    }

    /// Adds a workload; one that should have started before now starts now. A parent that is no
    /// inner node of this node counts as none.
    ///
    /// Returns its slot.
    pub fn add(&mut self, mut workload: Workload) -> Slot {
        workload.start = workload.start.max(self.now);
        let parent = workload.parent.map(|slot| slot.0 as usize);
        let parent = parent.filter(|parent| {
            self.states
                .get(*parent)
                .is_some_and(|parent| matches!(parent.load, Load::Nothing))
        });
        let index = self.tree.add(parent, workload.weight);
        self.states.push(State {
            since: self.now,
            ..State::new(workload)
        });
        // The last place is the node's own.
        let full = self.calendar.at(index);
        self.calendar = self.calendar.grown(index + 1);
        self.calendar.set(index + 1, full);
        self.schedule(index);
        Slot(u32::try_from(index).unwrap_or(u32::MAX))
    }

    /// Goes on until `until`: what is due before it has happened, what is due at that moment has not.
    /// `watch` hears everything as it happens.
    pub fn run(
        &mut self,
        controller: &mut dyn Controller,
        until: Nanos,
        watch: &mut dyn FnMut(&Happened),
    ) {
        self.listens = controller.reaction().is_some();
        loop {
            let event = self.calendar.time();
            let order = self.orders.time();
            let next = event.min(order).min(self.next_look);
            if next >= until || next == NEVER {
                break;
            }
            self.now = self.now.max(next);
            if event == next {
                let index = self.calendar.first();
                self.turn(index, controller, watch);
            } else if order == next {
                self.apply_due(controller, watch);
            } else {
                self.look(controller, watch);
            }
        }
        self.now = self.now.max(until);
        self.settle_all();
        for state in &mut self.states {
            state.read();
        }
    }

    /// The controller looks; its orders wait for its delay.
    fn look(&mut self, controller: &mut dyn Controller, watch: Watch<'_>) {
        self.settle_all();
        let node = self.seen();
        let mut seen = std::mem::take(&mut self.seen);
        seen.clear();
        let slots = (0..).map(Slot);
        let running = self
            .states
            .iter()
            .zip(slots)
            .filter(|(state, _)| state.is_running());
        seen.extend(running.map(|(state, slot)| state.seen(slot)));
        let mut out = Vec::new();
        controller.look(self.now, &node, &seen, &mut out);
        self.seen = seen;
        self.orders.push(self.now.plus(controller.delay()), out);
        for index in 0..self.states.len() {
            self.hold(index, controller);
            if self.listens {
                self.schedule(index);
            }
        }
        self.next_look = self.now.plus(Nanos(controller.interval().0.max(1)));
        watch(&Happened::Looked {
            time: self.now,
            node,
        });
    }

    /// The node as it stands.
    #[must_use]
    pub fn seen(&self) -> NodeSeen {
        let roots = self.tree.roots().iter();
        let used: u128 = roots.map(|root| self.states[*root].meter.used).sum();
        NodeSeen {
            cpus: self.setup.cpus,
            cpu_used: nanos(used + work(self.write_cost())),
            memory: self.setup.memory,
            memory_available: self.available(),
        }
    }

    /// Memory that is free or can be dropped.
    pub(super) fn available(&self) -> Amount {
        // Not everybody has been brought up to this moment.
        let anonymous = |state: &State| state.memory.anonymous_after(self.now.since(state.since)).0;
        let anonymous: u64 = self.states.iter().map(anonymous).sum();
        Amount(self.setup.memory.0.saturating_sub(anonymous))
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Nanos {
        self.now
    }

    /// What a workload has come to by the end of the last run; `None` for a slot that was never given.
    #[must_use]
    pub fn meter(&self, slot: Slot) -> Option<&Meter> {
        self.states.get(slot.0 as usize).map(|state| &state.meter)
    }

    /// What all workloads have come to, slots ascending.
    pub fn meters(&self) -> impl Iterator<Item = (Slot, &Meter)> {
        (0..)
            .map(Slot)
            .zip(self.states.iter().map(|state| &state.meter))
    }

    /// A workload as the kernel would have counted it by the end of the last run.
    #[must_use]
    pub fn workload(&self, slot: Slot) -> Option<Seen> {
        self.states
            .get(slot.0 as usize)
            .map(|state| state.seen(slot))
    }

    /// CPU time that all writes together have cost.
    #[must_use]
    pub fn write_cost(&self) -> Nanos {
        Nanos(self.writes.saturating_mul(self.setup.write.0))
    }
}
