//! The simulated node: hand-computed cases, and properties that hold for all.

mod bandwidth;
mod control;
mod giving;
mod memory;
mod own;
mod properties;
mod queue;
mod slo;
mod support;
mod tree;
mod weight;
