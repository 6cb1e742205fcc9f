//! Loans that stand in the way of who uses no more than its own: the fast loop's answer when that
//! one waits for a CPU behind who uses what was lent, and when it finds the pool lent out.

use super::envelope::Envelope;
use super::order::Settle;
use crate::signal::{Amount, Delay, Nanos, Resource, Slot};
use std::cmp::Ordering;

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

/// The order by which a borrower (`slot`) gives way to `asking`, for which the pool has nothing left:
/// to a higher priority with all that its lift lacks; to the same one so that both loans are even for
/// their weights, where that one uses no more than its own but for a burst and the borrower does.
/// `None` when it need not, or when it is about too little.
#[must_use]
pub fn give_way(slot: Slot, payer: &Envelope, asking: &Envelope) -> Option<Settle> {
    let free = payer.armed && payer.foreign.is_none() && !payer.pending();
    let cpu = [payer, asking].map(|envelope| envelope.resource) == [Resource::Cpu; 2];
    let (ours, theirs) = (payer.entitlement, asking.entitlement);
    let back = match theirs.priority.cmp(&ours.priority) {
        Ordering::Greater => payer.lent.min(asking.lacks()),
        Ordering::Equal if asking.modest && !payer.modest => uneven(payer, asking),
        Ordering::Equal | Ordering::Less => Amount::ZERO,
    };
    if !free || !cpu || back < asking.worth() {
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

/// By how much the first loan is too large for the weights of both.
fn uneven(one: &Envelope, other: &Envelope) -> Amount {
    let weight = |envelope: &Envelope| u128::from(envelope.entitlement.weight.max(1));
    let (w_one, w_other) = (weight(one), weight(other));
    let ahead = (u128::from(one.lent.0) * w_other).saturating_sub(u128::from(other.lent.0) * w_one);
    u64::try_from(ahead / (w_one + w_other)).map_or(Amount::UNLIMITED, Amount)
}
