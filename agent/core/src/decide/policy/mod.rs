//! How limits follow need: one file per policy. A policy proposes, the guardrails dispose.

mod headroom;
mod memory;
mod predictive;
mod propose;
mod slo;
#[cfg(test)]
mod testing;
mod threshold;
mod types;

pub(super) use propose::propose;
pub(super) use types::{Basis, Cut, Memory, Need, Proposal};
