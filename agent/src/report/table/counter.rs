//! How workloads fare, and what was done to them: everything that only grows.

use trimtab_core::signal::Resource;

use super::row;
use crate::{
    api::view::Pressure,
    report::{
        Count,
        Kind::{Counter, Histogram},
        Metric, Points, Read, Subject, Unit, Waits,
        totals::VERDICTS,
    },
};

macro_rules! count {
    ($count:ident) => {
        Read::Workload(|subject, points| {
            points.number(&[], subject.totals.get(Count::$count));
        })
    };
}

macro_rules! waits {
    ($waits:ident) => {
        Read::Workload(|subject, points| {
            points.histogram(subject.totals.histogram(Waits::$waits));
        })
    };
}

pub(super) const METRICS: &[Metric] = &[
    row(
        Counter,
        "trimtab.workload.cpu.time",
        Unit::Seconds,
        count!(CpuTime),
        "`cpu.stat`, `cpuacct.usage`",
        "CPU time used.",
    ),
    row(
        Counter,
        "trimtab.workload.cpu.throttled.time",
        Unit::Seconds,
        count!(Throttled),
        "`cpu.stat`",
        "Time throttled by the CPU quota, as the kernel counts it.",
    ),
    row(
        Counter,
        "trimtab.workload.cpu.periods",
        Unit::Count("{period}"),
        count!(Periods),
        "`cpu.stat`",
        "Periods of the CPU quota in which something was to run.",
    ),
    row(
        Counter,
        "trimtab.workload.cpu.throttled.periods",
        Unit::Count("{period}"),
        count!(ThrottledPeriods),
        "`cpu.stat`",
        "Periods of the CPU quota that were throttled.",
    ),
    row(
        Histogram,
        "trimtab.workload.cpu.waiting",
        Unit::Seconds,
        waits!(Behind),
        "the probe `runq-latency`",
        "Waits of tasks for a CPU, behind other tasks.",
    ),
    row(
        Histogram,
        "trimtab.workload.cpu.throttled.waiting",
        Unit::Seconds,
        waits!(Throttled),
        "the probe `runq-latency`",
        "Waits of tasks for a CPU during which they were throttled.",
    ),
    row(
        Counter,
        "trimtab.workload.stall.time",
        Unit::Seconds,
        Read::Workload(stalls),
        "PSI: `cpu.pressure`, `memory.pressure`, `io.pressure`",
        "Time that some or all tasks stalled, since the group was made; of workloads that are told by name.",
    )
    .by(&["trimtab.resource", "trimtab.stall"]),
    row(
        Counter,
        "trimtab.workload.memory.oom_kills",
        Unit::Count("{process}"),
        count!(OomKills),
        "`memory.events`, `memory.oom_control`",
        "Processes that the OOM killer took, where memory is managed.",
    ),
    row(
        Counter,
        "trimtab.workload.memory.over_high",
        Unit::Count("{event}"),
        count!(OverHigh),
        "`memory.events`",
        "Times that memory use went over memory.high, where memory is managed.",
    ),
    row(
        Counter,
        "trimtab.workload.memory.at_max",
        Unit::Count("{event}"),
        count!(AtMax),
        "`memory.events`, `memory.failcnt`",
        "Times that memory use was about to go over the hard limit, where memory is managed.",
    ),
    row(
        Histogram,
        "trimtab.workload.tcp.request.duration",
        Unit::Seconds,
        waits!(Requests),
        "the probe `tcp-latency`",
        "Requests to TCP servers, from the first byte of one to the first byte of its answer.",
    ),
    row(
        Counter,
        "trimtab.workload.tcp.received",
        Unit::Bytes,
        count!(BytesIn),
        "the probe `tcp-latency`",
        "Bytes that TCP servers read from connections that they accepted.",
    ),
    row(
        Counter,
        "trimtab.workload.tcp.sent",
        Unit::Bytes,
        count!(BytesOut),
        "the probe `tcp-latency`",
        "Bytes that TCP servers sent on connections that they accepted.",
    ),
    row(
        Counter,
        "trimtab.workload.lifts",
        Unit::Count("{change}"),
        count!(Lifts),
        "the journal",
        "Limits raised, by the fast loop and the slow one.",
    ),
    row(
        Counter,
        "trimtab.workload.trims",
        Unit::Count("{change}"),
        count!(Trims),
        "the journal",
        "Limits lowered.",
    ),
    row(
        Counter,
        "trimtab.workload.undone",
        Unit::Count("{change}"),
        count!(Undone),
        "the journal",
        "Lifts that took a trim back because it hurt; they count as lifts, too.",
    ),
    row(
        Counter,
        "trimtab.workload.denials",
        Unit::Count("{event}"),
        count!(Denials),
        "the fast loop",
        "Lifts refused.",
    ),
    row(
        Counter,
        "trimtab.workload.foreign_writes",
        Unit::Count("{event}"),
        count!(ForeignWrites),
        "the journal",
        "Limits that somebody else wrote.",
    ),
    row(
        Counter,
        "trimtab.workload.verdicts",
        Unit::Count("{change}"),
        Read::Workload(verdicts),
        "the journal",
        "What became of changes of limits.",
    )
    .by(&["trimtab.resource", "trimtab.verdict"]),
];

fn verdicts(subject: &Subject, points: &mut Points) {
    for resource in Resource::ALL {
        let counts = subject.totals.verdicts(resource.index());
        for (verdict, count) in VERDICTS.iter().zip(counts) {
            points.number(&[word(resource), verdict], count);
        }
    }
}

fn stalls(subject: &Subject, points: &mut Points) {
    let stalls = &subject.stalls;
    pressure("cpu", stalls.cpu.as_ref(), points);
    pressure("memory", stalls.memory.as_ref(), points);
    pressure("io", stalls.io.as_ref(), points);
}

/// For how long some task stalled on a resource, and for how long all.
pub(super) fn pressure(resource: &str, pressure: Option<&Pressure>, points: &mut Points) {
    if let Some(pressure) = pressure {
        points.number(&[resource, "some"], pressure.some_ns);
        points.number(&[resource, "full"], pressure.full_ns);
    }
}

/// A resource's name, as in the journal.
pub(super) const fn word(resource: Resource) -> &'static str {
    match resource {
        Resource::Cpu => "cpu",
        Resource::Memory => "memory",
    }
}
