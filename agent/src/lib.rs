//! Trimtab: the shell around the pure decision core.
//!
//! Data flows one way: `probe` and `sense` read the kernel, `trimtab_core` decides, `act` writes
//! through whoever owns the limit, and `api` and `cli` read the journal and the latest snapshot.

pub mod act;
#[cfg(test)]
mod allocations;
pub mod api;
pub mod cli;
pub mod config;
pub mod fast;
mod grpc;
pub mod identity;
pub mod journal;
pub mod probe;
pub mod record;
pub mod replay;
pub mod report;
pub mod run;
pub mod sense;
pub mod tune;
