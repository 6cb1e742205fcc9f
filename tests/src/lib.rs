//! The harness of the end-to-end tests: groups, processes and agents that clean up after themselves.
//!
//! Everything returns `anyhow::Result`, so that a test is a function with `?` whose failure says what was tried on which path.

pub mod agent;
pub mod answer;
pub mod burst;
pub mod containerd;
pub mod disk;
mod files;
pub mod group;
pub mod hierarchy;
mod image;
mod limit;
pub mod nvml;
pub mod podman;
pub mod process;
pub mod scheduling;
pub mod scrape;
pub mod skip;
pub mod systemd;
pub mod tracing;
mod tree;
pub mod wait;

pub use agent::Agent;
pub use answer::Answer;
pub use burst::Burst;
pub use containerd::{Containerd, Pod};
pub use disk::disk;
pub use group::{CpuStat, Group};
pub use hierarchy::{Hierarchies, Version};
pub use nvml::Nvml;
pub use podman::Podman;
pub use process::{Process, hear_interrupts, lab_bin, trimtab_bin};
pub use scheduling::{Scheduling, new_session, real_time};
pub use scrape::{free_address, scrape};
pub use skip::skip;
pub use systemd::Systemd;
pub use tracing::{Traced, Tracing};
pub use wait::eventually;
