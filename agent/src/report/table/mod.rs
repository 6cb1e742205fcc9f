//! The table of all metrics.
//!
//! Names are OpenTelemetry's where its semantic conventions have one for the very thing: `process.*` of the agent
//! itself, `container.*` and `k8s.*` in what a workload is told by. Everything else begins with `trimtab.`; a workload's figures
//! do so too, since a workload may be a slice, a pod or a service as well as a container, one below the other, and
//! `container.cpu.time` of a slice would be a lie.

mod agent;
mod counter;
mod fast;
mod limit;
mod node;
mod probe;
mod workload;

use super::metric::{Kind, Metric, Read, Unit};

/// A part of the table, with its title.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// What it is about.
    pub title: &'static str,
    /// Its metrics.
    pub metrics: &'static [Metric],
}

/// The whole table. The target comes first, so that who goes by it has it before all else (OpenMetrics 1.0, "Supporting
/// Target Metadata in both Push-based and Pull-based Systems").
pub static SECTIONS: [Section; 8] = [
    Section {
        title: "Whose metrics these are",
        metrics: agent::TARGET,
    },
    Section {
        title: "Limits of workloads",
        metrics: limit::METRICS,
    },
    Section {
        title: "How workloads fare",
        metrics: counter::METRICS,
    },
    Section {
        title: "Who workloads are, and what is to be done about them",
        metrics: workload::METRICS,
    },
    Section {
        title: "The node and its pools",
        metrics: node::METRICS,
    },
    Section {
        title: "The fast loop",
        metrics: fast::METRICS,
    },
    Section {
        title: "The probes",
        metrics: probe::METRICS,
    },
    Section {
        title: "The agent itself",
        metrics: agent::METRICS,
    },
];

/// Every metric, in the table's order.
pub fn all() -> impl Iterator<Item = &'static Metric> {
    SECTIONS.iter().flat_map(|section| section.metrics)
}

/// A row; [`Metric::by`] adds attributes.
const fn row(
    kind: Kind,
    name: &'static str,
    unit: Unit,
    read: Read,
    source: &'static str,
    help: &'static str,
) -> Metric {
    Metric {
        name,
        unit,
        kind,
        attributes: &[],
        help,
        source,
        read,
    }
}
