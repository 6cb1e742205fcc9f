//! What can be chosen, with the defaults of the flags.

use crate::signal::{Amount, Nanos};

const HOUR: u64 = 60 * Nanos::MINUTE.0;

/// How much a CPU sample weighs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Weight {
    /// 0.1, since February 2025.
    #[default]
    Constant,
    /// The container's request in CPUs, 0.1 at least: until February 2025.
    Request,
}

/// What the updater may do (`updateMode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Update {
    /// Nothing.
    Off,
    /// Evict the pod, so that a new one begins with what is recommended: the default.
    #[default]
    Recreate,
    /// Resize the container while it runs (`InPlaceOrRecreate`, stable since 1.6). The kubelet does
    /// not lower a memory limit below what is used; the resize waits until it can.
    InPlace,
}

/// What can be chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Params {
    /// What tables call it.
    pub name: &'static str,
    /// `--recommender-interval` and `--updater-interval`.
    pub interval: Nanos,
    /// From a recommendation to its update.
    pub delay: Nanos,
    /// `--cpu-histogram-decay-half-life` and `--memory-histogram-decay-half-life`.
    pub half_life: Nanos,
    /// `--memory-aggregation-interval`: one peak of memory counts per interval.
    pub peak_interval: Nanos,
    /// `--target-cpu-percentile` and `--target-memory-percentile`, 0 to 1.
    pub target: f64,
    /// `--recommendation-lower-bound-cpu-percentile` and its like for memory.
    pub lower: f64,
    /// `--recommendation-upper-bound-cpu-percentile` and its like for memory.
    pub upper: f64,
    /// `--recommendation-margin-fraction`.
    pub margin: f64,
    /// `--confidence-interval-cpu` and `--confidence-interval-memory`.
    pub confidence: Nanos,
    /// `--pod-recommendation-min-cpu-millicores`, in micro-CPUs.
    pub least_cpu: Amount,
    /// `--pod-recommendation-min-memory-mb`, in bytes.
    pub least_memory: Amount,
    /// `--oom-bump-up-ratio`.
    pub oom_ratio: f64,
    /// `--oom-min-bump-up-bytes`.
    pub oom_least: Amount,
    /// How much a CPU sample weighs.
    pub weight: Weight,
    /// What the updater may do.
    pub update: Update,
    /// `--pod-update-threshold`: the least relative change that is worth an update within the bounds.
    pub change: f64,
    /// `--in-recommendation-bounds-eviction-lifetime-threshold`: the least age for such an update.
    pub lifetime: Nanos,
    /// `--evict-after-oom-threshold`: a container killed sooner after its start is updated at once.
    pub quick_oom: Nanos,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            name: "vpa",
            interval: Nanos::MINUTE,
            delay: Nanos(30 * Nanos::SECOND.0),
            half_life: Nanos(24 * HOUR),
            peak_interval: Nanos(24 * HOUR),
            target: 0.9,
            lower: 0.5,
            upper: 0.95,
            margin: 0.15,
            confidence: Nanos(24 * HOUR),
            least_cpu: Amount(25_000),
            least_memory: Amount(250 * Amount::MIB.0),
            oom_ratio: 1.2,
            oom_least: Amount(100 * Amount::MIB.0),
            weight: Weight::Constant,
            update: Update::Recreate,
            change: 0.1,
            lifetime: Nanos(12 * HOUR),
            quick_oom: Nanos(10 * Nanos::MINUTE.0),
        }
    }
}
