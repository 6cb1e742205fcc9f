//! From frames to calls.

use super::bytes::Bytes;
use super::call::{Call, Item, Ticked};
use super::delta::{DECISIONS, Last};
use super::encoder::{CALL, KEY, SPEND_CPU, SPEND_MEMORY, TICK};
use super::fault::Fault;
use super::spends::Spends;
use crate::decide::Record;
use crate::signal::Resource;

/// Reads the frames of one segment, in order.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    last: Last,
    spends: Spends,
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
                SPEND_CPU if self.begun => self.spend(&mut bytes, Resource::Cpu),
                SPEND_MEMORY if self.begun => self.spend(&mut bytes, Resource::Memory),
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
        self.spends.reset();
        self.begun = true;
        Some(Item::Key(key))
    }

    fn spend(&mut self, bytes: &mut Bytes<'_>, resource: Resource) -> Result<Item, &'static str> {
        let spend = self.spends.get(bytes, resource).ok_or("a spend")?;
        Ok(Item::Call(Call::Record(Record::Spend(spend))))
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
