//! A segment: header and frames, each with a checksum, so that an end torn by a crash is found.

use super::encoder::Unencodable;
use super::{bytes::put_value, fault::Fault};
use crate::signal::Nanos;
use serde::{Deserialize, Serialize};

/// How every segment begins.
pub const MAGIC: [u8; 8] = *b"trimrec\0";

/// Raised whenever anything that is encoded changes its layout, the engine's state included.
pub const VERSION: u16 = 6;

/// Magic, version, length and checksum of the header.
const PREFIX: usize = 16;

/// Length with its check, and checksum of a frame.
const FRAME: usize = 8;

/// The longest frame, in bytes: the length has three bytes.
const LONGEST: usize = (1 << 24) - 1;

/// Where and when a segment was begun.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The kernel's boot id: monotonic times of different boots cannot be compared.
    pub boot: [u8; 16],
    /// Wall clock in ns since 1970.
    pub unix_ns: u64,
    /// The same moment in `CLOCK_MONOTONIC`.
    pub monotonic: Nanos,
    /// Number of the segment in its directory.
    pub number: u64,
    /// It goes on where the segment before it ended, without a gap.
    pub continues: bool,
    /// The program's version.
    pub program: String,
}

/// Begins a segment.
///
/// # Errors
/// The header cannot be encoded.
pub fn begin(header: &Header, out: &mut Vec<u8>) -> Result<(), Unencodable> {
    let mut content = Vec::new();
    put_value(&mut content, header)?;
    let length = u16::try_from(content.len()).map_err(|_| Unencodable::TooLong)?;
    out.extend_from_slice(&MAGIC);
    let mut crc = crc32fast::Hasher::new();
    for part in [&VERSION.to_le_bytes(), &length.to_le_bytes()] {
        crc.update(part);
        out.extend_from_slice(part);
    }
    crc.update(&content);
    out.extend_from_slice(&crc.finalize().to_le_bytes());
    out.extend_from_slice(&content);
    Ok(())
}

/// Makes room for a frame's prefix.
pub(super) fn open(out: &mut Vec<u8>) {
    out.extend_from_slice(&[0; FRAME]);
}

/// Fills the prefix of the frame that is the whole buffer in.
pub(super) fn close(out: &mut [u8]) -> Result<(), Unencodable> {
    let Some((prefix, payload)) = out.split_at_mut_checked(FRAME) else {
        return Ok(());
    };
    let length = u32::try_from(payload.len()).map_err(|_| Unencodable::TooLong)?;
    if payload.len() > LONGEST {
        return Err(Unencodable::TooLong);
    }
    let [low, middle, high, _] = length.to_le_bytes();
    prefix[..4].copy_from_slice(&[low, middle, high, check([low, middle, high])]);
    prefix[4..].copy_from_slice(&crc32fast::hash(payload).to_le_bytes());
    Ok(())
}

/// One byte that tells a damaged length from one that leads behind the end. Not zero for zeros.
fn check(length: [u8; 3]) -> u8 {
    crc32fast::hash(&length).to_le_bytes()[0]
}

/// A segment that is being read.
#[derive(Clone, Debug)]
pub struct Segment<'a> {
    /// Its header.
    pub header: Header,
    bytes: &'a [u8],
    offset: usize,
}

/// What comes next in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next<'a> {
    /// A frame.
    Frame {
        /// Where it begins.
        offset: usize,
        /// What it holds.
        payload: &'a [u8],
    },
    /// The end, between two frames.
    End,
    /// The end, within a frame: a crash, or it is being written.
    Torn {
        /// Where the incomplete frame begins.
        offset: usize,
        /// How much of it there is.
        length: usize,
    },
}

impl<'a> Segment<'a> {
    /// Reads the header.
    ///
    /// # Errors
    /// [`Fault::Foreign`], [`Fault::Version`], [`Fault::Header`].
    pub fn open(bytes: &'a [u8]) -> Result<Self, Fault> {
        if bytes.len() < MAGIC.len() && MAGIC.starts_with(bytes) {
            return Err(Fault::Header);
        }
        let rest = bytes.strip_prefix(&MAGIC).ok_or(Fault::Foreign)?;
        let [a, b, c, d, crc @ ..] = rest.get(..8).ok_or(Fault::Header)? else {
            return Err(Fault::Header);
        };
        let version = u16::from_le_bytes([*a, *b]);
        if version != VERSION {
            return Err(Fault::Version(version));
        }
        let end = PREFIX + usize::from(u16::from_le_bytes([*c, *d]));
        let content = bytes.get(PREFIX..end).ok_or(Fault::Header)?;
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&rest[..4]);
        hasher.update(content);
        if hasher.finalize().to_le_bytes() != crc {
            return Err(Fault::Header);
        }
        let header = postcard::from_bytes(content).map_err(|_| Fault::Header)?;
        Ok(Self {
            header,
            bytes,
            offset: end,
        })
    }

    /// The next frame.
    ///
    /// # Errors
    /// [`Fault::Damaged`] where a checksum does not match although more follows.
    pub fn read(&mut self) -> Result<Next<'a>, Fault> {
        let offset = self.offset;
        let rest = &self.bytes[offset..];
        let torn = Next::Torn {
            offset,
            length: rest.len(),
        };
        if rest.is_empty() {
            return Ok(Next::End);
        }
        // After a power cut a file may be as long as it was to be, and empty.
        let Some((prefix, rest)) = rest.split_at_checked(FRAME) else {
            return Ok(torn);
        };
        if rest.iter().chain(prefix).all(|byte| *byte == 0) {
            return Ok(torn);
        }
        let length = [prefix[0], prefix[1], prefix[2]];
        if check(length) != prefix[3] {
            return Err(Fault::Damaged(offset));
        }
        let [low, middle, high] = length.map(usize::from);
        let length = low | middle << 8 | high << 16;
        let Some(payload) = rest.get(..length) else {
            return Ok(torn);
        };
        if crc32fast::hash(payload).to_le_bytes() != prefix[4..] {
            let last = rest.len() == length;
            return if last {
                Ok(torn)
            } else {
                Err(Fault::Damaged(offset))
            };
        }
        self.offset = offset + FRAME + length;
        Ok(Next::Frame { offset, payload })
    }
}

/// How many bytes at a segment's end a crash has torn. A damaged frame is not torn: what follows it
/// may still be of use to somebody.
///
/// # Errors
/// What [`Segment::open`] and [`Segment::read`] say.
pub fn cut(bytes: &[u8]) -> Result<usize, Fault> {
    let mut segment = Segment::open(bytes)?;
    loop {
        match segment.read()? {
            Next::Frame { .. } => {}
            Next::End => return Ok(0),
            Next::Torn { length, .. } => return Ok(length),
        }
    }
}
