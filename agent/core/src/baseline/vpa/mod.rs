//! Kubernetes Vertical Pod Autoscaler: recommender, updater and admission controller.
//!
//! Source: kubernetes/autoscaler at 55c37cd5eb (2026-08-22), `vertical-pod-autoscaler/pkg`:
//! `recommender/{model,logic,util}`, `updater/priority`, `utils/vpa`, with the defaults of `docs/flags.md`.
//! Up to ca812b36a3 (2025-02-10) a CPU sample weighed as much as the container's request, since then all
//! weigh the same: [`Weight`].
//!
//! What it holds is the request, for CPU and memory: that is what it moves and what a scheduler counts.
//! A limit follows in the proportion that was declared; where none was declared, none is set.
//!
//! How the parts are placed in simulated time:
//! - every minute the metrics are those of the minute before (metrics-server's own window is 15 to 60 s);
//! - recommender and updater each run once a minute and do not know of one another: from a
//!   recommendation to its update half a minute passes on average, which is [`Params::delay`];
//! - a slot is a container in a pod of a replica set that is large enough (`--min-replicas` is 2);
//!   an eviction is [`Write::Restart`](crate::node::Write::Restart), after which a new pod begins, for which
//!   the admission controller sets what is recommended by then; any other start is the same pod's;
//! - a container that uses no memory at all is not running, and has no metrics.
//!
//! Not here: history from Prometheus at the start, checkpoints, policies per container, `LimitRange`.

mod control;
mod params;
mod recommender;
mod updater;

pub use control::Vpa;
pub use params::{Params, Update, Weight};
pub use recommender::{Bounds, History, Recommendation};
