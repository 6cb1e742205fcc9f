//! From frames to calls.

use super::bytes::Bytes;
use super::call::{Item, Ticked};
use super::delta::{DECISIONS, Last};
use super::encoder::{CALL, KEY, TICK};
use super::fault::Fault;

/// Reads the frames of one segment, in order.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    last: Last,
    begun: bool,
}

impl Decoder {
    /// A decoder at a segment's beginning.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends the items of a frame that was found at `offset`.
    ///
    /// # Errors
    /// [`Fault::Malformed`].
    pub fn decode(
        &mut self,
        offset: usize,
        payload: &[u8],
        items: &mut Vec<Item>,
    ) -> Result<(), Fault> {
        let mut bytes = Bytes(payload);
        while let Some(kind) = bytes.byte() {
            let item = match kind {
                KEY if !self.begun => self.key(&mut bytes).ok_or("the engine's state"),
                CALL if self.begun => bytes.value().map(Item::Call).ok_or("a call"),
                TICK if self.begun => self.tick(&mut bytes).ok_or("a tick"),
                _ if !self.begun => Err("a segment begins with the engine's state"),
                _ => Err("an unknown kind of item"),
            };
            items.push(item.map_err(|what| Fault::Malformed(offset, what))?);
        }
        Ok(())
    }

    fn key(&mut self, bytes: &mut Bytes<'_>) -> Option<Item> {
        let key: Box<super::Key> = bytes.value()?;
        if !key.engine.is_sound() {
            return None;
        }
        self.last.reset();
        self.begun = true;
        Some(Item::Key(key))
    }

    fn tick(&mut self, bytes: &mut Bytes<'_>) -> Option<Item> {
        let (flags, now, snapshot) = self.last.get(bytes)?;
        let mut digest = [0; 4];
        for place in &mut digest {
            *place = bytes.byte()?;
        }
        let decisions = if flags & DECISIONS == 0 {
            Vec::new()
        } else {
            bytes.value()?
        };
        Some(Item::Tick(Box::new(Ticked {
            now,
            snapshot,
            digest: u32::from_le_bytes(digest),
            decisions,
        })))
    }
}
