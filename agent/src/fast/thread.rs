//! What the threads share and do: one event and one word of the slow loop at a time, from there to
//! the lever.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use rustix::time::{ClockId, clock_gettime};
use trimtab_core::{
    decide::{Audit, Desk, EnvelopeUpdate, Record, Settle, Settled, just_above},
    signal::{Amount, Cause, Denial, Event, Nanos, Resource, Slot, Spend},
};
use trimtab_ebpf::{Event as KernelRecord, Level, NO_SLOT, kind};

use super::{
    memory::NodeMemory,
    message::{Command, FastEnd, Report, drain},
    stats::Stats,
    table::{Entry, Table},
};
use crate::sense::{cpu::cpu_amount, file::Scratch};

/// Now, on the clock that the probes use.
pub(super) fn now() -> Nanos {
    let time = clock_gettime(ClockId::Monotonic);
    Nanos(time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned())
}

/// What the threads have: who holds it has its turn.
pub(super) struct State {
    pub(super) end: FastEnd,
    pub(super) memory: NodeMemory,
    pub(super) scratch: Scratch,
    pub(super) desk: Desk,
    pub(super) table: Table,
    pub(super) stats: Arc<Stats>,
    /// When the first thread will look at the node's memory, if it will.
    pub(super) watched: Option<Nanos>,
}

impl State {
    /// Everything allocated; nothing managed yet.
    pub(super) fn new(
        end: FastEnd,
        memory: NodeMemory,
        stats: Arc<Stats>,
        workloads: usize,
    ) -> Self {
        Self {
            end,
            memory,
            scratch: Scratch::new(),
            desk: Desk::new(workloads),
            table: Table::new(workloads),
            stats,
            watched: None,
        }
    }

    /// What is to be done after each look at the events, whoever looked.
    pub(super) fn finish(&mut self) {
        if self.memory.is_short(now()) {
            self.recall();
        }
        self.stats.dropped.store(self.end.dropped, Relaxed);
        self.end.flush();
    }

    /// Does what the slow loop asks for, until it says stop.
    pub(super) fn commands(&mut self) -> std::ops::ControlFlow<()> {
        drain(&self.end.wake);
        while let Ok(command) = self.end.commands.pop() {
            self.command(command)?;
        }
        std::ops::ControlFlow::Continue(())
    }

    /// One record of the kernel.
    pub(super) fn record(&mut self, record: &KernelRecord) {
        let cause = match record.kind {
            kind::QUOTA_NEAR => Cause::QuotaNear,
            kind::THROTTLED_RUNNING => Cause::ThrottledRunning,
            kind::THROTTLED_WAKING => Cause::ThrottledWaking,
            kind::MEMORY_NEAR => Cause::MemoryNear,
            kind::RECLAIM_FAILING => Cause::ReclaimFailing,
            kind::LOAN_DELAYS => return self.delay(record),
            _ => return self.end.report(Report::Record(*record)),
        };
        self.stats.saw(now().since(Nanos(record.time)).0);
        let KernelRecord {
            time,
            lowest,
            highest,
            ..
        } = *record;
        if lowest.slot == NO_SLOT {
            // What limits is not ours, and a group of ours below it is short for that.
            let slot = u32::try_from(record.used).unwrap_or(NO_SLOT);
            self.limited_above(Nanos(time), cause, &Level { slot, ..lowest }, lowest);
            return;
        }
        let nested = lowest.id != highest.id;
        if nested && !self.lift_above(Nanos(time), cause, &highest) {
            self.limited_above(Nanos(time), cause, &lowest, highest);
            return;
        }
        self.level(Nanos(time), cause, &lowest);
    }

    /// Lifts the level above; whether it is worth lifting the one below, too.
    fn lift_above(&mut self, time: Nanos, cause: Cause, level: &Level) -> bool {
        level.slot != NO_SLOT
            && self
                .level(time, cause, level)
                .is_some_and(|spend| matches!(spend.denial, None | Some(Denial::Stale)))
    }

    fn limited_above(&mut self, time: Nanos, cause: Cause, level: &Level, above: Level) {
        let event = Self::event(time, cause, level, Amount::ZERO, Amount::UNLIMITED);
        let Some(spend) = event.and_then(|event| self.desk.limited_above(&event)) else {
            return;
        };
        self.end.report(Report::Spend {
            spend,
            latency: now().since(time).0,
            above: Some(above),
        });
    }

