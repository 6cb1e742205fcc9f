//! What monitoring systems are told: one table of metrics, and Prometheus.
//!
//! Everything comes from [`table::METRICS`]: names, units, kinds and attributes; the text that a scrape gets
//! ([`text`]), and `docs/METRICS.md` ([`page`]). The values come from a [`Sample`] of what the agent
//! holds in memory, made when somebody asks and no oftener than once a tick.
//!
//! A node has more workloads than a monitoring system should have series of: [`Accounts`] says which of them are
//! told by name, and keeps every counter from ever falling when that changes.

pub mod accept;
pub mod accounts;
pub mod histogram;
pub mod metric;
#[cfg(test)]
mod page;
pub mod prometheus;
pub mod sample;
pub mod serving;
pub mod table;
#[cfg(test)]
mod tests;
pub mod text;
pub mod totals;

pub use accounts::{Accounts, Candidate};
pub use histogram::Histogram;
pub use metric::{Kind, Metric, Points, Read, Unit, Value};
pub use sample::{Gauge, Sample, Source, Subject, Who};
pub use serving::Serving;
pub use totals::{Count, Totals, Waits};
