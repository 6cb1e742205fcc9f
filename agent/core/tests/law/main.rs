//! The fast loop's law, rule by rule.

mod budget;
mod delays;
mod lifts;
mod settling;

use trimtab_core::decide::{
    Entitlement, Envelope, EnvelopeUpdate, Grain, Pool, Refusal, Settle, Settled, settle, spend,
    written,
};
use trimtab_core::signal::{Amount, Cause, Event, Nanos, Resource, Slot, Spend};

pub(crate) const SLOT: Slot = Slot(7);

pub(crate) fn update(resource: Resource) -> EnvelopeUpdate {
    EnvelopeUpdate {
        slot: SLOT,
        resource,
        epoch: 1,
        armed: true,
        parent: None,
        nested: false,
        modest: true,
        entitlement: Entitlement::default(),
        adopted: Amount(100_000),
        own: None,
        floor: Amount(50_000),
        ceiling: Amount(2_000_000),
        step: Amount(50_000),
        lifts_per_minute: 60,
        grain: Grain::of(resource),
        limit: None,
    }
}

pub(crate) fn event(envelope: &Envelope, time: u64) -> Event {
    Event {
        time: Nanos(time),
        slot: SLOT,
        resource: envelope.resource,
        cause: Cause::QuotaNear,
        held: envelope.limit,
        used: Amount::ZERO,
        headroom: Amount::UNLIMITED,
    }
}

/// One CPU envelope with its pool, and a write that always works.
pub(crate) struct Bench {
    pub(crate) envelope: Envelope,
    pub(crate) pool: Pool,
    pub(crate) now: u64,
    pub(crate) seq: u64,
}

impl Bench {
    pub(crate) fn new(change: impl FnOnce(&mut EnvelopeUpdate)) -> Self {
        let mut update = update(Resource::Cpu);
        change(&mut update);
        let pool = Pool::new(Amount(10_000_000));
        Self {
            envelope: Envelope::new(&update),
            pool,
            now: 1_000_000_000,
            seq: 0,
        }
    }

    pub(crate) fn spend_on(&mut self, event: &Event) -> Spend {
        self.now += 1_000_000;
        self.seq += 1;
        spend(
            Nanos(self.now),
            self.seq,
            &mut self.envelope,
            &mut self.pool,
            event,
        )
    }

    pub(crate) fn lift(&mut self) -> Spend {
        let event = event(&self.envelope, self.now);
        let spend = self.spend_on(&event);
        self.now += 1_000;
        written(&mut self.envelope, Nanos(self.now));
        spend
    }

    pub(crate) fn settle(&mut self, limit: u64) -> Result<Amount, Refusal> {
        let settled = self.settled(limit);
        settled.refusal.map_or(Ok(settled.to), Err)
    }

    pub(crate) fn settled(&mut self, limit: u64) -> Settled {
        self.seq += 1;
        let order = Settle {
            slot: SLOT,
            resource: Resource::Cpu,
            epoch: 1,
            seen_seq: self.envelope.seq,
            limit: Amount(limit),
        };
        let settled = settle(
            Nanos(self.now),
            self.seq,
            &mut self.envelope,
            &mut self.pool,
            &order,
        );
        written(&mut self.envelope, Nanos(self.now));
        settled
    }
}
