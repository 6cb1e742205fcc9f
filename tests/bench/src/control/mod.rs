//! Policies beside each other on the simulated node: what they held, and how late work was.

pub(crate) mod cells;
mod judge;
mod packing;
mod sources;
mod stability;
mod sweep;
mod threads;

pub(crate) use judge::{Args, run};
