//! Reading what the kernel keeps in files: one file per source.
//!
//! Descriptors stay open while there are enough of them, every read is one `pread` into a buffer that the caller keeps, and
//! nothing is allocated in steady state. Parsers are pure functions over the bytes read.

pub mod cgroup;
pub mod cpu;
pub mod descriptors;
pub mod energy;
pub mod faults;
pub mod file;
pub mod gpu;
pub mod hierarchy;
pub mod memory;
pub mod node;
pub mod process;
pub mod psi;
pub mod runtime;
pub mod scheduler;
#[cfg(test)]
pub(crate) mod testing;
pub mod tree;
pub mod writes;

#[cfg(test)]
mod cgroup_tests;
#[cfg(test)]
mod tree_tests;
