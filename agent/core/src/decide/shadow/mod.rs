//! Shadows: a second policy is asked beside a workload's own, about the same signals, and nothing is
//! ever written by it.
//!
//! A shadow keeps a limit of its own, the one that it would hold. It begins where the active one stands
//! and moves by its own proposals, under the same guardrails and the same law of lifts. All that it sees
//! of the engine is a shared reference, so that it cannot change what is decided, and nothing of it is
//! recorded. What it cannot know stands in `docs/ARCHITECTURE.md`.

mod beside;
mod course;
mod limit;
mod shadows;
mod sight;

pub use beside::Beside;
pub use course::Course;
pub use limit::Shadow;
pub use shadows::Shadows;
