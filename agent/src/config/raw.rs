//! The file as it is written: every key optional, every value with its place.

use std::{collections::BTreeMap, path::PathBuf};

use serde::Deserialize;
use serde_spanned::Spanned;
use trimtab_core::{
    decide::Priority,
    signal::{Mode, Resource},
};

use super::{
    schema::Scheduling,
    units::{Cpu, Duration, Memory},
};
use crate::identity::container::Qos;

/// A value that may be left out and knows where it stands.
pub(super) type Key<T> = Option<Spanned<T>>;

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct File {
    pub(super) agent: Agent,
    pub(super) fast: Fast,
    pub(super) probes: Probes,
    pub(super) gpu: Gpu,
    pub(super) energy: Energy,
    pub(super) anomalies: Anomalies,
    pub(super) identity: Identity,
    pub(super) record: Record,
    pub(super) report: Report,
    pub(super) policy: Vec<Spanned<Policy>>,
}

/// `[agent]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Agent {
    pub(super) socket: Key<PathBuf>,
    pub(super) runtime_directory: Key<PathBuf>,
    pub(super) tick: Key<Duration>,
    pub(super) reserve: Reserve,
    pub(super) exclude: Option<Vec<Spanned<String>>>,
    pub(super) foreign: Foreign,
    pub(super) budget: Budget,
    pub(super) room: Room,
}

/// `[agent.reserve]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Reserve {
    pub(super) cpu: Key<Cpu>,
    pub(super) memory: Key<Memory>,
}

/// `[agent.budget]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Budget {
    pub(super) cpu: Key<Cpu>,
    pub(super) memory: Key<Memory>,
    pub(super) patience: Key<Duration>,
}

/// `[agent.room]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Room {
    pub(super) workloads: Key<i64>,
    pub(super) histograms: Key<i64>,
}

/// `[agent.foreign]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Foreign {
    pub(super) newborn: Key<Duration>,
    pub(super) backoff: Key<Duration>,
    pub(super) writes: Key<i64>,
    pub(super) window: Key<Duration>,
}

/// `[fast]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Fast {
    pub(super) scheduling: Key<Scheduling>,
    pub(super) priority: Key<i64>,
    pub(super) lock_memory: Key<bool>,
    pub(super) per_cpu: Key<bool>,
    pub(super) ring_size: Key<Memory>,
}

/// `[probes]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Probes {
    pub(super) off: Option<Vec<Spanned<String>>>,
}

/// `[gpu]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Gpu {
    pub(super) enabled: Key<bool>,
    pub(super) library: Key<PathBuf>,
}

/// `[energy]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Energy {
    pub(super) enabled: Key<bool>,
    pub(super) powercap: Key<PathBuf>,
}

/// `[anomalies]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Anomalies {
    pub(super) enabled: Key<bool>,
}

/// `[identity]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Identity {
    pub(super) enabled: Key<bool>,
    pub(super) systemd: Key<bool>,
    pub(super) bus: Key<PathBuf>,
    pub(super) cri: Key<Vec<Spanned<PathBuf>>>,
    pub(super) docker: Key<Vec<Spanned<PathBuf>>>,
}

/// `[record]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Record {
    pub(super) enabled: Key<bool>,
    pub(super) directory: Key<PathBuf>,
    pub(super) limit: Key<Memory>,
}

/// `[report]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Report {
    pub(super) workloads: Key<i64>,
    pub(super) prometheus: Prometheus,
}

/// `[report.prometheus]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Prometheus {
    pub(super) enabled: Key<bool>,
    pub(super) listen: Key<String>,
}

