//! What can be wrong with a recording.

use super::segment::VERSION;

/// Why a segment cannot be read, or not on from some place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It begins with something else.
    #[error("this is no recording: it does not begin with `trimrec`")]
    Foreign,
    /// Another version wrote it.
    #[error(
        "byte 8: the format's version is {0}, and this program reads {known} only; use the program that recorded it",
        known = VERSION
    )]
    Version(u16),
    /// The header's checksum does not match, or it is too short.
    #[error("byte 8: the header is damaged or incomplete")]
    Header,
    /// A checksum does not match, and it is not the end.
    #[error("byte {0}: the frame is damaged: its checksum does not match")]
    Damaged(usize),
    /// The checksum matches, but the content makes no sense.
    #[error("byte {0}: the frame is complete but cannot be understood: {1}")]
    Malformed(usize, &'static str),
}
