//! The fast threads: they wait on the kernel's events, spend, and write.
//!
//! There is one for each CPU, so that an event is acted on where it was raised, and one for the
//! slow loop's words. They take turns with all there is: every envelope, every pool, every direct
//! lever. All that is needed was allocated before, so nothing is allocated; an event carries the
//! slot of its workload, so nothing is searched.

mod echo;
mod loans;
mod memory;
mod message;
mod priority;
mod spawn;
mod stats;
mod table;
mod thread;
mod wait;

pub use message::{Command, Report, SlowEnd, channel};
pub use priority::{Got, Priority};
pub use spawn::{Fast, Handle, Threads, cpus, spawn};
pub use stats::{Stats, Summary, quantile};
pub use table::Entry;
