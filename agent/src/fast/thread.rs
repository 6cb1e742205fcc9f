//! What the threads share and do: one event and one word of the slow loop at a time, from there to
//! the lever.

use std::sync::Arc;

use rustix::time::{ClockId, clock_gettime};
use trimtab_core::{
    decide::{self, Audit, Pool, Record, Refusal, Settle, Settled},
    signal::{Amount, Cause, Denial, Event, Nanos, Resource, Slot, Spend},
};
use trimtab_ebpf::{Event as KernelRecord, Level, NO_SLOT, kind};

use super::{
    memory::{NodeMemory, just_above},
    message::{Command, FastEnd, Report, drain},
    pull::{Pulled, pull},
    stats::Stats,
    table::{Entry, Table},
};
use crate::sense::{
    cpu::cpu_amount,
    file::{Scratch, Sight},
};

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
    pub(super) pools: [Pool; 2],
    /// The borrower of CPU who gives way first.
    pub(super) payer: Option<Slot>,
    pub(super) table: Table,
    pub(super) seq: u64,
    pub(super) stats: Arc<Stats>,
    /// When the first thread will look at the node's memory, if it will.
    pub(super) watched: Option<Nanos>,
}

impl State {
    /// Everything allocated; nothing managed yet.
    pub(super) fn new(end: FastEnd, memory: NodeMemory, stats: Arc<Stats>) -> Self {
        Self {
            end,
            memory,
            scratch: Scratch::new(),
            pools: [Pool::default(); 2],
            payer: None,
            table: Table::new(),
            seq: 0,
            stats,
            watched: None,
        }
    }

