//! The agent itself: what it is, what it takes, what it may.

use super::row;
use crate::report::{
    Kind::{Counter, Gauge, Info, UpDownCounter},
    Metric, Read, Unit,
};

pub(super) const TARGET: &[Metric] = &[row(
    Info,
    "target",
    Unit::None,
    Read::Node(|sample, points| {
        points.number(&["trimtab", &sample.status.version, &sample.host], 1_u64);
    }),
    "the agent",
    "The agent and its node: what OpenTelemetry has as the resource.",
)
.by(&["service.name", "service.version", "host.name"])];

pub(super) const METRICS: &[Metric] = &[
    row(
        Counter,
        "process.cpu.time",
        Unit::Seconds,
        Read::Node(|sample, points| points.number(&[], sample.status.cpu_time_ns)),
        "the kernel",
        "CPU time that the threads of the agent have used.",
    ),
    row(
        UpDownCounter,
        "process.memory.usage",
        Unit::Bytes,
        Read::Node(|sample, points| points.number(&[], sample.status.resident_bytes)),
        "the kernel",
        "Memory that the agent holds, without its guardian.",
    ),
    row(
        Gauge,
        "process.uptime",
        Unit::Seconds,
        Read::Node(|sample, points| points.number(&[], sample.status.uptime_ns)),
        "the agent",
        "For how long the agent has run.",
    ),
    row(
        UpDownCounter,
        "trimtab.guardian.memory.usage",
        Unit::Bytes,
        Read::Node(|sample, points| points.number(&[], sample.status.cost.guardian_bytes)),
        "the kernel",
        "Memory that the guardian of the agent holds.",
    ),
    row(
        Gauge,
        "trimtab.agent.cpu.usage",
        Unit::Cpus,
        Read::Node(|sample, points| points.number(&[], sample.status.cost.cpu_micro_cpus)),
        "the kernel",
        "CPU that the threads of the agent took over the last ten seconds or so.",
    ),
    row(
        Gauge,
        "trimtab.agent.cpu.budget",
        Unit::Cpus,
        Read::Node(|sample, points| points.number(&[], sample.status.cost.budget_micro_cpus)),
        "configuration",
        "CPU that the agent and its probes may take together.",
    ),
    row(
        Gauge,
        "trimtab.agent.memory.budget",
        Unit::Bytes,
        Read::Node(|sample, points| points.number(&[], sample.status.cost.budget_bytes)),
        "configuration",
        "Memory that the agent and the maps of its probes may take together.",
    ),
    row(
        Gauge,
        "trimtab.agent.over_budget",
        Unit::None,
        Read::Node(|sample, points| {
            let cost = &sample.status.cost;
            points.number(&["cpu"], u64::from(cost.over_cpu));
            points.number(&["memory"], u64::from(cost.over_memory));
        }),
        "the agent",
        "1 while the agent has taken more than its budget for a while.",
    )
    .by(&["trimtab.resource"]),
    row(
        Gauge,
        "trimtab.agent.tick.duration",
        Unit::Seconds,
        Read::Node(|sample, points| points.number(&[], sample.status.cost.tick_ns)),
        "the slow loop",
        "How long the last tick took.",
    ),
    row(
        Gauge,
        "trimtab.agent.tick.longest",
        Unit::Seconds,
        Read::Node(|sample, points| points.number(&[], sample.status.cost.longest_tick_ns)),
        "the slow loop",
        "How long the longest tick took since the start.",
    ),
    row(
        Gauge,
        "trimtab.agent.scrape.duration",
        Unit::Seconds,
        Read::Node(|sample, points| points.number(&[], sample.held_ns)),
        "the slow loop",
        "For how long the slow loop was held up while these metrics were taken.",
    ),
    row(
        Counter,
        "trimtab.agent.journal.entries",
        Unit::Count("{entry}"),
        Read::Node(|sample, points| points.number(&[], sample.status.journal_seq)),
        "the journal",
        "What was written to the journal.",
    ),
    row(
        Gauge,
        "trimtab.agent.config.refused",
        Unit::None,
        Read::Node(|sample, points| {
            points.number(&[], u64::from(sample.status.config_error.is_some()));
        }),
        "the agent",
        "1 while the configuration that was last read is refused, and the one before is in force.",
    ),
];
