//! Numbers of variable length: seven bits to a byte, low ones first (LEB128), signed ones zigzag.

use serde::{Serialize, de::DeserializeOwned};

/// Appends a number.
pub(super) fn put(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let low = value.to_le_bytes()[0] & 0x7f;
        value >>= 7;
        if value == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

/// Appends the way from one number to another: small in either direction is short.
pub(super) fn put_change(out: &mut Vec<u8>, from: u64, to: u64) {
    put(out, zigzag(to.wrapping_sub(from).cast_signed()));
}

/// The same for bytes of memory, which mostly come in pages: one more than the pages, or 0 and the
/// bytes.
pub(super) fn put_pages(out: &mut Vec<u8>, from: u64, to: u64) {
    let change = to.wrapping_sub(from).cast_signed();
    if change % PAGE == 0 {
        put(out, zigzag(change / PAGE) + 1);
    } else {
        put(out, 0);
        put(out, zigzag(change));
    }
}

/// Appends a value that comes seldom.
pub(super) fn put_value<T: Serialize>(out: &mut Vec<u8>, value: &T) -> Result<(), postcard::Error> {
    postcard::serialize_with_flavor(value, Appending(out))
}

const PAGE: i64 = 4096;

const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

const fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
}

/// Lets `postcard` append to a buffer that is used again and again.
struct Appending<'a>(&'a mut Vec<u8>);

impl postcard::ser_flavors::Flavor for Appending<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// What is still to be read; `None` from any of its functions means that it is not what it should
/// be.
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl Bytes<'_> {
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            // The tenth byte has room for one bit.
            if shift == 63 && bits > 1 {
                return None;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    pub(super) fn change(&mut self, from: u64) -> Option<u64> {
        let change = unzigzag(self.number()?);
        Some(from.wrapping_add(change.cast_unsigned()))
    }

    pub(super) fn pages(&mut self, from: u64) -> Option<u64> {
        match self.number()?.checked_sub(1) {
            None => self.change(from),
            Some(pages) => {
                let change = unzigzag(pages).checked_mul(PAGE)?;
                Some(from.wrapping_add(change.cast_unsigned()))
            }
        }
    }

    pub(super) fn value<T: DeserializeOwned>(&mut self) -> Option<T> {
        let (value, rest) = postcard::take_from_bytes(self.0).ok()?;
        self.0 = rest;
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_come_back(from: u64, to: u64) {
            let mut out = Vec::new();
            put(&mut out, to);
            put_change(&mut out, from, to);
            put_pages(&mut out, from, to);
            put_pages(&mut out, from & !4095, to & !4095);
            let mut bytes = Bytes(&out);
            prop_assert_eq!(bytes.number(), Some(to));
            prop_assert_eq!(bytes.change(from), Some(to));
            prop_assert_eq!(bytes.pages(from), Some(to));
            prop_assert_eq!(bytes.pages(from & !4095), Some(to & !4095));
            prop_assert_eq!(bytes.number(), None);
        }
    }

    #[test]
    fn a_number_that_is_too_long_is_none() {
        assert_eq!(Bytes(&[0xff; 20]).number(), None);
        let mut greatest = [0xff; 10];
        greatest[9] = 1;
        assert_eq!(Bytes(&greatest).number(), Some(u64::MAX));
        greatest[9] = 2;
        assert_eq!(Bytes(&greatest).number(), None);
    }

    #[test]
    fn small_changes_are_short() {
        let length = |from, to| {
            let mut out = Vec::new();
            put_pages(&mut out, from, to);
            out.len()
        };
        assert_eq!(length(10 << 20, (10 << 20) + 20 * 4096), 1);
        assert_eq!(length(10 << 20, (10 << 20) - 20 * 4096), 1);
        assert_eq!(length(10 << 20, u64::MAX), 5);
    }
}
