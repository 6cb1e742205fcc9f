//! The slow loop's word, applied by the fast loop: settlements, new bounds, audits, goodbyes.

use super::envelope::{Envelope, EnvelopeUpdate};
use super::grain::Round;
use super::order::{Audit, Settle};
use super::pool::Pool;
use super::record::{Record, Refusal, Settled, Synced};
use super::spend::deny;
use crate::signal::{Amount, Cause, Denial, Event, Nanos, Slot, Spend};

/// Applies a decision of the slow loop: lowering returns the loan to the pool, raising beyond
/// the base takes as much from it as it has.
#[must_use]
pub fn settle(
    now: Nanos,
    seq: u64,
    envelope: &mut Envelope,
    pool: &mut Pool,
    order: &Settle,
) -> Settled {
    let from = envelope.limit;
    let outcome = target(now, envelope, pool, order);
    if let Ok(to) = outcome {
        if to < from {
            // What comes after a trim is a new burst.
            envelope.burst_lifts = 0;
        }
        envelope.begin(seq, to, pool);
    }
    Settled {
        seq,
        time: now,
        slot: order.slot,
        resource: order.resource,
        epoch: envelope.epoch,
        from,
        to: match outcome {
            Ok(to) => to,
            Err(Refusal::Foreign) => envelope.foreign.unwrap_or(from),
            Err(_) => from,
        },
        envelope_seq: envelope.seq,
        pool_left: pool.left(),
        refusal: outcome.err(),
    }
}

/// Takes a settlement back whose write failed.
#[must_use]
pub fn unsettle(envelope: &mut Envelope, pool: &mut Pool, settled: Settled) -> Settled {
    if envelope.epoch == settled.epoch && envelope.seq == settled.seq && envelope.pending() {
        envelope.limit = settled.from;
        envelope.written = settled.time;
        envelope.account(pool);
    }
    Settled {
        to: settled.from,
        envelope_seq: envelope.seq,
        pool_left: pool.left(),
        refusal: Some(Refusal::WriteFailed),
        ..settled
    }
}

/// Where a settlement leads, or why nowhere.
fn target(now: Nanos, envelope: &Envelope, pool: &Pool, order: &Settle) -> Result<Amount, Refusal> {
    if order.epoch != envelope.epoch || order.seen_seq != envelope.seq || envelope.pending() {
        return Err(Refusal::Superseded);
    }
    if envelope.foreign.is_some() {
        return Err(Refusal::Foreign);
    }
    if !envelope.armed {
        return Err(Refusal::NotEnforced);
    }
    let from = envelope.limit;
    let wanted = envelope.grain.quantise(order.limit, Round::Up);
    if wanted <= from {
        // A limit below its floor (its owner had set it so) may rise, but not fall further.
        let floor = envelope
            .grain
            .quantise(envelope.floor.max(envelope.below), Round::Up);
        let to = wanted.max(floor).min(from);
        if from.is_unlimited() && to > envelope.above {
            // The first limit of a child: more than its parent has is in vain, and EINVAL on v1.
            return Err(Refusal::LimitedAbove);
        }
        return if to == from {
            Err(Refusal::NoChange)
        } else {
            Ok(to)
        };
    }
    let wanted = wanted.min(envelope.top());
    if wanted <= from {
        return Err(Refusal::NoChange);
    }
    let above = envelope
        .grain
        .quantise(envelope.above, Round::Down)
        .min(envelope.above);
    let pool = envelope
        .grain
        .quantise(envelope.reach(now, pool), Round::Down);
    let to = wanted.min(above).min(pool);
    if to > from {
        Ok(to)
    } else if above < pool {
        Err(Refusal::LimitedAbove)
    } else if envelope.is_barred(now) {
        Err(Refusal::Barred)
    } else {
        Err(Refusal::PoolEmpty)
    }
}

/// Makes the envelope of a workload that is new to the fast loop, and counts what is lent to it
/// already: an agent that starts again finds limits that it had lifted.
#[must_use]
pub fn adopt(pool: &mut Pool, update: &EnvelopeUpdate) -> Envelope {
    let mut envelope = Envelope::new(update);
    envelope.account(pool);
    envelope
}

/// Takes over the slow loop's bounds without touching the limit; the loan is recomputed and the
/// pool corrected. With `update.limit` the workload is adopted anew at that limit, and a new
/// epoch replaces the envelope.
pub fn refit(envelope: &mut Envelope, pool: &mut Pool, update: &EnvelopeUpdate) {
    if update.epoch != envelope.epoch {
        release(envelope, pool);
        *envelope = adopt(pool, update);
        return;
    }
    envelope.armed = update.armed;
    envelope.parent = update.parent;
    envelope.nested = update.nested;
    envelope.adopted = update.adopted;
    envelope.own = update.own;
    envelope.modest = update.modest;
    envelope.entitlement = update.entitlement;
    envelope.floor = update.floor;
    envelope.ceiling = update.ceiling;
    envelope.step = update.step;
    envelope.lifts_per_minute = update.lifts_per_minute;
    envelope.grain = update.grain;
    if let Some(limit) = update.limit {
        envelope.limit = limit;
        envelope.foreign = None;
        envelope.burst_lifts = 0;
    }
    envelope.account(pool);
}

/// The workload has gone: its loan returns to the pool and nothing is written for it any more.
pub fn release(envelope: &mut Envelope, pool: &mut Pool) {
    pool.relend(envelope.lent, Amount::ZERO);
    envelope.lent = Amount::ZERO;
    envelope.armed = false;
}

/// Judges an audit. Both answers are worth passing on: that somebody else has written the limit,
/// or what the slow loop does not know yet. `None` when nothing can be said.
#[must_use]
pub fn audit(seq: u64, envelope: &mut Envelope, pool: &Pool, audit: &Audit) -> Option<Record> {
    let (slot, resource) = (audit.slot, audit.resource);
    if audit.epoch != envelope.epoch || audit.time < envelope.written {
        return None;
    }
    if audit.held == envelope.limit && envelope.foreign.is_none() {
        let (epoch, limit) = (envelope.epoch, envelope.limit);
        return Some(Record::Synced(Synced {
            slot,
            resource,
            epoch,
            limit,
            envelope_seq: envelope.seq,
        }));
    }
    Some(Record::Spend(stand_back(
        seq, envelope, pool, audit.time, slot, audit.held,
    )))
}

/// A limit was found that is certainly not ours, whatever its amount: nothing is written until it
/// has been adopted. Gives the record to pass on.
#[must_use]
pub fn stand_back(
    seq: u64,
    envelope: &mut Envelope,
    pool: &Pool,
    time: Nanos,
    slot: Slot,
    held: Amount,
) -> Spend {
    envelope.found(held, time);
    let event = Event {
        time,
        slot,
        resource: envelope.resource,
        cause: Cause::Twin,
        held,
        used: Amount::ZERO,
        headroom: Amount::UNLIMITED,
    };
    deny(seq, envelope, pool, &event, Denial::Foreign)
}
