//! Limits of workloads, and what they use.

use trimtab_core::signal::Resource::{self, Cpu, Memory};

use super::row;
use crate::report::{
    Gauge::{self, Ceiling, Floor, Lent, Limit, Original, Target, Used},
    Kind::{Gauge as Level, UpDownCounter},
    Metric, Points, Read, Subject, Unit,
};

/// One of a resource's numbers that go up and down.
fn told(subject: &Subject, resource: Resource, gauge: Gauge, points: &mut Points) {
    points.number(&[], subject.gauge(resource, gauge));
}

macro_rules! of {
    ($resource:expr, $gauge:expr) => {
        Read::Workload(|subject, points| told(subject, $resource, $gauge, points))
    };
}

pub(super) const METRICS: &[Metric] = &[
    row(
        Level,
        "trimtab.workload.cpu.usage",
        Unit::Cpus,
        of!(Cpu, Used),
        "`cpu.stat`, `cpuacct.usage`",
        "CPU that the workload used in the last tick.",
    ),
    row(
        UpDownCounter,
        "trimtab.workload.cpu.limit",
        Unit::Cpus,
        of!(Cpu, Limit),
        "`cpu.max`, `cpu.cfs_quota_us`",
        "The CPU limit that the kernel holds; absent where there is none.",
    ),
    row(
        UpDownCounter,
        "trimtab.workload.cpu.original",
        Unit::Cpus,
        of!(Cpu, Original),
        "the same, at adoption",
        "The CPU limit that the owner set, which comes back when the agent goes; absent where there was none.",
    ),
    row(
        UpDownCounter,
        "trimtab.workload.cpu.floor",
        Unit::Cpus,
        of!(Cpu, Floor),
        "configuration",
        "The least CPU limit that the policy allows.",
    ),
    row(
        UpDownCounter,
        "trimtab.workload.cpu.target",
        Unit::Cpus,
        of!(Cpu, Target),
        "the slow loop",
        "The CPU limit that the policy last decided on, whether or not it is written.",
    ),
    row(
        UpDownCounter,
        "trimtab.workload.cpu.ceiling",
        Unit::Cpus,
        of!(Cpu, Ceiling),
        "configuration",
        "The highest CPU limit to which the fast loop may go.",
    ),
    row(
        UpDownCounter,
        "trimtab.workload.cpu.lent",
        Unit::Cpus,
        of!(Cpu, Lent),
        "the slow loop",
        "What of the CPU limit is lent from the pool of the node.",
    ),
    row(
        UpDownCounter,
        "trimtab.workload.memory.usage",
        Unit::Bytes,
        of!(Memory, Used),
        "`memory.current`, `memory.usage_in_bytes`",
        "Memory that the workload holds, page cache included.",
    ),
    row(
        UpDownCounter,
        "trimtab.workload.memory.limit",
        Unit::Bytes,
        of!(Memory, Limit),
        "`memory.high`, `memory.max`, `memory.limit_in_bytes`",
        "The memory limit that the kernel holds; absent where there is none.",
    ),
    row(
        UpDownCounter,
        "trimtab.workload.memory.original",
        Unit::Bytes,
        of!(Memory, Original),
        "the same, at adoption",
        "The memory limit that the owner set, which comes back when the agent goes; absent where there was none.",
    ),
    row(
        UpDownCounter,
        "trimtab.workload.memory.floor",
        Unit::Bytes,
        of!(Memory, Floor),
        "configuration",
        "The least memory limit that the policy allows.",
    ),
    row(
        UpDownCounter,
        "trimtab.workload.memory.target",
        Unit::Bytes,
        of!(Memory, Target),
        "the slow loop",
        "The memory limit that the policy last decided on, whether or not it is written.",
    ),
    row(
        UpDownCounter,
        "trimtab.workload.memory.ceiling",
        Unit::Bytes,
        of!(Memory, Ceiling),
        "configuration",
        "The highest memory limit to which the fast loop may go.",
    ),
    row(
        UpDownCounter,
        "trimtab.workload.memory.lent",
        Unit::Bytes,
        of!(Memory, Lent),
        "the slow loop",
        "What of the memory limit is lent from the pool of the node.",
    ),
];
