//! The simulated node: workloads under limits, as the kernel would treat them, in exact integer time.
//!
//! Data flows in a circle, and time is an argument everywhere: a [`Controller`] looks at what the
//! kernel would have counted, and orders [`Write`]s, which take effect when its own delay has passed.

pub mod controller;

pub use controller::{Controller, CpuSeen, MemorySeen, NodeSeen, Seen, Write};