    fn event(
        time: Nanos,
        cause: Cause,
        level: &Level,
        used: Amount,
        headroom: Amount,
    ) -> Option<Event> {
        let resource = cause.resource()?;
        let held = match resource {
            Resource::Cpu => cpu_amount(level.limit, level.period),
            Resource::Memory => Amount(level.limit),
        };
        Some(Event {
            time,
            slot: Slot(level.slot),
            resource,
            cause,
            held,
            used,
            headroom,
        })
    }

    fn level(&mut self, time: Nanos, cause: Cause, level: &Level) -> Option<Spend> {
        let (used, headroom) = match cause.resource()? {
            Resource::Cpu => (Amount::ZERO, Amount::UNLIMITED),
            Resource::Memory => self.weigh(Slot(level.slot), Amount(level.used))?,
        };
        let event = Self::event(time, cause, level, used, headroom)?;
        let (slot, resource) = (event.slot, event.resource);
        if self.table.is_other_period(slot, resource, level.period) {
            self.desk.found(slot, resource, event.held);
        }
        self.spend(&event)
    }

    /// What of a group's memory cannot be dropped, and what the node has left.
    fn weigh(&mut self, slot: Slot, used: Amount) -> Option<(Amount, Amount)> {
        let entry = self.table.get(slot)?;
        // A group that is just going away has nothing left to grant to.
        let stat = entry
            .memory
            .as_ref()?
            .stat(&mut self.scratch)
            .ok()?
            .here()?;
        let headroom = self.memory.headroom(entry.unused, used);
        Some((used.minus(Amount(stat.droppable())), headroom))
    }

    fn spend(&mut self, event: &Event) -> Option<Spend> {
        let event = &self.without_echo(event);
        let lent = self.lent(event.slot);
        let mut tell = |record| tell(&mut self.end, &self.stats, record);
        let spend = self.desk.spend(&mut self.table, event, &mut tell)?;
        if spend.denial.is_none() && event.resource == Resource::Memory {
            self.promise(event.slot, lent);
        }
        Some(spend)
    }

    fn command(&mut self, command: Command) -> std::ops::ControlFlow<()> {
        match command {
            Command::Adopt(slot, entry) => self.adopt(slot, entry),
            Command::Release(slot) => self.release(slot),
            Command::Refit(update) => self.refit(&update),
            Command::Lever(slot, resource, lever) => {
                let old = self.table.replace(slot, resource, lever);
                self.end.report(Report::Lever(old));
            }
            Command::Settle(order) => self.settle(&order),
            Command::Twin(event) => self.twin(event),
            Command::Audit(seen) => {
                let held = self.echoed(seen.slot, seen.resource, seen.held);
                let seen = Audit { held, ..seen };
                if let Some(record) = self.desk.audit(&seen) {
                    tell(&mut self.end, &self.stats, record);
                }
            }
            Command::Echo(slot, resource) => self.end_echo(slot, resource),
            Command::Payer(payer) => self.desk.set_payer(payer),
            Command::Pool(resource, size) => self.desk.resize(resource, size),
            Command::Unused(slot, unused, measured) => self.unused(slot, unused, measured),
            Command::Stop => return std::ops::ControlFlow::Break(()),
        }
        std::ops::ControlFlow::Continue(())
    }

    fn adopt(&mut self, slot: Slot, mut entry: Box<Entry>) {
        // Whoever had the slot before has been released.
        entry.row = entry
            .row
            .take()
            .and_then(|row| self.desk.adopt(slot, row, &entry.adopted));
        if let Some(old) = self.table.put(slot, Some(entry)) {
            self.end.report(Report::Released(slot, old));
        }
    }

    fn refit(&mut self, update: &EnvelopeUpdate) {
        self.desk.refit(update);
        // Memory that is adopted anew may have been written on the way.
        if update.limit.is_some() && update.resource == Resource::Memory {
            self.desk.wrote(update.slot, update.resource, now());
        }
    }

    fn release(&mut self, slot: Slot) {
        let Some(mut entry) = self.table.put(slot, None) else {
            return;
        };
        entry.row = self.desk.release(slot);
        self.memory.replace(&mut entry.unused, Amount::ZERO, now());
        self.end.report(Report::Released(slot, entry));
    }

