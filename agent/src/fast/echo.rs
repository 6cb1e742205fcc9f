//! Limits that their owner has written again, as it was told: ours, but not what we hold now.
//!
//! systemd is told of a limit after it was written, and later than the next one may be. What it was
//! told last it writes at `daemon-reload`, and at any change of the unit.

use trimtab_core::signal::{Amount, Event, Resource, Slot};

use super::thread::State;

impl State {
    /// The event as it would be without an echo.
    pub(super) fn without_echo(&mut self, event: &Event) -> Event {
        Event {
            held: self.echoed(event.slot, event.resource, event.held),
            ..*event
        }
    }

    /// What is held where `held` was seen: if that was an echo, our own limit, put back. Where nothing is written
    /// now, since the workload is pinned or the agent paused, that is left to systemd, which is told what we hold.
    pub(super) fn echoed(&mut self, slot: Slot, resource: Resource, held: Amount) -> Amount {
        let ours = self.ours(slot, resource);
        let Some((limit, armed)) = ours.filter(|(limit, _)| *limit != held) else {
            return held;
        };
        let Some(lever) = self.table.lever(slot, resource) else {
            return held;
        };
        if !lever.echoes_both(held) {
            return held;
        }
        if !armed {
            return limit;
        }
        let back = match lever.read() {
            // It was put back since, or it was the hard limit above that was seen.
            Ok(now) if now == limit => lever.make_room(limit),
            Ok(now) if lever.echoes(now) && lever.may_block(now, limit) => {
                // Over less than is in use the kernel would reclaim in here: systemd writes it, when it is told.
                if self.used(slot).is_none_or(|used| used > limit) {
                    return limit;
                }
                let lever = self.table.lever(slot, resource);
                lever.map_or(Ok(()), |lever| lever.write(limit))
            }
            Ok(now) if lever.echoes(now) => lever.write(limit),
            _ => return held,
        };
        if back.is_ok() { limit } else { held }
    }

    /// Puts our own limit back if the kernel holds an echo.
    pub(super) fn end_echo(&mut self, slot: Slot, resource: Resource) {
        let lever = self.table.lever(slot, resource);
        let Some(held) = lever.and_then(|lever| lever.read().ok()) else {
            return;
        };
        // What else is held there, or above, is the tick's business.
        let held = self.echoed(slot, resource, held);
        if self.ours(slot, resource) == Some((held, true))
            && let Some(lever) = self.table.lever(slot, resource)
        {
            let _ = lever.make_room(held);
        }
    }

    /// The limit that we hold, unless somebody else has set it, and whether it may be written.
    fn ours(&self, slot: Slot, resource: Resource) -> Option<(Amount, bool)> {
        let envelope = self.desk.envelope(slot, resource)?;
        let ours = envelope.foreign.is_none();
        ours.then_some((envelope.limit, envelope.armed))
    }
}
