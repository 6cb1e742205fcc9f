//! Reads a segment, item by item: it may be much larger in memory than on disk.

use std::{
    fs::{self, File},
    io::Read as _,
    path::Path,
};

use trimtab_core::record::{Decoder, Header, Item, Next, Segment};

use super::directory::RecordError;

/// A header is much shorter.
const HEADER: u64 = 4096;

/// Reads a segment's header, and nothing else of it.
///
/// # Errors
/// It cannot be read, or is no header.
pub fn header(path: &Path) -> Result<Header, RecordError> {
    let mut start = Vec::new();
    File::open(path)
        .and_then(|file| file.take(HEADER).read_to_end(&mut start))
        .map_err(RecordError::os("read", path))?;
    let segment = Segment::open(&start).map_err(|fault| RecordError::Fault {
        path: path.to_owned(),
        fault,
    })?;
    Ok(segment.header)
}

/// How a segment ended.
#[derive(Clone, Debug)]
pub struct End {
    /// Its header.
    pub header: Header,
    /// Its size.
    pub bytes: usize,
    /// Bytes at its end that are no whole frame: it is being written, or whoever wrote it was stopped.
    pub torn: usize,
}

/// Reads a segment and passes its items on.
///
/// # Errors
/// It cannot be read, or it is damaged; what came before has been passed on. Or what `each` says.
pub fn read<E: From<RecordError>>(
    path: &Path,
    mut each: impl FnMut(&Header, Item) -> Result<(), E>,
) -> Result<End, E> {
    let bytes = fs::read(path).map_err(RecordError::os("read", path))?;
    let fault = |fault| RecordError::Fault {
        path: path.to_owned(),
        fault,
    };
    let mut segment = Segment::open(&bytes).map_err(fault)?;
    let mut decoder = Decoder::new();
    let mut items = Vec::new();
    let torn = loop {
        match segment.read().map_err(fault)? {
            Next::Frame { offset, payload } => {
                let result = decoder.decode(offset, payload, &mut items);
                for item in items.drain(..) {
                    each(&segment.header, item)?;
                }
                result.map_err(fault)?;
            }
            Next::End => break 0,
            Next::Torn { length, .. } => break length,
        }
    };
    Ok(End {
        header: segment.header,
        bytes: bytes.len(),
        torn,
    })
}
