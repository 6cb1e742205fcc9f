//! GPUs, through NVIDIA's management library (NVML): devices, MIG instances, processes.
//!
//! A driver may hang for seconds, so it is asked on a thread of its own; the slow loop takes what
//! was last said. That a driver or a device is absent, lost or locked is a state, not an error.

mod device;
mod process;
mod reading;
mod watch;
mod xid;

pub use reading::{Device, DeviceState, Driver, Instance, Process, Reading, Role};
pub use watch::{Heard, PATIENCE, Pace, Watch};
