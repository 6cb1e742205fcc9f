//! The fast loop's law: what to do about one event, in constant time and without allocating.

use super::envelope::Envelope;
use super::grain::Round;
use super::pool::Pool;
use crate::signal::{Amount, Cause, Denial, Event, Nanos, Resource, Spend};

/// Lifts within this time of a burst's first one belong to the same burst: one that goes on has
/// spent even a doubled quota within a period or so, which is usually 100 ms. Who comes back later
/// is served by doubling once more, and need not be lent all there is.
pub const BURST: Nanos = Nanos(150_000_000);

/// Answers one event: lifts the envelope's limit and debits the pool, or says why not.
///
/// On a lift the caller writes `to` and then calls [`written`], or [`refund`] when the write
/// failed; until then everything that is heard about the workload counts as stale. A limit is
/// never lowered, never exceeds the ceiling, and is always an amount that the kernel can hold.
#[must_use]
pub fn spend(
    now: Nanos,
    seq: u64,
    envelope: &mut Envelope,
    pool: &mut Pool,
    event: &Event,
) -> Spend {
    if event.time < envelope.written {
        return deny(seq, envelope, pool, event, Denial::Stale);
    }
    if event.held != envelope.limit && envelope.foreign.is_none() {
        envelope.found(event.held, event.time);
    }
    if let Some(held) = envelope.foreign {
        // What was found first: until it is adopted, an event may tell of a limit of ours below it.
        let found = Event { held, ..*event };
        return deny(seq, envelope, pool, &found, Denial::Foreign);
    }
    let to = match lift(now, envelope, pool, event) {
        Ok(to) => to,
        Err(denial) => return deny(seq, envelope, pool, event, denial),
    };
    let (from, lent) = (envelope.limit, envelope.lent);
    if in_burst(now, envelope) {
        envelope.burst_lifts = envelope.burst_lifts.saturating_add(1);
    } else {
        envelope.burst_started = now;
        envelope.burst_lifts = 1;
    }
    envelope.lifts.count(now, envelope.lifts_per_minute);
    envelope.begin(seq, to, pool);
    Spend {
        seq,
        epoch: envelope.epoch,
        event: *event,
        from,
        to,
        granted: envelope.lent.minus(lent),
        pool_left: pool.left(),
        burst: envelope.burst_lifts,
        denial: None,
    }
}

/// The record of an event about which nothing is done; `spend` and the fast loop's own checks
/// (a limiting level that is not ours) share it.
#[must_use]
pub fn deny(seq: u64, envelope: &Envelope, pool: &Pool, event: &Event, denial: Denial) -> Spend {
    Spend {
        seq,
        epoch: envelope.epoch,
        event: *event,
        from: envelope.limit,
        to: envelope.limit,
        granted: Amount::ZERO,
        pool_left: pool.left(),
        burst: 0,
        denial: Some(denial),
    }
}

/// The write that began with a lift or a settlement has taken effect at `now`: what was raised
/// in the kernel before is stale.
pub fn written(envelope: &mut Envelope, now: Nanos) {
    if envelope.pending() {
        envelope.written = now;
    }
}

/// Takes a lift back whose write failed: the limit is the old one again and the loan returns to
/// the pool. The lift stays counted in the rate, so that a broken lever is not pulled in a loop.
#[must_use]
pub fn refund(envelope: &mut Envelope, pool: &mut Pool, spend: Spend) -> Spend {
    if envelope.epoch == spend.epoch && envelope.seq == spend.seq && envelope.pending() {
        envelope.limit = spend.from;
        // The event was not stale, so nothing older than it can be news.
        envelope.written = spend.event.time;
        envelope.burst_lifts = envelope.burst_lifts.saturating_sub(1);
        envelope.account(pool);
    }
    Spend {
        to: spend.from,
        granted: Amount::ZERO,
        pool_left: pool.left(),
        burst: 0,
        denial: Some(Denial::WriteFailed),
        ..spend
    }
}

/// Whether a burst is going on.
fn in_burst(now: Nanos, envelope: &Envelope) -> bool {
    envelope.burst_lifts > 0 && now.since(envelope.burst_started) < BURST
}

/// The new limit, or why there is none.
fn lift(now: Nanos, envelope: &Envelope, pool: &Pool, event: &Event) -> Result<Amount, Denial> {
    if !envelope.armed {
        return Err(Denial::NotEnforced);
    }
    let limit = envelope.limit;
    let top = envelope.top();
    if limit >= top {
        return Err(Denial::Ceiling);
    }
    if droppable(limit, event) {
        return Err(Denial::Reclaimable);
    }
    if !envelope.lifts.admits(now, envelope.lifts_per_minute) {
        return Err(Denial::Rate);
    }
    let doubled = envelope.doubled();
    let by_pool = envelope.reach(now, pool);
    let by_node = node_reach(envelope, event);
    let wanted = if in_burst(now, envelope) {
        further(envelope, doubled, by_pool.min(by_node))
    } else {
        doubled
    };
    let wanted = envelope.grain.quantise(wanted, Round::Up).min(top);
    let allowed = envelope.above.min(by_pool).min(by_node);
    if allowed >= wanted {
        return Ok(wanted);
    }
    let to = envelope.grain.quantise(allowed, Round::Down).min(allowed);
    let returns_to_base = limit < envelope.base() && to >= envelope.base();
    if to > limit && (returns_to_base || to.minus(limit) >= envelope.worth()) {
        Ok(to)
    } else if allowed == envelope.above {
        Err(Denial::LimitedAbove)
    } else if by_node < by_pool {
        Err(Denial::NodeShort)
    } else if envelope.is_barred(now) {
        Err(Denial::Barred)
    } else {
        Err(Denial::PoolEmpty)
    }
}

/// Where a further lift of a burst leads. CPU is taken back at the next tick, so the burst may
/// have all there is. Memory that is in use cannot be taken back: half of what is left stays for
/// whoever comes next.
fn further(envelope: &Envelope, doubled: Amount, reach: Amount) -> Amount {
    match envelope.resource {
        Resource::Memory if !reach.is_unlimited() => {
            let half = reach.minus(envelope.limit).percent(50);
            doubled.max(envelope.limit.plus(half))
        }
        Resource::Cpu | Resource::Memory => Amount::UNLIMITED,
    }
}

/// The highest limit for which the node has room at this moment. What lies between use and the
/// present limit is not used yet and will come out of the same free memory.
fn node_reach(envelope: &Envelope, event: &Event) -> Amount {
    if event.headroom.is_unlimited() {
        return Amount::UNLIMITED;
    }
    let free = envelope.limit.max(envelope.base());
    match envelope.resource {
        Resource::Cpu => free.plus(event.headroom),
        Resource::Memory => free.max(event.used.plus(event.headroom)),
    }
}

/// Whether a group is near its memory limit only because page cache fills it: less than 5/8 of
/// the limit cannot be dropped. Failing reclaim is the proof of the contrary.
fn droppable(limit: Amount, event: &Event) -> bool {
    event.resource == Resource::Memory
        && event.cause != Cause::ReclaimFailing
        && event.used.0 < limit.0 / 8 * 5
}
