//! The configuration file: what may be said in it, and what is wrong with it.
//!
//! `config/trimtab.toml` documents every key with its default.

mod check;
mod load;
mod raw;
mod report;
mod schema;
mod select;
#[cfg(test)]
mod tests;
mod units;

pub use load::{ConfigError, Node};
pub use report::{Invalid, Problem};
pub use schema::{
    Agent, Bounds, Config, Fast, Foreign, Headroom, Kind, Policy, Probes, Reserve, Scheduling,
    Threshold,
};
pub use select::Selector;
pub use units::{Share, parse_bytes, parse_cpus};