    /// What was measured before the limit changed says nothing about the present one.
    fn unused(&mut self, slot: Slot, unused: Amount, measured: Nanos) {
        if let Some(envelope) = self.desk.envelope(slot, Resource::Memory)
            && envelope.written <= measured
            && let Some(entry) = self.table.get(slot)
        {
            self.memory.replace(&mut entry.unused, unused, now());
        }
    }

    /// A shortage that the counters told of. They are older than the limit may be: what counts is
    /// what the kernel holds now.
    fn twin(&mut self, mut event: Event) {
        let lever = self.table.lever(event.slot, event.resource);
        if let Some(held) = lever.and_then(|lever| lever.read().ok()) {
            event.held = held;
            event.time = now();
        }
        if event.resource == Resource::Memory {
            let own = self
                .table
                .get(event.slot)
                .map_or(Amount::ZERO, |entry| entry.unused);
            event.headroom = self.memory.headroom(own, event.used);
        }
        let _ = self.spend(&event);
    }

    fn settle(&mut self, order: &Settle) {
        let mut order = *order;
        if order.resource == Resource::Memory {
            self.bound(&mut order);
        }
        if let Some(settled) = self.apply(&order) {
            tell(&mut self.end, &self.stats, Record::Settled(settled));
        }
    }

    /// Puts the hard limit back to its owner's, if that was raised and is not needed any more.
    fn close(&mut self, slot: Slot, limit: Amount) {
        let Some(entry) = self.table.get(slot) else {
            return;
        };
        let [_, Some(lever)] = &entry.levers else {
            return;
        };
        let used = entry
            .memory
            .as_ref()
            .and_then(|reader| reader.current(&mut self.scratch).ok()?.here());
        // Where it fails it stays raised, or is somebody else's, which the next tick finds.
        if let Some(used) = used {
            let _ = lever.close(limit, Amount(used));
        }
    }

    /// Keeps a decision about memory within what is true at this moment: raised no higher than
    /// the node has room, lowered no lower than what is in use.
    fn bound(&mut self, order: &mut Settle) {
        let used = self.used(order.slot);
        let (Some(used), Some(entry), Some(envelope)) = (
            used,
            self.table.get(order.slot),
            self.desk.envelope(order.slot, order.resource),
        ) else {
            return;
        };
        let limit = envelope.limit;
        if order.limit < limit {
            order.limit = order.limit.max(just_above(used)).min(limit);
        } else {
            let room = used.plus(self.memory.headroom(entry.unused, used));
            order.limit = order.limit.min(room.max(envelope.base())).max(limit);
        }
    }

    /// Memory that the workload uses, read now.
    pub(super) fn used(&mut self, slot: Slot) -> Option<Amount> {
        let reader = self.table.get(slot)?.memory.as_ref()?;
        let used = reader.current(&mut self.scratch).ok()?;
        used.here().map(Amount)
    }

    /// What becomes of an order.
    pub(super) fn apply(&mut self, order: &Settle) -> Option<Settled> {
        let lent = self.lent(order.slot);
        let mut tell = |record| tell(&mut self.end, &self.stats, record);
        let settled = self.desk.apply(&mut self.table, order, &mut tell)?;
        if order.resource == Resource::Memory {
            self.promise(order.slot, lent);
            if settled.refusal.is_none() {
                self.close(order.slot, settled.to);
            }
        }
        Some(settled)
    }
}

/// Counts what the desk tells of, and passes it on.
pub(super) fn tell(end: &mut FastEnd, stats: &Stats, record: Record) {
    let settled = match &record {
        Record::Settled(settled) | Record::Recalled(settled) => Some(settled),
        Record::CalledIn(called) => Some(&called.settled),
        Record::Spend(_) | Record::Synced(_) => None,
    };
    if settled.is_some_and(|settled| settled.refusal.is_none()) {
        stats.writes.fetch_add(1, Relaxed);
    }
    end.report(match record {
        Record::Spend(spend) => {
            let latency = now().since(spend.event.time).0;
            match (spend.denial, spend.event.cause) {
                (Some(_), _) => {}
                // Nobody raised it: it has no latency.
                (None, Cause::Twin) => _ = stats.writes.fetch_add(1, Relaxed),
                (None, _) => stats.wrote(latency),
            }
            Report::Spend {
                spend,
                latency,
                above: None,
            }
        }
        Record::Settled(settled) => Report::Settled(settled),
        Record::Recalled(settled) => Report::Recalled(settled),
        Record::CalledIn(called) => Report::CalledIn(called),
        Record::Synced(synced) => Report::Synced(synced),
    });
}
