//! What we are compared with: the laws that people would use instead, one file each, each behind the same
//! [`Controller`](crate::node::Controller) as our own engine.
//!
//! Where the original calculates in floating point, so do these, in the same order, with no function
//! beyond `exp2`, `ln`, `powf` and `sqrt`; what they order and what they hold are integers.

pub mod autopilot;
pub mod captain;
pub mod choose;
pub mod histogram;
pub mod k8s_cpu;
pub mod koordinator;
pub mod senpai;
pub mod static_limits;
pub mod threshold;
pub mod vpa;

mod autothrottle;
mod declared;
mod number;

pub use choose::{Baseline, Unknown, all, named};
