//! What is out of the ordinary about a workload, for people: never acted upon.
//!
//! [`Watch`] sees what the engine sees, beside it: nothing of what it finds comes back to the engine, so that it
//! cannot move a limit. It adds each tick to the present minute, and once a minute its detectors judge:
//! [`leak`], [`shift`], [`fit`], [`neighbour`] and [`beyond`]. Each keeps a bounded past and says what it finds *now*,
//! with hysteresis; [`Watch`] makes an onset and an end of that. What each looks for, by which law, and what it
//! cannot see: docs/ANOMALIES.md.

pub mod beyond;
pub mod fit;
pub mod found;
pub mod leak;
mod minute;
pub mod neighbour;
mod recent;
mod sentence;
pub mod shift;
pub mod trend;
pub mod watch;

pub use beyond::Hint;
pub use found::{Anomaly, News, Standing};
pub use sentence::Span;
pub use watch::{Around, Watch};
