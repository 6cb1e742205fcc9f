//! The agent's rolling recording: what the slow loop told its engine, in files of bounded size.
//!
//! [`Recorder`] is the only road to the engine, so that nothing can be forgotten. What goes into a
//! file, and how, is the core's: `trimtab_core::record`.

mod directory;
mod reader;
mod recorder;
mod rules;
mod state;
mod tape;
mod writer;
#[cfg(test)]
mod writer_tests;

pub use directory::{RecordError, SegmentFile, segments};
pub use reader::{End, header, read};
pub use recorder::Recorder;
pub use rules::Configured;
pub use state::{Standing, State};
pub use tape::Tape;
