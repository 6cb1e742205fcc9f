//! Limits of units: systemd is told what their groups hold, so that it is the same to both.
//!
//! The kernel's files are written directly, in microseconds, and systemd is told the same value afterwards, in its own
//! time. Until then it holds an older one, which it writes again whenever it sees fit: at `daemon-reload`, or
//! while it is being told. Such an *echo* is ours, and the fast thread puts its own back.

pub mod asker;
pub mod bus;
pub mod drop_in;
pub mod property;
pub(super) mod restore;
