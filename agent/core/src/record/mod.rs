//! A recording: every call that the slow loop makes to its engine, and what came out.
//!
//! The engine is deterministic, so that the calls alone bring every decision back; what came out is
//! kept to prove it. Nothing here reads or writes a file: bytes are arguments. The format is
//! described in docs/RECORDING.md.

mod bytes;
mod call;
mod decoder;
mod delta;
mod difference;
mod digest;
mod encoder;
mod fault;
mod history;
mod mask;
mod origins;
mod replay;
mod segment;
mod spends;

pub use call::{Call, Item, Key, Ticked};
pub use decoder::Decoder;
pub use difference::{Comparison, Difference, Rule, Rules, Stand};
pub use digest::Digest;
pub use encoder::{Encoder, Unencodable};
pub use fault::Fault;
pub use history::{Done, Figures, History, Step};
pub use origins::{Origin, Origins};
pub use replay::{Outcome, Replay};
pub use segment::{Header, MAGIC, Next, Segment, VERSION, begin, cut};
