//! Orders on their way, and what they do when they take effect.

use std::collections::BTreeMap;

use crate::signal::{Nanos, Resource, Slot};

use super::{
    controller::{Controller, Write},
    node::{Happened, Node, Watch},
    state::{Life, State},
    work::{NEVER, within},
};

/// Orders in the order in which they take effect.
#[derive(Clone, Debug, Default)]
pub(super) struct Orders {
    /// By time, and in the order in which they were given.
    due: BTreeMap<(Nanos, u64), Vec<Write>>,
    given: u64,
}

impl Orders {
    pub(super) fn push(&mut self, at: Nanos, writes: Vec<Write>) {
        if !writes.is_empty() {
            self.due.insert((at, self.given), writes);
            self.given += 1;
        }
    }

    /// When the first take effect.
    pub(super) fn time(&self) -> Nanos {
        self.due.first_key_value().map_or(NEVER, |((at, _), _)| *at)
    }

    fn pop(&mut self) -> Vec<Write> {
        self.due
            .pop_first()
            .map(|(_, writes)| writes)
            .unwrap_or_default()
    }
}

impl Write {
    /// Whose it is.
    #[must_use]
    pub fn slot(&self) -> Slot {
        match self {
            Self::Limit { slot, .. }
            | Self::High { slot, .. }
            | Self::Burst { slot, .. }
            | Self::Weight { slot, .. }
            | Self::Reclaim { slot, .. }
            | Self::Restart { slot } => *slot,
        }
    }
}

impl Node {
    /// The first orders take effect.
    pub(super) fn apply_due(&mut self, controller: &mut dyn Controller, watch: Watch<'_>) {
        let writes = self.orders.pop();
        for write in &writes {
            let restarts = Write::Restart { slot: write.slot() };
            if let Write::Limit { slot, .. } | Write::High { slot, .. } | Write::Burst { slot, .. } =
                write
                && writes.contains(&restarts)
            {
                if let Some(state) = self.states.get_mut(slot.0 as usize) {
                    state.kept.push(*write);
                }
            } else {
                self.apply(*write, controller, watch);
            }
        }
    }

    fn apply(&mut self, write: Write, controller: &mut dyn Controller, watch: Watch<'_>) {
        let index = write.slot().0 as usize;
        // A group that is not there cannot be written.
        if !self.states.get(index).is_some_and(State::is_running) {
            return;
        }
        self.settle_scope(self.scope(index));
        if let Write::Restart { slot } = write {
            watch(&Happened::Written {
                time: self.now,
                write,
            });
            self.end_process(index);
            let state = &mut self.states[slot.0 as usize];
            state.life = Life::Away(self.now.plus(state.setup.restart));
        } else {
            self.put(index, write, watch);
        }
        self.hold(index, controller);
        self.turn(index, controller, watch);
    }

    /// Writes a running workload's limit, and nothing else.
    pub(super) fn put(&mut self, index: usize, write: Write, watch: Watch<'_>) {
        let now = self.now;
        let node = self.setup;
        let state = &mut self.states[index];
        match write {
            Write::Limit {
                resource: Resource::Cpu,
                to,
                ..
            } => {
                state.meter.wrote(Resource::Cpu, state.cpu.limit(), to);
                state.cpu.set_limit(now, to);
            }
            Write::Limit {
                resource: Resource::Memory,
                to,
                ..
            } => {
                state
                    .meter
                    .wrote(Resource::Memory, state.memory_limits[0], to);
                state.memory_limits[0] = to;
            }
            Write::High { to, .. } => {
                state.meter.other_writes += 1;
                state.memory_limits[1] = to;
            }
            Write::Burst { to, .. } => {
                state.meter.other_writes += 1;
                state.cpu.set_burst(now, to);
            }
            Write::Weight { to, .. } => {
                state.meter.other_writes += 1;
                self.tree.set_weight(index, to);
            }
            Write::Reclaim { amount, .. } => {
                state.meter.other_writes += 1;
                state.memory.reclaim(amount);
            }
            Write::Restart { .. } => return,
        }
        state.fit(&node);
        self.writes += 1;
        self.count_limits(index);
        watch(&Happened::Written { time: now, write });
    }

    /// A workload starts: with its own limits, what the controller gives it, and what was ordered with
    /// its restart.
    pub(super) fn begin(
        &mut self,
        index: usize,
        controller: &mut dyn Controller,
        watch: Watch<'_>,
    ) {
        let slot = Slot(u32::try_from(index).unwrap_or(u32::MAX));
        let (now, node) = (self.now, self.setup);
        let state = &mut self.states[index];
        state.meter.restarts += u64::from(now > state.setup.start);
        state.life = Life::Running;
        state.started = now;
        state.reset(now, &node);
        state.meter.lost_requests += state.load.miss(now);
        state.memory.start();
        let seen = state.seen(slot);
        self.count_limits(index);
        let state = &mut self.states[index];
        let kept = std::mem::take(&mut state.kept);
        watch(&Happened::Started { time: now, slot });
        let mut out = Vec::new();
        controller.begin(now, &seen, &mut out);
        for write in out.into_iter().chain(kept) {
            if write.slot() == slot {
                self.put(index, write, watch);
            } else {
                self.orders.push(now, vec![write]);
            }
        }
        self.hold(index, controller);
    }

    /// Whether limits stand above leaves of this workload's branch.
    fn count_limits(&mut self, index: usize) {
        let root = self.tree.root(index);
        let limited = |index: &usize| {
            !self.tree.children(*index).is_empty() && self.states[*index].cpu.is_limited()
        };
        self.states[root].shared = self.tree.branch(root).iter().any(limited);
    }

    /// The process of a workload is no more.
    pub(super) fn end_process(&mut self, index: usize) {
        let state = &mut self.states[index];
        let (requests, work) = state.load.drop_all();
        state.meter.lost_requests += requests;
        state.meter.lost += work;
        state.memory.free();
    }

    /// Asks what the controller holds for a workload now, and from where on it wants warnings.
    pub(super) fn hold(&mut self, index: usize, controller: &dyn Controller) {
        let slot = Slot(u32::try_from(index).unwrap_or(u32::MAX));
        let node = &self.setup;
        let state = &mut self.states[index];
        state.held = [
            within(controller.held(slot, Resource::Cpu), node.cpus),
            within(controller.held(slot, Resource::Memory), node.memory),
        ];
        state.objective = controller.objective(slot);
        if controller.reaction().is_some() {
            state.cpu.set_usual(controller.usual(slot, Resource::Cpu));
            state
                .memory
                .set_usual(controller.usual(slot, Resource::Memory));
        }
    }
}
