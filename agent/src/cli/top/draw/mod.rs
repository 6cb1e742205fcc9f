//! From the state to a frame.

mod change;
mod chart;
mod columns;
mod details;
mod distributions;
mod footer;
mod help;
mod look;
mod node;
mod number;
mod screen;
mod table;

pub(super) use look::Look;
pub(super) use screen::{all, screen};
