//! Start-up, the slow loop, shutdown.

mod adopt;
mod adoptions;
mod agent;
mod backend;
mod control;
mod cost;
mod cost_view;
mod energy;
mod energy_view;
pub(crate) mod entry;
pub(crate) mod feedback;
mod follow;
mod gpu_view;
mod gpus;
mod hooks;
mod identities;
mod identity_view;
mod latency;
mod process;
mod record_view;
mod recording;
mod release;
mod reports;
mod rest;
mod room;
mod runtimes;
mod selection;
mod snapshot;
mod stalls;
mod start;
mod tcp;
mod view;
mod why;
mod workload;
mod writes;

pub use hooks::{agent, doctor, restore};
