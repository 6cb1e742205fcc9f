//! One event: everybody concerned goes on to this moment, does what is due, and is given a new rate.

use crate::signal::{Amount, Cause, Event, Nanos, Resource, Slot};

use super::{
    controller::Controller,
    cpu::Pool,
    load::Load,
    memory::Fill,
    node::{Happened, Node, Watch},
    share::share,
    state::{Life, State},
    work::{NEVER, clip},
};

/// Whom an event concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Scope {
    /// One workload with room for all that it wants.
    One(usize),
    /// A branch with limits above its leaves, by its root.
    Branch(usize),
    /// Everybody: the node is full.
    All,
}

/// Charged memory of the whole node: a straight line in billionths of a byte.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    at: Nanos,
    charged: i128,
    growth: i128,
    /// Each workload's part in it.
    parts: Vec<Part>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Part {
    at: Nanos,
    charged: i128,
    growth: i128,
}

impl Part {
    fn now(&self, now: Nanos) -> i128 {
        self.charged + self.growth * i128::from(now.since(self.at).0)
    }
}

impl Line {
    /// A workload's part is this from now on.
    fn note(&mut self, index: usize, now: Nanos, charged: i128, growth: i128) {
        if self.parts.len() <= index {
            self.parts.resize(index + 1, Part::default());
        }
        let part = &mut self.parts[index];
        self.charged += self.growth * i128::from(now.since(self.at).0);
        self.charged += charged - part.now(now);
        self.growth += growth - part.growth;
        self.at = now;
        *part = Part {
            at: now,
            charged,
            growth,
        };
    }

    /// When this much is charged; never while nothing grows.
    fn reaches(&self, full: i128) -> Nanos {
        if self.growth <= 0 {
            return NEVER;
        }
        let room = (full - self.charged).max(0);
        self.at
            .plus(Nanos(clip((room / self.growth).cast_unsigned())))
    }
}

impl Node {
    /// Whom an event at this place of the calendar concerns.
    pub(super) fn scope(&self, index: usize) -> Scope {
        if self.contended || index >= self.states.len() {
            return Scope::All;
        }
        let root = self.tree.root(index);
        if self.states[root].shared {
            Scope::Branch(root)
        } else {
            Scope::One(index)
        }
    }

    /// The members of a scope, parents before their children.
    fn member(&self, scope: Scope, nth: usize) -> Option<usize> {
        match scope {
            Scope::One(index) => (nth == 0).then_some(index),
            Scope::Branch(root) => self.tree.branch(root).get(nth).copied(),
            Scope::All => (nth < self.states.len()).then_some(nth),
        }
    }

    fn count(&self, scope: Scope) -> usize {
        match scope {
            Scope::One(_) => 1,
            Scope::Branch(root) => self.tree.branch(root).len(),
            Scope::All => self.states.len(),
        }
    }

    fn each(&mut self, scope: Scope, mut act: impl FnMut(&mut Self, usize)) {
        for nth in 0..self.count(scope) {
            if let Some(index) = self.member(scope, nth) {
                act(self, index);
            }
        }
    }

    /// Everybody goes on to this moment.
    pub(super) fn settle_all(&mut self) {
        self.settle_scope(Scope::All);
    }

    /// These go on to this moment, leaves before the pools above them.
    pub(super) fn settle_scope(&mut self, scope: Scope) {
        let (now, cpus) = (self.now, self.setup.cpus.0 / Amount::CPU.0);
        for nth in (0..self.count(scope)).rev() {
            let Some(index) = self.member(scope, nth) else {
                continue;
            };
            let did = self.states[index].settle(now, cpus);
            if did > 0 {
                for above in self.tree.above(index) {
                    self.states[above].cpu.charge(did);
                    self.states[above].meter.used += did;
                }
            }
        }
    }

    /// Puts into the calendar when something happens to a workload next.
    pub(super) fn schedule(&mut self, index: usize) {
        let shared = !self.tree.children(index).is_empty();
        let next = self.states[index].next(self.listens, shared);
        self.calendar.set(index, next);
    }

