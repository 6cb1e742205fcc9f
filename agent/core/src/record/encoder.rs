//! From calls to frames.

use super::bytes::put_value;
use super::call::{Call, Key};
use super::delta::{DECISIONS, Last};
use super::digest::Digest;
use super::origins::Origins;
use super::segment;
use super::spends::Spends;
use crate::decide::{Engine, Record, Tick};
use crate::signal::{Nanos, Resource};
use crate::snapshot::Snapshot;
use serde::Serialize;

/// What an item begins with.
pub(super) const KEY: u8 = 0;
pub(super) const CALL: u8 = 1;
pub(super) const TICK: u8 = 2;
pub(super) const SPEND_CPU: u8 = 3;
pub(super) const SPEND_MEMORY: u8 = 4;

/// Something that does not fit into a recording.
#[derive(Debug, thiserror::Error)]
pub enum Unencodable {
    /// The encoding has no form for it.
    #[error("a call cannot be encoded: {0}")]
    Value(#[from] postcard::Error),
    /// More than a frame or a header may hold.
    #[error("a frame would have more than 16 MiB")]
    TooLong,
}

/// Collects items into a frame: everything since the last tick, and the tick. A frame is whole or not
/// there, so that a recording always ends with a tick.
#[derive(Clone, Debug, Default)]
pub struct Encoder {
    frame: Vec<u8>,
    last: Last,
    spends: Spends,
    digest: Digest,
}

impl Encoder {
    /// An encoder at a segment's beginning.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins a segment: the state from which it goes on. What was not yet in a finished frame is
    /// part of that state.
    ///
    /// # Errors
    /// It cannot be encoded.
    pub fn key(&mut self, engine: &Engine, origins: &Origins) -> Result<(), Unencodable> {
        self.frame.clear();
        self.last.reset();
        self.spends.reset();
        self.digest.take();
        put_value(self.item(KEY), &Key { engine, origins })?;
        Ok(())
    }

    /// A call.
    ///
    /// # Errors
    /// It cannot be encoded.
    pub fn call(&mut self, call: &Call) -> Result<(), Unencodable> {
        if let Call::Record(Record::Spend(spend)) = call {
            self.item(match spend.event.resource {
                Resource::Cpu => SPEND_CPU,
                Resource::Memory => SPEND_MEMORY,
            });
            self.spends.put(&mut self.frame, spend);
        } else {
            put_value(self.item(CALL), call)?;
        }
        Ok(())
    }

    /// What a call was answered.
    ///
    /// # Errors
    /// It cannot be encoded.
    pub fn answer<T: Serialize>(&mut self, answer: &T) -> Result<(), Unencodable> {
        self.digest.hear(answer)
    }

    /// A tick, which ends a frame.
    ///
    /// # Errors
    /// It cannot be encoded.
    pub fn tick(
        &mut self,
        now: Nanos,
        snapshot: &Snapshot,
        tick: &Tick,
    ) -> Result<(), Unencodable> {
        self.digest.hear(tick)?;
        let digest = self.digest.take();
        let flags = if tick.decisions.is_empty() {
            0
        } else {
            DECISIONS
        };
        self.item(TICK);
        self.last.put(&mut self.frame, now, snapshot, flags);
        self.frame.extend_from_slice(&digest.to_le_bytes());
        if flags != 0 {
            put_value(&mut self.frame, &tick.decisions)?;
        }
        Ok(())
    }

    /// Swaps the frame for an empty buffer, which may have room from before.
    ///
    /// # Errors
    /// [`Unencodable::TooLong`].
    pub fn finish(&mut self, frame: &mut Vec<u8>) -> Result<(), Unencodable> {
        segment::close(&mut self.frame)?;
        frame.clear();
        std::mem::swap(&mut self.frame, frame);
        Ok(())
    }

    /// Begins an item.
    fn item(&mut self, kind: u8) -> &mut Vec<u8> {
        if self.frame.is_empty() {
            segment::open(&mut self.frame);
        }
        self.frame.push(kind);
        &mut self.frame
    }
}
