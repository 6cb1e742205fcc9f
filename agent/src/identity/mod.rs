//! Whose cgroup is it: systemd unit, container, pod.
//!
//! First told from the path alone, which costs nothing and needs no permission. systemd says that
//! its mapping from units to paths is not public interface: what a path tells names a workload, and
//! decides that others' groups are left alone. Then, on a thread of their own, sources are asked
//! that know more: systemd, container runtimes.

pub mod container;
mod desk;
pub mod known;
pub mod path;
#[cfg(test)]
mod path_tests;
pub mod runtime;
pub mod source;
pub mod unit;
pub mod watch;
#[cfg(test)]
mod watch_tests;
