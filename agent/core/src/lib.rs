//! The decision core: what is known of each workload, and what should be done about it.
//!
//! Pure by construction: this crate depends on nothing that does I/O. Time and data are
//! arguments, amounts are integers, and the same input gives the same bytes out, so that the
//! agent and a replay run the very same code.
#![forbid(unsafe_code)]

pub mod anomaly;
pub mod baseline;
pub mod decide;
pub mod model;
pub mod node;
pub mod record;
pub mod score;
pub mod signal;
pub mod snapshot;
pub mod tune;
