//! Changing limits through whoever owns them, and putting everything back.

pub mod backend;
pub mod cgroupfs;
pub mod deadline;
pub mod entry;
pub mod error;
pub mod files;
pub mod group;
pub mod guardian;
pub mod hard;
pub mod ledger;
pub mod lever;
pub mod limit_file;
pub mod marks;
mod memory;
mod newer;
mod original;
pub mod owner;
pub mod owners;
pub mod restore;
pub mod set;
pub mod systemd;
mod told;
mod v1;

#[cfg(test)]
mod cgroupfs_tests;
#[cfg(test)]
mod group_tests;
#[cfg(test)]
mod guardian_tests;
#[cfg(test)]
mod ledger_tests;
#[cfg(test)]
mod lever_tests;
#[cfg(test)]
mod memory_tests;
#[cfg(test)]
mod restore_tests;
