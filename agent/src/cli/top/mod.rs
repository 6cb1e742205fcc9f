//! `trimtab top`: what waits, what is throttled, who pays for whom, and what was just done about it, on one screen.
//!
//! `state` and what it is made of know neither terminal nor clock; `draw` makes a frame of it; `interact` and `feed` are the
//! thin shell between the two and the world. Nothing of this runs in the agent.

mod action;
mod changes;
mod draw;
mod feed;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod goldens;
mod history;
mod interact;
mod keys;
mod news;
mod once;
mod order;
mod row;
mod run;
mod scrutiny;
mod state;
#[cfg(test)]
mod state_tests;
#[cfg(test)]
mod svg;

pub(super) use run::{Args, run};
