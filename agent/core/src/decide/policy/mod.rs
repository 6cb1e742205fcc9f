//! How limits follow need: one file per policy. A policy proposes, the guardrails dispose.

pub(super) mod headroom;
pub(super) mod threshold;
mod types;

pub(super) use types::{Basis, Cut, Memory, Need, Proposal, propose};
