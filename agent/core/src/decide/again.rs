//! A lift once more, by the bounds that the slow loop knows.

use super::engine::Engine;
use super::envelope::EnvelopeUpdate;
use super::pool::Pool;
use super::settle::adopt;
use super::spend::spend;
use crate::signal::Spend;

impl Engine {
    /// What the fast loop's law says about a lift's event under this engine's bounds: from the same
    /// limit, at the same place of its burst, with what the pool had. What only the fast loop knows
    /// (lifts of the last minute, bars) counts as no hindrance, so that what comes out is not
    /// always what was done. `None` where the resource is not managed.
    #[must_use]
    pub fn again(&self, lift: &Spend) -> Option<Spend> {
        let (slot, resource) = (lift.event.slot, lift.event.resource);
        let control = self.workload(slot)?.controls[resource.index()].as_ref()?;
        let update = EnvelopeUpdate {
            limit: Some(lift.from),
            ..control.sent?
        };
        let mut pool = Pool::default();
        let mut envelope = adopt(&mut pool, &update);
        pool.size = lift.pool_left.plus(lift.granted).plus(envelope.lent);
        envelope.above = self.cap(slot, resource);
        if lift.burst > 1 {
            envelope.burst_started = lift.event.time;
            envelope.burst_lifts = lift.burst - 1;
        }
        let event = &lift.event;
        Some(spend(event.time, lift.seq, &mut envelope, &mut pool, event))
    }
}