/// One `[[policy]]`. The parameters of all kinds stand side by side, so that each keeps its place.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Policy {
    pub(super) name: Key<String>,
    pub(super) select: Key<Vec<Spanned<String>>>,
    pub(super) r#match: Key<Match>,
    pub(super) mode: Key<Mode>,
    pub(super) shadow: Key<String>,
    pub(super) resources: Key<Vec<Spanned<Resource>>>,
    pub(super) kind: Key<Kind>,
    pub(super) percentile: Key<i64>,
    pub(super) window: Key<Duration>,
    pub(super) margin: Key<i64>,
    pub(super) lead: Key<Duration>,
    pub(super) coverage: Key<i64>,
    pub(super) request_p99: Key<Duration>,
    pub(super) run_queue_p99: Key<Duration>,
    pub(super) high: Key<i64>,
    pub(super) low: Key<i64>,
    pub(super) r#for: Key<Duration>,
    pub(super) factor: Key<f64>,
    pub(super) cpu: Key<CpuBounds>,
    pub(super) memory: Key<MemoryBounds>,
    pub(super) trim: Key<bool>,
    pub(super) visible_cpus_min: Key<Cpu>,
    pub(super) visible_memory_min: Key<Memory>,
    pub(super) warm_up: Key<Duration>,
    pub(super) cooldown: Key<Duration>,
    pub(super) cut_interval: Key<Duration>,
    pub(super) largest_cut: Key<i64>,
    pub(super) use_headroom: Key<i64>,
    pub(super) lifts_per_minute: Key<i64>,
    pub(super) changes_per_minute: Key<i64>,
    pub(super) priority: Key<Priority>,
    pub(super) weight: Key<i64>,
}

/// `match = { ... }`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Match {
    pub(super) unit: Key<String>,
    pub(super) container: Key<String>,
    pub(super) image: Key<String>,
    pub(super) namespace: Key<String>,
    pub(super) pod: Key<String>,
    pub(super) qos: Key<Qos>,
    pub(super) labels: BTreeMap<String, Spanned<String>>,
}

/// `kind = ...`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// A percentile and a margin.
    Headroom,
    /// Two thresholds and a factor.
    Threshold,
    /// A percentile and a margin, and what is foreseen.
    Predictive,
    /// A percentile and a margin, and a latency objective.
    Slo,
}

/// `cpu.*`: bounds, and what shares CPU out.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct CpuBounds {
    pub(super) floor: Key<Cpu>,
    pub(super) ceiling: Key<Cpu>,
    pub(super) step: Key<Cpu>,
    pub(super) policy: Key<CpuPolicy>,
}

impl CpuBounds {
    /// Those that memory has, too.
    pub(super) fn bounds(&self) -> Bounds<Cpu> {
        Bounds {
            floor: self.floor.clone(),
            ceiling: self.ceiling.clone(),
            step: self.step.clone(),
        }
    }
}

/// `cpu.policy = ...`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum CpuPolicy {
    /// A quota that moves.
    Limit,
    /// The kernel's weight alone, without a quota.
    Weight,
}

/// `memory.*`: bounds, and how what is not needed is given back.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct MemoryBounds {
    pub(super) floor: Key<Memory>,
    pub(super) ceiling: Key<Memory>,
    pub(super) step: Key<Memory>,
    pub(super) policy: Key<MemoryPolicy>,
    pub(super) percentile: Key<i64>,
    pub(super) window: Key<Duration>,
    pub(super) margin: Key<i64>,
}

impl MemoryBounds {
    /// Those that CPU has, too.
    pub(super) fn bounds(&self) -> Bounds<Memory> {
        Bounds {
            floor: self.floor.clone(),
            ceiling: self.ceiling.clone(),
            step: self.step.clone(),
        }
    }
}

/// `memory.policy = ...`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum MemoryPolicy {
    /// Limits are only lifted.
    Keep,
    /// They are trimmed to what a workload works with, while it does not suffer for it.
    Pressure,
}

/// What `cpu.*` and `memory.*` have in common.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Bounds<T> {
    pub(super) floor: Key<T>,
    pub(super) ceiling: Key<T>,
    pub(super) step: Key<T>,
}

impl<T> Default for Bounds<T> {
    fn default() -> Self {
        Self {
            floor: None,
            ceiling: None,
            step: None,
        }
    }
}
