//! The fast loop, as the agent has it, with checks of what it does.

use super::kernel::{Kernel, Version};
use super::{Failures, World, to_slot};
use trimtab_core::decide::{Desk, Levers, Pulled, Record, Round, Settle, Settled};
use trimtab_core::signal::{Amount, Cause, Delay, Event, Nanos, Resource, Slot, Spend};

/// How long a write takes.
const WRITE: u64 = 1_000;

/// The kernel's files, and what became of writes.
struct Hands<'a> {
    kernel: &'a mut Kernel,
    now: &'a mut u64,
    failures: &'a mut Failures,
    writes: &'a mut u64,
    /// What the kernel refused.
    refused: Vec<(usize, Resource)>,
}

impl Levers for Hands<'_> {
    fn now(&self) -> Nanos {
        Nanos(*self.now)
    }

    fn pull(
        &mut self,
        slot: Slot,
        resource: Resource,
        (from, to): (Amount, Amount),
        _seen: Option<Nanos>,
    ) -> Pulled {
        assert_ne!(from, to, "a write that changes nothing");
        *self.now += WRITE;
        let slot = slot.0 as usize;
        let held = self.kernel.group(slot).limits[resource.index()];
        if held != from {
            return Pulled::Foreign(held);
        }
        if *self.failures > 0 {
            *self.failures -= 1;
            return Pulled::Failed;
        }
        if self.kernel.write(slot, resource, to).is_err() {
            self.refused.push((slot, resource));
            return Pulled::Failed;
        }
        self.kernel.group_mut(slot).foreign[resource.index()] = false;
        *self.writes += 1;
        Pulled::Written
    }

    fn minds_children(&self, _slot: Slot, resource: Resource) -> bool {
        resource == Resource::Cpu && self.kernel.version == Version::V1
    }
}

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

    /// The fast loop on one event.
    pub(super) fn spend(&mut self, event: &Event) -> Option<Spend> {
        let spent = self.work(|desk, hands, tell| desk.spend(hands, event, tell))?;
        if spent.denial.is_some() {
            self.denied += 1;
            return Some(spent);
        }
        let pool = self.desk.pool(event.resource);
        assert!(
            spent.granted == Amount::ZERO || pool.lent <= pool.size,
            "granted what is not there: {spent:?}"
        );
        let envelope = self.desk.envelope(event.slot, event.resource);
        assert!(
            spent.to > spent.from && spent.to <= envelope.expect("it was there").ceiling,
            "{spent:?} {envelope:?}"
        );
        Some(spent)
    }

    /// The kernel tells the fast loop that a group, using what was lent to it, keeps another one
    /// waiting.
    pub(crate) fn delay(&mut self, slot: usize, waiting: usize) {
        let Some(group) = self.kernel.groups[slot] else {
            return;
        };
        let delay = Delay {
            time: Nanos(self.now),
            slot: to_slot(slot),
            held: group.limits[0],
            waiting: Some(to_slot(waiting)),
            waited: Nanos(20 * Nanos::MILLI.0),
        };
        self.work(|desk, hands, tell| desk.delay(hands, &delay, tell));
    }

    /// The fast loop on an order.
    pub(super) fn settle(&mut self, order: &Settle) {
        let settled = self.work(|desk, hands, tell| desk.apply(hands, order, tell));
        if let Some(settled) = settled {
            self.check_settled(&settled);
            self.tell(Record::Settled(settled));
        }
    }

    /// Lets the desk work, takes what it tells, and checks what the kernel refused.
    fn work<T>(
        &mut self,
        work: impl FnOnce(&mut Desk, &mut Hands<'_>, &mut dyn FnMut(Record)) -> T,
    ) -> T {
        let mut told = Vec::new();
        let mut hands = Hands {
            kernel: &mut self.kernel,
            now: &mut self.now,
            failures: &mut self.failures,
            writes: &mut self.writes,
            refused: Vec::new(),
        };
        *hands.now += WRITE;
        let done = work(&mut self.desk, &mut hands, &mut |record| told.push(record));
        for (slot, resource) in hands.refused {
            assert!(
                self.somebody_else_nearby(slot, resource),
                "EINVAL for {resource:?} of {slot}"
            );
            self.einvals += 1;
        }
        for record in told {
            match record {
                Record::Recalled(settled) => self.check_settled(&settled),
                Record::CalledIn(called) => self.check_called_in(&called.settled),
                Record::Spend(_) | Record::Settled(_) | Record::Synced(_) => {}
            }
            self.tell(record);
        }
        done
    }

    fn check_settled(&self, settled: &Settled) {
        if settled.refusal.is_some() {
            return;
        }
        let (slot, resource) = (settled.slot.0 as usize, settled.resource);
        let envelope = self.envelope(slot, resource).expect("it was there");
        if settled.to > settled.from {
            assert!(settled.to <= envelope.ceiling, "{settled:?} {envelope:?}");
            let pool = self.desk.pool(resource);
            assert!(
                envelope.lent == Amount::ZERO || pool.lent <= pool.size,
                "raised by what is not there: {settled:?}"
            );
        } else {
            assert!(settled.to >= envelope.floor, "{settled:?} {envelope:?}");
            let own = settled.to >= envelope.base();
            assert!(
                own || settled.to >= self.seen_use[slot][resource.index()],
                "below use: {settled:?}"
            );
        }
    }

    fn check_called_in(&self, settled: &Settled) {
        self.check_settled(settled);
        let envelope = self.envelope(settled.slot.0 as usize, settled.resource);
        let envelope = envelope.expect("it was there");
        assert!(
            settled.refusal.is_some()
                || envelope.lent == Amount::ZERO
                || settled.to == envelope.grain.quantise(envelope.below, Round::Up),
            "more is left than a child holds: {settled:?}"
        );
    }

    pub(super) fn tell(&mut self, record: Record) {
        if !self.lose_records {
            self.records.push(record);
        }
    }
}
