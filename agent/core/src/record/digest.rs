//! What the engine has said, in four bytes.

use super::bytes::put_value;
use super::encoder::Unencodable;
use serde::Serialize;

/// CRC-32 (IEEE) of everything that came out since the last tick, in `postcard`'s encoding. Two
/// answers that differ have the same digest once in four billion times; decisions are kept in full.
#[derive(Clone, Debug, Default)]
pub struct Digest {
    crc: crc32fast::Hasher,
    buffer: Vec<u8>,
}

impl Digest {
    /// Takes an answer in.
    ///
    /// # Errors
    /// It cannot be encoded.
    pub fn hear<T: Serialize>(&mut self, answer: &T) -> Result<(), Unencodable> {
        self.buffer.clear();
        put_value(&mut self.buffer, answer)?;
        self.crc.update(&self.buffer);
        Ok(())
    }

    /// The digest, and begins anew.
    pub fn take(&mut self) -> u32 {
        std::mem::take(&mut self.crc).finalize()
    }
}
