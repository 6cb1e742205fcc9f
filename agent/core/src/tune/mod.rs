//! A search for parameters by several goals at once: an evolutionary algorithm over a grid.
//!
//! It knows nothing of policies: a [`Point`] is a position on each of some axes, and what it costs is told to
//! it. Everything is integers and a seed, so that a search can be repeated to the bit on any machine.

mod pareto;
mod search;

pub use pareto::{dominates, front, knee, thin};
pub use search::{Costs, Point, Search};
