//! Loans that stand in the way of who uses no more than its own: the fast loop's answer when that
//! one waits for a CPU behind who uses what was lent, and when it finds the pool lent out.

use super::envelope::Envelope;
use super::order::Settle;
use crate::signal::{Delay, Nanos, Resource, Slot};

/// For how long nothing is lent after the first delay.
const FIRST: Nanos = Nanos(2 * Nanos::SECOND.0);

/// Each time it is twice as long, up to this.
const LONGEST: Nanos = Nanos(10 * Nanos::MINUTE.0);

/// A bar that comes at least so long after the last one ended, or as long as that one was, is a
/// first one again.
const FORGIVEN: Nanos = Nanos::MINUTE;

/// Answers a delay: the order that ends the loan, or `None` when there is nothing to end, or when
/// the borrower uses more than its own in bursts only, which is what loans are for. Nothing is lent
/// to the workload before [`Envelope::barred`].
#[must_use]
pub fn call_in(now: Nanos, envelope: &mut Envelope, delay: &Delay) -> Option<Settle> {
    let stale = delay.time < envelope.written || delay.held != envelope.limit;
    let nothing_lent = envelope.lent.0 == 0 || envelope.resource != Resource::Cpu;
    if stale || nothing_lent || envelope.modest || !envelope.armed || envelope.foreign.is_some() {
        return None;
    }
    let forgiven = FORGIVEN.max(envelope.bar);
    let again = envelope.bar > Nanos(0) && now.since(envelope.barred) < forgiven;
    envelope.bar = if again {
        Nanos(envelope.bar.0 * 2).min(LONGEST)
    } else {
        FIRST
    };
    envelope.barred = now.plus(envelope.bar);
    Some(Settle {
        slot: delay.slot,
        resource: envelope.resource,
        epoch: envelope.epoch,
        seen_seq: envelope.seq,
        limit: envelope.base(),
    })
}

/// The order by which a borrower (`slot`) evens out its loan with the smaller one of `asking`, for
/// which the pool has nothing left; `None` when that is no matter of entitlement, or of too little.
#[must_use]
pub fn give_way(slot: Slot, payer: &Envelope, asking: &Envelope) -> Option<Settle> {
    let free = payer.armed && payer.foreign.is_none() && !payer.pending();
    let cpu = [payer, asking].map(|envelope| envelope.resource) == [Resource::Cpu; 2];
    let back = payer.lent.minus(asking.lent).percent(50);
    if !free || !cpu || !asking.modest || payer.modest || back < asking.worth() {
        return None;
    }
    Some(Settle {
        slot,
        resource: payer.resource,
        epoch: payer.epoch,
        seen_seq: payer.seq,
        limit: payer.limit.minus(back),
    })
}
