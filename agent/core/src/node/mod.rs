//! The simulated node: workloads under limits, as the kernel would treat them, in exact integer time.
//!
//! Data flows in a circle, and time is an argument everywhere: a [`Controller`] looks at what the
//! kernel would have counted, and orders [`Write`]s, which take effect when its own delay has passed.
//!
//! Work flows like a liquid between events, and events are found at their exact nanosecond: a pool that
//! runs dry, a request that is done, a limit that is reached. Work is counted in micro-CPU nanoseconds,
//! so no rounding is ever lost, and a run that is cut in two ends where the whole one does.

mod arrivals;
mod calendar;
pub mod controller;
mod cpu;
mod load;
mod memory;
pub mod meter;
mod microbursts;
mod mix;
#[expect(
    clippy::module_inception,
    reason = "the simulated node is what this module is named for"
)]
mod node;
mod orders;
mod own;
mod queue;
mod setup;
mod shape;
mod share;
mod slices;
mod state;
mod tree;
mod turn;
mod work;

pub use arrivals::{Arrivals, Service};
pub use controller::{Controller, CpuSeen, MemorySeen, NodeSeen, RequestsSeen, Seen, Write};
pub use load::Demand;
pub use memory::{MemoryDemand, MemoryStep};
pub use meter::Meter;
pub use microbursts::Microbursts;
pub use mix::Mix;
pub use node::{Happened, Node};
pub use own::{Own, Trimtab};
pub use setup::{Setup, Workload};
pub use shape::Shape;
