//! Whose cgroup is it: systemd unit, container, pod.
//!
//! Told from the path alone, so it costs nothing and needs no permission; richer sources may
//! refine it later. systemd says that its mapping from units to paths is not public interface:
//! what is told here names a workload, and decides only that others' groups are left alone.

pub mod container;
pub mod path;
#[cfg(test)]
mod path_tests;
pub mod unit;
