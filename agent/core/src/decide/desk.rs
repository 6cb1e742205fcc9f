//! Where the fast loop works: envelopes by slot, the pools, and who gives way first. One event or one
//! word of the slow loop at a time goes from here to the lever, and nothing is allocated on the way.
//!
//! The agent's fast threads work at one with open files for levers; replay and tests at others.

use super::delay::{call_in, give_way};
use super::envelope::{Envelope, EnvelopeUpdate};
use super::order::{Audit, Settle};
use super::pool::Pool;
use super::record::{CalledIn, Record, Refusal, Settled};
use super::settle::{adopt, audit, refit, release, settle, stand_back, unsettle};
use super::spend::{deny, refund, spend, written};
use crate::signal::{Amount, Delay, Denial, Event, Nanos, Resource, Slot, Spend};

/// Bounds every walk upwards; the probes look at 8 levels at most.
const MAX_LEVELS: usize = 16;

/// What came of pulling a lever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pulled {
    /// The limit stands.
    Written,
    /// It does not.
    Failed,
    /// Somebody else's value was there, and was left there.
    Foreign(Amount),
}

/// Where limits are written, and the clock by which.
pub trait Levers {
    /// Now, in ns of the clock that events are stamped by.
    fn now(&self) -> Nanos;

    /// Takes a step from our own last value to another, writing over no other. `seen`: when the kernel held
    /// that value for sure, if that is known.
    fn pull(
        &mut self,
        slot: Slot,
        resource: Resource,
        step: (Amount, Amount),
        seen: Option<Nanos>,
    ) -> Pulled;

    /// Whether the kernel refuses a limit below that of a child: CPU on v1.
    fn minds_children(&self, slot: Slot, resource: Resource) -> bool;
}

/// A workload's envelopes, per resource; `None` for one that is not managed.
pub type Row = [Option<Envelope>; 2];

/// All that the law needs, but for the levers.
#[derive(Debug, Default)]
pub struct Desk {
    rows: Vec<Option<Box<Row>>>,
    pools: [Pool; 2],
    payer: Option<Slot>,
    seq: u64,
}

impl Desk {
    /// Room for so many workloads, none of which is there yet.
    #[must_use]
    pub fn new(slots: usize) -> Self {
        let mut desk = Self::default();
        desk.grow(slots);
        desk
    }

    /// Room for so many workloads at least.
    pub fn grow(&mut self, slots: usize) {
        if self.rows.len() < slots {
            self.rows.resize_with(slots, || None);
        }
    }

    /// Takes a workload over, in a row that was made where allocating harms nobody; what was there, to
    /// be freed in such a place, or the row itself if there is no such slot.
    #[must_use]
    pub fn adopt(
        &mut self,
        slot: Slot,
        mut row: Box<Row>,
        updates: &[Option<EnvelopeUpdate>; 2],
    ) -> Option<Box<Row>> {
        let Some(cell) = self.rows.get_mut(slot.0 as usize) else {
            return Some(row);
        };
        for ((envelope, update), pool) in row.iter_mut().zip(updates).zip(&mut self.pools) {
            *envelope = update.as_ref().map(|update| adopt(pool, update));
        }
        cell.replace(row)
    }

    /// Gives a workload up: what is lent to it goes back. Its row, to be freed elsewhere.
    #[must_use]
    pub fn release(&mut self, slot: Slot) -> Option<Box<Row>> {
        let mut row = self.rows.get_mut(slot.0 as usize)?.take()?;
        for (envelope, pool) in row.iter_mut().zip(&mut self.pools) {
            if let Some(envelope) = envelope {
                release(envelope, pool);
            }
        }
        Some(row)
    }

    /// New bounds of one envelope.
    pub fn refit(&mut self, update: &EnvelopeUpdate) {
        let index = update.resource.index();
        if let Some(envelope) = find(&mut self.rows, update.slot, update.resource) {
            refit(envelope, &mut self.pools[index], update);
        }
    }

