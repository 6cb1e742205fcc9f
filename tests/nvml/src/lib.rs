//! A stand-in for NVIDIA's management library: what the agent asks for, and no more.
//!
//! Values and faults come from `script.json` beside the library, which is read when the library is
//! opened and when devices are counted: once per round of questions. Each function does what
//! `nvml.h` says of it, its errors and the versions of its structures included. Nothing here is
//! ever set.

mod answer;
mod device;
mod event;
mod process;
mod script;
mod start;
