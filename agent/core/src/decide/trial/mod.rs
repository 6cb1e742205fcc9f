//! Feedback: every change of a limit opens a trial. What the workload's signals were before it is
//! held against what they are after it, and a verdict says what the change has done.
//!
//! What is judged, by which statistics, and what cannot be told, stands in `docs/ARCHITECTURE.md`.

mod evidence;
mod feedback;
mod judge;
pub mod outcome;
mod sentence;
mod signals;
#[cfg(test)]
mod tests;
mod trials;

pub use outcome::{Ground, Outcome, Signals, Verdict};
pub(super) use signals::Seen;
pub(super) use trials::Trials;