    /// The event at this place of the calendar, or an order that has just changed something there.
    pub(super) fn turn(&mut self, index: usize, controller: &mut dyn Controller, watch: Watch<'_>) {
        if index == self.states.len() {
            self.settle_all();
            self.relieve(watch);
        }
        let mut scope = self.scope(index);
        loop {
            self.settle_scope(scope);
            self.each(scope, |node, index| node.due(index, controller, watch));
            self.each(scope, |node, index| node.want(index, controller, watch));
            if !matches!(scope, Scope::One(_)) {
                self.block(scope, controller, watch);
            }
            let wider = if self.total > self.setup.cpus.0 {
                Scope::All
            } else {
                self.scope(index)
            };
            if wider <= scope {
                break;
            }
            scope = wider;
        }
        self.divide(scope);
        self.each(scope, Self::schedule);
        let full = i128::from(self.setup.memory.0) * 1_000_000_000;
        self.calendar
            .set(self.states.len(), self.line.reaches(full));
    }

    /// Does what is due for one workload.
    fn due(&mut self, index: usize, controller: &mut dyn Controller, watch: Watch<'_>) {
        let now = self.now;
        let state = &mut self.states[index];
        if state.setup.end.is_some_and(|end| end <= now) && state.life != Life::Gone {
            state.life = Life::Gone;
            let before = (state.meter.lost, state.meter.lost_requests);
            self.end_process(index);
            let meter = &mut self.states[index].meter;
            meter.left = (meter.lost - before.0, meter.lost_requests - before.1);
            controller.end(Slot(u32::try_from(index).unwrap_or(u32::MAX)));
            self.hold(index, controller);
        } else if matches!(state.life, Life::Away(start) if start <= now) {
            self.begin(index, controller, watch);
        }
        let listens = self.listens;
        let State {
            load,
            meter,
            life,
            rate,
            memory,
            objective,
            ..
        } = &mut self.states[index];
        let running = *life == Life::Running;
        if running || matches!(load, Load::Series(_)) && *life != Life::Gone {
            meter.wanted += load.turn(now, *rate, |latency| meter.answer(latency, *objective));
        }
        if !memory.is_used() {
            return;
        }
        let slot = Slot(u32::try_from(index).unwrap_or(u32::MAX));
        match memory.turn(now, listens) {
            Fill::Fits => {}
            Fill::Near => {
                let mut event = self.states[index].event(slot, Resource::Memory, Cause::MemoryNear);
                event.headroom.0 = self.available().0.saturating_sub(self.setup.reserve.0);
                self.raise(&event, controller, watch);
            }
            Fill::Killed => self.kill(index, watch),
        }
        self.note(index);
    }

    /// Brings the node's line up to date.
    fn note(&mut self, index: usize) {
        let (charged, growth) = self.states[index].memory.line();
        self.line.note(index, self.now, charged, growth);
    }

    fn kill(&mut self, index: usize, watch: Watch<'_>) {
        self.end_process(index);
        let state = &mut self.states[index];
        state.memory.oom_kills += 1;
        state.life = Life::Away(self.now.plus(state.setup.restart));
        let slot = Slot(u32::try_from(index).unwrap_or(u32::MAX));
        watch(&Happened::Killed {
            time: self.now,
            slot,
        });
    }

    /// What one workload wants to run, and whether its own pool lets it.
    fn want(&mut self, index: usize, controller: &mut dyn Controller, watch: Watch<'_>) {
        if !self.tree.children(index).is_empty() {
            return;
        }
        let cpus = self.setup.cpus.0 / Amount::CPU.0;
        let state = &mut self.states[index];
        let (desire, running) = if state.is_running() {
            (state.load.desire(), state.load.running(cpus.max(1)))
        } else {
            (0, 0)
        };
        state.cpu.run_on(running);
        let pool = state.cpu.look(self.now, desire, self.listens);
        if pool == Pool::Spent {
            state.load.shorten();
        }
        let desire = if state.cpu.is_throttled() { 0 } else { desire };
        state.runnable = if state.is_running() {
            state.load.runnable()
        } else {
            0
        };
        self.total = self.total - state.desire + desire;
        state.desire = desire;
        self.tell(index, pool, controller, watch);
    }

