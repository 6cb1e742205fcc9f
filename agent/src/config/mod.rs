//! The configuration file: what may be said in it, and what is wrong with it.
//!
//! `config/trimtab.toml` documents every key with its default.

mod check;
mod load;
mod matching;
mod node;
mod raw;
mod report;
mod schema;
mod select;
#[cfg(test)]
mod tests;
mod units;

pub use load::ConfigError;
pub use matching::{Match, Pattern, Subject, own_qos, own_unit};
pub use node::Node;
pub use report::{Invalid, Problem};
pub use schema::{
    Agent, Anomalies, Budget, Config, Energy, Fast, Gpu, Identity, Policy, Probes, Record, Report,
    Room, Scheduling,
};
pub use select::Selector;
// What a policy is in the core is the `kind` of one here, which says more: whom it selects, and the mode.
pub use trimtab_core::decide::{
    Bounds, Headroom, Objective, Policy as Kind, Predictive, Settings, Slo, Threshold,
};
pub use units::{Share, parse_bytes, parse_cpus};
