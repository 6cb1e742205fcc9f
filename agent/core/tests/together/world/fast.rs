//! The fast loop, as the agent has it, with checks of what it does.

use super::{World, to_slot};
use trimtab_core::decide::{
    Audit, CalledIn, Record, Round, Settle, Settled, audit, call_in, give_way, refund, settle,
    spend, unsettle, written,
};
use trimtab_core::signal::{Amount, Cause, Delay, Denial, Event, Nanos, Resource, Slot, Spend};

impl World {
    /// The kernel tells the fast loop that a group is short. Returns what was done.
    pub(crate) fn event(&mut self, slot: usize, resource: Resource, cause: Cause) -> Option<Spend> {
        let group = self.kernel.groups[slot]?;
        let event = Event {
            time: Nanos(self.now),
            slot: to_slot(slot),
            resource,
            cause,
            held: group.limits[resource.index()],
            used: match resource {
                Resource::Cpu => Amount::ZERO,
                Resource::Memory => self.kernel.used(slot, resource),
            },
            headroom: match resource {
                Resource::Cpu => Amount::UNLIMITED,
                Resource::Memory => self.node.memory_available.minus(self.settings.reserve[1]),
            },
        };
        self.spend(&event)
    }

    /// The fast loop on one event: a payer gives way when the pool is empty.
    pub(super) fn spend(&mut self, event: &Event) -> Option<Spend> {
        let spent = self.spend_once(event)?;
        if spent.denial != Some(Denial::PoolEmpty) || !self.give_way(event) {
            return Some(spent);
        }
        self.spend_once(event)
    }

    /// Whether somebody has given way to the one that an event is about.
    fn give_way(&mut self, event: &Event) -> bool {
        let envelope = |slot: Slot| self.envelopes[slot.0 as usize][0];
        let (Some(payer), Some(asking)) = (self.payer, envelope(event.slot)) else {
            return false;
        };
        if event.resource != Resource::Cpu || payer == event.slot {
            return false;
        }
        let Some(order) = envelope(payer).and_then(|envelope| give_way(payer, &envelope, &asking))
        else {
            return false;
        };
        let Some(settled) = self.apply(&order) else {
            return false;
        };
        self.tell(Record::Recalled(settled));
        settled.refusal.is_none()
    }

    fn spend_once(&mut self, event: &Event) -> Option<Spend> {
        let (slot, index) = (event.slot.0 as usize, event.resource.index());
        let above = self.above(slot, index);
        let mut envelope = self.envelopes[slot][index]?;
        envelope.above = above;
        self.seq += 1;
        self.now += 1_000;
        let mut spent = spend(
            Nanos(self.now),
            self.seq,
            &mut envelope,
            &mut self.pools[index],
            event,
        );
        if spent.denial.is_none() {
            let pool = &self.pools[index];
            assert!(
                spent.granted == Amount::ZERO || pool.lent <= pool.size,
                "granted what is not there: {spent:?}"
            );
            assert!(
                spent.to > spent.from && spent.to <= envelope.ceiling,
                "{spent:?} {envelope:?}"
            );
            if self.write(slot, event.resource, spent.from, spent.to) {
                written(&mut envelope, Nanos(self.now));
            } else {
                spent = refund(&mut envelope, &mut self.pools[index], spent);
            }
        } else {
            self.denied += 1;
        }
        self.envelopes[slot][index] = Some(envelope);
        self.tell(Record::Spend(spent));
        Some(spent)
    }

    /// The kernel tells the fast loop that a group, using what was lent to it, keeps another one
    /// waiting.
    pub(crate) fn delay(&mut self, slot: usize, waiting: usize) {
        let (Some(group), Some(envelope)) =
            (self.kernel.groups[slot], &mut self.envelopes[slot][0])
        else {
            return;
        };
        let delay = Delay {
            time: Nanos(self.now),
            slot: to_slot(slot),
            held: group.limits[0],
            waiting: Some(to_slot(waiting)),
            waited: Nanos(20 * Nanos::MILLI.0),
        };
        self.now += 1_000;
        let Some(order) = call_in(Nanos(self.now), envelope, &delay) else {
            return;
        };
        let barred = envelope.barred;
        if let Some(settled) = self.apply(&order) {
            let envelope = self.envelopes[slot][0].expect("it was there");
            assert!(
                settled.refusal.is_some()
                    || envelope.lent == Amount::ZERO
                    || settled.to == envelope.grain.quantise(envelope.below, Round::Up),
                "more is left than a child holds: {settled:?}"
            );
            self.tell(Record::CalledIn(CalledIn {
                settled,
                delay,
                barred,
            }));
        }
    }

    pub(super) fn settle(&mut self, order: &Settle) {
        if let Some(settled) = self.apply(order) {
            self.tell(Record::Settled(settled));
        }
    }

    /// The fast loop on a settlement: it reads the limit first, since no event has told it.
    fn apply(&mut self, order: &Settle) -> Option<Settled> {
        let (slot, index) = (order.slot.0 as usize, order.resource.index());
        let above = self.above(slot, index);
        let below = self.below(slot, index);
        let (Some(mut envelope), Some(group)) =
            (self.envelopes[slot][index], self.kernel.groups[slot])
        else {
            return None;
        };
        let seen = Audit {
            time: Nanos(self.now),
            slot: order.slot,
            resource: order.resource,
            epoch: envelope.epoch,
            held: group.limits[index],
        };
        self.seq += 2;
        if let Some(record @ Record::Spend(_)) =
            audit(self.seq - 1, &mut envelope, &self.pools[index], &seen)
        {
            self.tell(record);
        }
        envelope.above = above;
        envelope.below = below;
        let mut settled = settle(
            Nanos(self.now),
            self.seq,
            &mut envelope,
            &mut self.pools[index],
            order,
        );
        if settled.refusal.is_none() {
            assert!(settled.to != settled.from, "{settled:?}");
            if settled.to > settled.from {
                assert!(settled.to <= envelope.ceiling, "{settled:?} {envelope:?}");
            } else {
                assert!(settled.to >= envelope.floor, "{settled:?} {envelope:?}");
                let own = settled.to >= envelope.base();
                assert!(
                    own || settled.to >= self.seen_use[slot][index],
                    "below use: {settled:?}"
                );
            }
            self.now += 1_000;
            if self.write(slot, order.resource, settled.from, settled.to) {
                written(&mut envelope, Nanos(self.now));
            } else {
                settled = unsettle(&mut envelope, &mut self.pools[index], settled);
            }
        }
        self.envelopes[slot][index] = Some(envelope);
        Some(settled)
    }

    pub(super) fn tell(&mut self, record: Record) {
        if !self.lose_records {
            self.records.push(record);
        }
    }
}
