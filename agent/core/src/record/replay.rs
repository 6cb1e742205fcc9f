//! The same calls once more, to an engine of one's own.

use super::bytes::put_value;
use super::call::{Call, Item, Key, Ticked};
use super::digest::Digest;
use super::encoder::Unencodable;
use super::origins::{Origin, Origins};
use crate::decide::{Decision, Engine, Tick};
use crate::signal::{Nanos, Slot};
use serde::Serialize;

/// Slots beyond this are no agent's.
const SLOTS: u32 = 1 << 16;

/// An engine that is given the recorded calls.
#[derive(Clone, Debug)]
pub struct Replay {
    pub(super) engine: Engine,
    pub(super) origins: Origins,
    digest: Digest,
}

/// What came of replaying a tick.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// When it was.
    pub now: Nanos,
    /// The decisions are the same, byte for byte.
    pub decisions_equal: bool,
    /// Everything else that was said to the fast thread, the kernel and people is, too.
    pub rest_equal: bool,
    /// What was decided this time.
    pub decisions: Vec<Decision>,
}

impl Replay {
    /// An engine as it was at a segment's beginning.
    #[must_use]
    pub fn new(key: Key) -> Self {
        Self {
            engine: key.engine,
            origins: key.origins,
            digest: Digest::default(),
        }
    }

    /// Begins the next segment: the state is the recorded one again.
    pub fn restart(&mut self, key: Key) {
        *self = Self::new(key);
    }

    /// Whether a state is the one that has been reached, byte for byte.
    ///
    /// # Errors
    /// A state cannot be encoded.
    pub fn leads_to(&self, key: &Key) -> Result<bool, Unencodable> {
        let (mut here, mut there) = (Vec::new(), Vec::new());
        put_value(&mut here, &self.engine)?;
        put_value(&mut there, &key.engine)?;
        Ok(here == there && self.origins == key.origins)
    }

    /// The engine as it is now.
    #[must_use]
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Which groups the workloads are.
    #[must_use]
    pub fn origin(&self, slot: Slot) -> Option<&Origin> {
        self.origins.get(slot)
    }

    /// Replays one item; for a tick, what came of it.
    ///
    /// # Errors
    /// What came out cannot be encoded, so that it cannot be compared.
    pub fn replay(&mut self, item: Item) -> Result<Option<Outcome>, Unencodable> {
        match item {
            Item::Key(key) => self.restart(*key),
            Item::Call(call) => self.call(call)?,
            Item::Tick(ticked) => return self.compare(&ticked).map(Some),
        }
        Ok(None)
    }

    /// A tick as it was recorded, and whether the same comes out.
    fn compare(&mut self, ticked: &Ticked) -> Result<Outcome, Unencodable> {
        let tick = self.tick(ticked);
        self.digest.hear(&tick)?;
        let (mut then, mut now) = (Vec::new(), Vec::new());
        put_value(&mut then, &ticked.decisions)?;
        put_value(&mut now, &tick.decisions)?;
        Ok(Outcome {
            now: ticked.now,
            decisions_equal: then == now,
            rest_equal: self.digest.take() == ticked.digest,
            decisions: tick.decisions,
        })
    }

    /// Ticks, and says what came out.
    pub(super) fn tick(&mut self, ticked: &Ticked) -> Tick {
        self.engine.tick(ticked.now, &ticked.snapshot)
    }

    /// Calls what was called.
    pub(super) fn call(&mut self, call: Call) -> Result<(), Unencodable> {
        let engine = &mut self.engine;
        match call {
            Call::Record(record) => engine.record(&record),
            Call::Thresholds(slot, resource) => {
                return self.digest.hear(&engine.thresholds(slot, resource));
            }
            Call::Updates => return self.digest.hear(&engine.updates()),
            Call::Notices => return self.digest.hear(&engine.notices()),
            Call::Heard {
                time,
                slot,
                resource,
                held,
            } => return self.digest.hear(&engine.heard(time, slot, resource, held)),
            Call::Adopt {
                slot,
                epoch,
                spec,
                origin,
            } => {
                if slot.0 < SLOTS {
                    let updates = engine.adopt(slot, epoch, *spec);
                    self.origins.insert(slot, origin);
                    return self.digest.hear(&updates);
                }
            }
            Call::Remove(slot) => {
                engine.remove(slot);
                self.origins.remove(slot);
            }
            Call::Reparent(slot, parent) => engine.reparent(slot, parent),
            Call::ChangeMode(slot, mode) => engine.change_mode(slot, mode),
            Call::Pin(slot, pinned) => engine.pin(slot, pinned),
            Call::Pause(paused) => engine.pause(paused),
            Call::SetSettings(settings) => engine.set_settings(settings),
            Call::Reconfigure {
                slot,
                policy,
                entitlement,
                bounds,
                name,
            } => {
                engine.reconfigure(slot, policy, entitlement, bounds);
                self.origins.rename(slot, &name);
            }
        }
        Ok(())
    }
}
