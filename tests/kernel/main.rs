//! Tests on the running kernel: real eBPF, real cgroups, real processes.

mod budget;
mod burst;
mod churn;
mod control;
mod delay;
mod energy;
mod foreign;
mod gpu;
mod gpu_sense;
mod hierarchy;
mod memory;
mod pool;
mod probe_cgroups;
mod probe_delay;
mod probe_memory;
mod probe_quota;
mod probe_rings;
mod probe_runq;
mod probe_support;
mod probe_tcp;
mod restore;
mod run;
mod socket;
mod tcp;
mod trust;
mod why;
