//! Workloads with known behaviour, and an open-loop load generator that measures them.
//!
//! Everything random comes from a seed, and every report is one serialisable value.

pub mod answer;
pub mod arrivals;
pub mod burn;
pub mod burst;
pub mod cache;
pub mod cpu;
pub mod direct;
pub mod flood;
pub mod grow;
pub mod join;
pub mod load;
pub mod rates;
pub mod serve;
pub mod summary;
pub mod turns;