    /// Pools of inner nodes: who stands below one that is spent does not run.
    fn block(&mut self, scope: Scope, controller: &mut dyn Controller, watch: Watch<'_>) {
        for nth in (0..self.count(scope)).rev() {
            let Some(index) = self
                .member(scope, nth)
                .filter(|index| !self.tree.children(*index).is_empty())
            else {
                continue;
            };
            let (mut desire, mut runnable) = (0, 0);
            for child in self.tree.children(index) {
                desire += self.states[*child].desire;
                runnable += self.states[*child].runnable;
            }
            let state = &mut self.states[index];
            let pool = state.cpu.look(self.now, desire, self.listens);
            state.desire = if state.cpu.is_throttled() { 0 } else { desire };
            state.runnable = runnable;
            self.tell(index, pool, controller, watch);
        }
        self.each(scope, |node, index| {
            let blocked = node.tree.children(index).is_empty()
                && node.states[index].desire > 0
                && node
                    .tree
                    .above(index)
                    .any(|above| node.states[above].cpu.is_throttled());
            if blocked {
                let state = &mut node.states[index];
                state.load.shorten();
                node.total -= state.desire;
                state.desire = 0;
            }
        });
    }

    /// The kernel's event for what a pool has come to.
    fn tell(
        &mut self,
        index: usize,
        pool: Pool,
        controller: &mut dyn Controller,
        watch: Watch<'_>,
    ) {
        let cause = match pool {
            Pool::Enough => return,
            Pool::Near => Cause::QuotaNear,
            Pool::Spent if self.states[index].rate > 0 => Cause::ThrottledRunning,
            Pool::Spent => Cause::ThrottledWaking,
        };
        let slot = Slot(u32::try_from(index).unwrap_or(u32::MAX));
        let event = self.states[index].event(slot, Resource::Cpu, cause);
        self.raise(&event, controller, watch);
    }

    fn raise(&mut self, event: &Event, controller: &mut dyn Controller, watch: Watch<'_>) {
        watch(&Happened::Event(*event));
        if let Some(reaction) = controller.reaction() {
            let mut out = Vec::new();
            controller.event(event, &mut out);
            self.orders.push(self.now.plus(reaction), out);
            self.hold(event.slot.0 as usize, controller);
        }
    }

    /// Gives everybody in a scope a rate: what is wanted, or a share where the node is full.
    fn divide(&mut self, scope: Scope) {
        let full = scope == Scope::All && self.total > self.setup.cpus.0;
        if scope == Scope::All {
            self.contended = full;
        }
        if full {
            while self.divide_full() {}
        } else {
            self.each(scope, |node, index| {
                node.states[index].rate = node.states[index].desire;
            });
        }
        if matches!(scope, Scope::One(_)) {
            return;
        }
        for nth in (0..self.count(scope)).rev() {
            if let Some(index) = self.member(scope, nth)
                && !self.tree.children(index).is_empty()
            {
                let children = self.tree.children(index).iter();
                self.states[index].rate = children.map(|child| self.states[*child].rate).sum();
            }
        }
    }

    /// Divides the node; whether somebody who got less than it wanted wants more for it.
    fn divide_full(&mut self) -> bool {
        self.desires.clear();
        self.desires
            .extend(self.states.iter().map(|state| state.desire));
        self.rates.resize(self.states.len(), 0);
        share(
            &self.tree,
            self.setup.cpus.0,
            &mut self.desires,
            &mut self.rates,
        );
        let mut again = false;
        for (state, rate) in self.states.iter_mut().zip(&self.rates) {
            state.rate = state.load.usable(*rate);
            if *rate < state.desire && state.load.shorten() {
                let desire = state.load.desire();
                self.total = self.total - state.desire + desire;
                state.desire = desire;
                state.runnable = state.load.runnable();
                again = true;
            }
        }
        again
    }

    /// The node's memory is full: page cache goes, the largest first; without any, somebody dies.
    fn relieve(&mut self, watch: Watch<'_>) {
        let wanted = self.setup.memory.0 / 64;
        let mut freed = 0;
        while freed < wanted {
            let largest =
                (0..self.states.len()).max_by_key(|index| self.states[*index].memory.file());
            let Some(index) = largest.filter(|index| self.states[*index].memory.file().0 > 0)
            else {
                break;
            };
            let left = Amount(wanted - freed);
            freed += self.states[index].memory.reclaim(left).0;
            self.note(index);
        }
        let victim = (0..self.states.len())
            .filter(|index| self.states[*index].memory.charged().0 > 0)
            .min_by_key(|index| {
                let state = &self.states[*index];
                (
                    state.setup.priority,
                    std::cmp::Reverse(state.memory.charged()),
                )
            });
        if freed == 0
            && let Some(index) = victim
        {
            self.kill(index, watch);
            self.note(index);
        }
    }
}
