//! Processes.

use super::all;
use crate::api::{
    proto,
    view::{Process, Processes},
};

impl From<Processes> for proto::ProcessesReply {
    fn from(processes: Processes) -> Self {
        Self {
            monotonic_ns: processes.monotonic_ns,
            processes: all(processes.processes),
            left_out: processes.left_out,
            degraded: processes.degraded,
        }
    }
}

impl From<proto::ProcessesReply> for Processes {
    fn from(processes: proto::ProcessesReply) -> Self {
        Self {
            monotonic_ns: processes.monotonic_ns,
            processes: all(processes.processes),
            left_out: processes.left_out,
            degraded: processes.degraded,
        }
    }
}

impl From<Process> for proto::Process {
    fn from(process: Process) -> Self {
        Self {
            pid: process.pid,
            name: process.name,
            workload: process.workload.unwrap_or_default(),
            cgroup: process.cgroup,
            threads: process.threads,
            started_ns: process.started_ns,
            ran_ns: process.ran_ns,
            waited_ns: process.waited_ns,
            waits: process.waits,
            blocked_ns: process.blocked_ns,
            voluntary_switches: process.voluntary_switches,
            involuntary_switches: process.involuntary_switches,
            minor_faults: process.minor_faults,
            major_faults: process.major_faults,
            io_delay_ns: process.io_delay_ns,
            fault_delay_ns: process.fault_delay_ns,
        }
    }
}

impl From<proto::Process> for Process {
    fn from(process: proto::Process) -> Self {
        Self {
            pid: process.pid,
            name: process.name,
            workload: Some(process.workload).filter(|workload| !workload.is_empty()),
            cgroup: process.cgroup,
            threads: process.threads,
            started_ns: process.started_ns,
            ran_ns: process.ran_ns,
            waited_ns: process.waited_ns,
            waits: process.waits,
            blocked_ns: process.blocked_ns,
            voluntary_switches: process.voluntary_switches,
            involuntary_switches: process.involuntary_switches,
            minor_faults: process.minor_faults,
            major_faults: process.major_faults,
            io_delay_ns: process.io_delay_ns,
            fault_delay_ns: process.fault_delay_ns,
        }
    }
}