    /// Notes that a limit was written at `time` without a lever: events raised before that tell of the one before.
    pub fn wrote(&mut self, slot: Slot, resource: Resource, time: Nanos) {
        if let Some(envelope) = find(&mut self.rows, slot, resource) {
            envelope.wrote(time);
        }
    }

    /// The pool's size, as measured in the last tick.
    pub const fn resize(&mut self, resource: Resource, size: Amount) {
        self.pools[resource.index()].size = size;
    }

    /// The borrower of CPU who gives way first.
    pub const fn set_payer(&mut self, payer: Option<Slot>) {
        self.payer = payer;
    }

    /// The pool of a resource.
    #[must_use]
    pub const fn pool(&self, resource: Resource) -> &Pool {
        &self.pools[resource.index()]
    }

    /// The envelope of a workload; `None` when the resource is not managed there.
    #[must_use]
    pub fn envelope(&self, slot: Slot, resource: Resource) -> Option<&Envelope> {
        self.rows.get(slot.0 as usize)?.as_ref()?[resource.index()].as_ref()
    }

    /// A limit of which the kernel has told that somebody else has set it.
    pub fn found(&mut self, slot: Slot, resource: Resource, theirs: Amount) {
        if let Some(envelope) = find(&mut self.rows, slot, resource) {
            envelope.foreign = Some(theirs);
        }
    }

    /// Answers an event: the law, then the lever; when the pool is empty, once more if somebody gives
    /// way. `None` when the resource is not managed there.
    pub fn spend(
        &mut self,
        levers: &mut impl Levers,
        event: &Event,
        tell: &mut dyn FnMut(Record),
    ) -> Option<Spend> {
        let mut spend = self.spend_once(levers, event)?;
        if spend.denial == Some(Denial::PoolEmpty) && self.give_way(levers, event, tell).is_some() {
            spend = self.spend_once(levers, event)?;
        }
        tell(Record::Spend(spend));
        Some(spend)
    }

    fn spend_once(&mut self, levers: &mut impl Levers, event: &Event) -> Option<Spend> {
        let (slot, resource) = (event.slot, event.resource);
        let above = self.above(slot, resource);
        let envelope = find(&mut self.rows, slot, resource)?;
        envelope.above = above;
        let pool = &mut self.pools[resource.index()];
        self.seq += 1;
        let answer = spend(levers.now(), self.seq, envelope, pool, event);
        if answer.denial.is_some() {
            return Some(answer);
        }
        let (step, seen) = ((answer.from, answer.to), Some(event.time));
        Some(match levers.pull(slot, resource, step, seen) {
            Pulled::Written => {
                written(envelope, levers.now());
                answer
            }
            Pulled::Failed => refund(envelope, pool, answer),
            Pulled::Foreign(held) => {
                let _ = refund(envelope, pool, answer);
                stand_back(self.seq, envelope, pool, levers.now(), slot, held)
            }
        })
    }

    /// Takes from the largest borrower for one who uses no more than its own; `None` when there is
    /// nothing to take.
    fn give_way(
        &mut self,
        levers: &mut impl Levers,
        event: &Event,
        tell: &mut dyn FnMut(Record),
    ) -> Option<()> {
        let payer = self.payer.filter(|payer| *payer != event.slot)?;
        let asking = self.envelope(event.slot, event.resource)?;
        let order = give_way(payer, self.envelope(payer, Resource::Cpu)?, asking)?;
        let settled = self.apply(levers, &order, tell)?;
        tell(Record::Recalled(settled));
        settled.refusal.is_none().then_some(())
    }

    /// An event that cannot be answered: what limits is above, and not ours.
    pub fn limited_above(&mut self, event: &Event) -> Option<Spend> {
        let pool = &self.pools[event.resource.index()];
        let envelope = find(&mut self.rows, event.slot, event.resource)?;
        self.seq += 1;
        Some(deny(self.seq, envelope, pool, event, Denial::LimitedAbove))
    }

