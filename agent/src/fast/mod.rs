//! The fast thread: waits on the kernel's events, spends, writes.
//!
//! It owns every envelope, every pool and every direct lever, so it takes no lock; all it needs
//! was allocated before, so it allocates nothing; an event carries the slot of its workload, so it
//! searches nothing.

mod loans;
mod memory;
mod message;
mod priority;
mod pull;
mod spawn;
mod stats;
mod table;
mod thread;

pub use message::{Command, Report, SlowEnd, channel};
pub use priority::{Got, Priority, demote};
pub use spawn::{Fast, Handle, spawn};
pub use stats::{Stats, Summary, quantile};
pub use table::{Entry, MAX_SLOTS};