    /// What is to be done after each look at the events, whoever looked.
    pub(super) fn finish(&mut self) {
        if self.memory.is_short(now()) {
            self.recall();
        }
        self.stats
            .dropped
            .store(self.end.dropped, std::sync::atomic::Ordering::Relaxed);
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
        let slot = Slot(level.slot);
        let Some(event) = Self::event(time, cause, level, Amount::ZERO, Amount::UNLIMITED) else {
            return;
        };
        let pool = &self.pools[event.resource.index()];
        let Some((envelope, _)) = self
            .table
            .get(slot)
            .and_then(|entry| entry.part(event.resource))
        else {
            return;
        };
        self.seq += 1;
        let spend = decide::deny(self.seq, envelope, pool, &event, Denial::LimitedAbove);
        let latency = now().since(time).0;
        self.end.report(Report::Spend {
            spend,
            latency,
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
        self.table.compare_period(&event, level.period);
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

    /// The law, then the lever; when the pool is empty, once more if somebody gives way.
    fn spend(&mut self, event: &Event) -> Option<Spend> {
        let (spend, latency) = match self.spend_once(event)? {
            (spend, _)
                if spend.denial == Some(Denial::PoolEmpty) && self.give_way(event).is_some() =>
            {
                self.spend_once(event)?
            }
            answer => answer,
        };
        self.end.report(Report::Spend {
            spend,
            latency,
            above: None,
        });
        Some(spend)
    }

    /// What becomes of an event, and how long that took, in ns.
    fn spend_once(&mut self, event: &Event) -> Option<(Spend, u64)> {
        let resource = event.resource;
        self.table.surround(event.slot, resource, false);
        let (envelope, lever) = self.table.get(event.slot)?.part(resource)?;
        let pool = &mut self.pools[resource.index()];
        self.seq += 1;
        let lent = envelope.lent;
        let mut spend = decide::spend(now(), self.seq, envelope, pool, event);
        if spend.denial.is_none() {
            match pull(lever, spend.from, spend.to) {
                Pulled::Written => decide::written(envelope, now()),
                Pulled::Failed => spend = decide::refund(envelope, pool, spend),
                Pulled::Foreign(held) => {
                    let _ = decide::refund(envelope, pool, spend);
                    spend = decide::stand_back(self.seq, envelope, pool, now(), event.slot, held);
                }
            }
        }
        let latency = now().since(event.time).0;
        if spend.denial.is_none() {
            self.stats.wrote(latency);
            if resource == Resource::Memory {
                self.lent(event.slot, lent);
            }
        }
        Some((spend, latency))
    }

    fn command(&mut self, command: Command) -> std::ops::ControlFlow<()> {
        match command {
            Command::Adopt(slot, mut entry) => {
                let Entry {
                    adopted, envelopes, ..
                } = &mut *entry;
                let parts = adopted.iter().zip(envelopes).zip(&mut self.pools);
                for ((update, envelope), pool) in parts {
                    *envelope = update.as_ref().map(|update| decide::adopt(pool, update));
                }
                if let Some(old) = self.table.put(slot, Some(entry)) {
                    self.end.report(Report::Released(slot, old));
                }
            }
            Command::Release(slot) => self.release(slot),
            Command::Refit(slot, update) => {
                if let Some((envelope, _)) = self
                    .table
                    .get(slot)
                    .and_then(|entry| entry.part(update.resource))
                {
                    decide::refit(envelope, &mut self.pools[update.resource.index()], &update);
                }
            }
            Command::Lever(slot, resource, lever) => {
                let old = self.table.replace(slot, resource, lever);
                self.end.report(Report::Lever(old));
            }
            Command::Settle(order) => self.settle(&order),
            Command::Twin(event) => self.twin(event),
            Command::Audit(audit) => self.audit(&audit),
            Command::Payer(payer) => self.payer = payer,
            Command::Pool(resource, size) => self.pools[resource.index()].size = size,
            Command::Unused(slot, unused, measured) => self.unused(slot, unused, measured),
            Command::Stop => return std::ops::ControlFlow::Break(()),
        }
        std::ops::ControlFlow::Continue(())
    }

    fn release(&mut self, slot: Slot) {
        let Some(mut entry) = self.table.put(slot, None) else {
            return;
        };
        for (envelope, pool) in entry.envelopes.iter_mut().zip(&mut self.pools) {
            if let Some(envelope) = envelope {
                decide::release(envelope, pool);
            }
        }
        self.memory.replace(&mut entry.unused, Amount::ZERO, now());
        self.end.report(Report::Released(slot, entry));
    }

    /// What was measured before the limit changed says nothing about the present one.
    fn unused(&mut self, slot: Slot, unused: Amount, measured: Nanos) {
        if let Some(entry) = self.table.get(slot)
            && let Some(envelope) = &entry.envelopes[Resource::Memory.index()]
            && envelope.written <= measured
        {
            self.memory.replace(&mut entry.unused, unused, now());
        }
    }

    /// A shortage that the counters told of. They are older than the limit may be: what counts is
    /// what the kernel holds now.
    fn twin(&mut self, mut event: Event) {
        let entry = self.table.get(event.slot);
        let lever = entry.and_then(|entry| entry.part(event.resource)?.1);
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

    fn audit(&mut self, audit: &Audit) {
        let Some((envelope, _)) = self
            .table
            .get(audit.slot)
            .and_then(|entry| entry.part(audit.resource))
        else {
            return;
        };
        self.seq += 1;
        let pool = &self.pools[audit.resource.index()];
        let found = decide::audit(self.seq, envelope, pool, audit);
        self.tell(found, now().since(audit.time).0);
    }

    /// Passes on what an audit found.
    fn tell(&mut self, found: Option<Record>, latency: u64) {
        match found {
            Some(Record::Spend(spend)) => self.end.report(Report::Spend {
                spend,
                latency,
                above: None,
            }),
            Some(Record::Settled(settled)) => self.end.report(Report::Settled(settled)),
            Some(Record::Recalled(settled)) => self.end.report(Report::Recalled(settled)),
            Some(Record::CalledIn(called)) => self.end.report(Report::CalledIn(called)),
            Some(Record::Synced(synced)) => self.end.report(Report::Synced(synced)),
            None => {}
        }
    }

    fn settle(&mut self, order: &Settle) {
        let mut order = *order;
        if order.resource == Resource::Memory {
            self.bound(&mut order);
        }
        if let Some(settled) = self.apply(&order) {
            self.end.report(Report::Settled(settled));
        }
    }

    /// Keeps a decision about memory within what is true at this moment: raised no higher than
    /// the node has room, lowered no lower than what is in use.
    fn bound(&mut self, order: &mut Settle) {
        let Some(entry) = self.table.get(order.slot) else {
            return;
        };
        let (Some(reader), Some(envelope)) =
            (&entry.memory, &entry.envelopes[order.resource.index()])
        else {
            return;
        };
        let Some(used) = reader.current(&mut self.scratch).ok().and_then(Sight::here) else {
            return;
        };
        let (used, limit) = (Amount(used), envelope.limit);
        if order.limit < limit {
            order.limit = order.limit.max(just_above(used)).min(limit);
        } else {
            let room = used.plus(self.memory.headroom(entry.unused, used));
            order.limit = order.limit.min(room.max(envelope.base())).max(limit);
        }
    }

    /// A settlement: the law, then the lever.
    pub(super) fn apply(&mut self, order: &Settle) -> Option<Settled> {
        self.table.surround(order.slot, order.resource, true);
        let (envelope, lever) = self.table.get(order.slot)?.part(order.resource)?;
        let pool = &mut self.pools[order.resource.index()];
        let lent = envelope.lent;
        self.seq += 1;
        let mut settled: Settled = decide::settle(now(), self.seq, envelope, pool, order);
        if settled.refusal.is_none() {
            match pull(lever, settled.from, settled.to) {
                Pulled::Written => {
                    decide::written(envelope, now());
                    self.stats
                        .writes
                        .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                }
                Pulled::Failed => settled = decide::unsettle(envelope, pool, settled),
                Pulled::Foreign(held) => {
                    settled = decide::unsettle(envelope, pool, settled);
                    settled.refusal = Some(Refusal::Foreign);
                    settled.to = held;
                    let found =
                        decide::stand_back(self.seq, envelope, pool, now(), order.slot, held);
                    self.tell(Some(Record::Spend(found)), 0);
                }
            }
        }
        if order.resource == Resource::Memory {
            self.lent(order.slot, lent);
        }
        Some(settled)
    }
}
