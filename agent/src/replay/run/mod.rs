//! The runner: each series becomes a workload on a simulated node, once per policy, and is scored.
//!
//! Data flow one way: [`Source`](super::Source)s -> `Input` (series in the order of reading, on nodes) -> workers,
//! which run a `Pack` under a [`Policy`] -> [`Report`]. Scores are sums that can be merged in any order, so what comes
//! out is the same for any number of threads.

mod case;
mod draw;
mod early;
mod input;
mod options;
mod pack;
mod policy;
mod progress;
mod report;
mod requests;
mod state;
mod work;

pub use draw::{Drawing, Mark, Point, draw};
pub use options::{Chosen, Options};
pub use pack::Together;
pub use policy::{Policy, UnknownPolicy};
pub use progress::Progress;
pub use report::{Each, EachNode, Report, SourceReport};
pub use state::{State, StateError};
pub use work::replay;