    /// Ends a loan that keeps others waiting.
    pub fn delay(&mut self, levers: &mut impl Levers, delay: &Delay, tell: &mut dyn FnMut(Record)) {
        let Some(envelope) = find(&mut self.rows, delay.slot, Resource::Cpu) else {
            return;
        };
        let Some(order) = call_in(levers.now(), envelope, delay) else {
            return;
        };
        let barred = envelope.barred;
        if let Some(settled) = self.apply(levers, &order, tell) {
            tell(Record::CalledIn(CalledIn {
                settled,
                delay: *delay,
                barred,
            }));
        }
    }

    /// A limit that was read without an event: what there is to say about it.
    pub fn audit(&mut self, seen: &Audit) -> Option<Record> {
        let envelope = find(&mut self.rows, seen.slot, seen.resource)?;
        self.seq += 1;
        audit(self.seq, envelope, &self.pools[seen.resource.index()], seen)
    }

    /// Applies an order: the law, then the lever. What became of it is for the caller to tell; only
    /// that somebody else's value was met, is told from here.
    pub fn apply(
        &mut self,
        levers: &mut impl Levers,
        order: &Settle,
        tell: &mut dyn FnMut(Record),
    ) -> Option<Settled> {
        let (slot, resource) = (order.slot, order.resource);
        let above = self.above(slot, resource);
        let lowers = order.limit < self.envelope(slot, resource)?.limit;
        let below = if lowers && levers.minds_children(slot, resource) {
            self.below(slot, resource)
        } else {
            Amount::ZERO
        };
        let envelope = find(&mut self.rows, slot, resource)?;
        (envelope.above, envelope.below) = (above, below);
        let pool = &mut self.pools[resource.index()];
        self.seq += 1;
        let settled = settle(levers.now(), self.seq, envelope, pool, order);
        if settled.refusal.is_some() {
            return Some(settled);
        }
        Some(
            match levers.pull(slot, resource, (settled.from, settled.to), None) {
                Pulled::Written => {
                    written(envelope, levers.now());
                    settled
                }
                Pulled::Failed => unsettle(envelope, pool, settled),
                Pulled::Foreign(held) => {
                    let settled = unsettle(envelope, pool, settled);
                    let found = stand_back(self.seq, envelope, pool, levers.now(), slot, held);
                    tell(Record::Spend(found));
                    Settled {
                        refusal: Some(Refusal::Foreign),
                        to: held,
                        ..settled
                    }
                }
            },
        )
    }

    /// An envelope and those above it, the nearest first.
    fn line<'a>(
        &'a self,
        envelope: &'a Envelope,
        resource: Resource,
    ) -> impl Iterator<Item = &'a Envelope> {
        let parent = move |envelope: &&Envelope| self.envelope(envelope.parent?, resource);
        std::iter::successors(Some(envelope), parent).take(MAX_LEVELS)
    }

    /// The smallest limit among the managed ancestors of a workload.
    fn above(&self, slot: Slot, resource: Resource) -> Amount {
        let Some(envelope) = self.envelope(slot, resource) else {
            return Amount::UNLIMITED;
        };
        let above = self.line(envelope, resource).skip(1);
        let limits = above.map(|above| above.limit);
        limits.min().unwrap_or(Amount::UNLIMITED)
    }

    /// The largest limit among the descendants of a workload; those without one do not count.
    fn below(&self, slot: Slot, resource: Resource) -> Amount {
        let rows = self.rows.iter().flatten();
        let limited = rows
            .filter_map(|row| row[resource.index()].as_ref())
            .filter(|below| !below.limit.is_unlimited());
        let is_below = |below: &&Envelope| {
            self.line(below, resource)
                .any(|one| one.parent == Some(slot))
        };
        let limits = limited.filter(is_below).map(|below| below.limit);
        limits.max().unwrap_or(Amount::ZERO)
    }
}

/// Looks at the rows alone, so that the pools stay free for the law.
fn find(rows: &mut [Option<Box<Row>>], slot: Slot, resource: Resource) -> Option<&mut Envelope> {
    rows.get_mut(slot.0 as usize)?.as_mut()?[resource.index()].as_mut()
}
