//! Requests to a workload's TCP servers.

use serde::{Deserialize, Serialize};

/// Requests to a workload's TCP servers: turns of accepted connections, since adoption. Quantiles
/// are `None` while nothing was counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tcp {
    /// Requests that were answered.
    pub requests: u64,
    /// How many a second, lately.
    pub requests_per_s: u64,
    /// From the first byte of a request to the first byte of its answer, median.
    pub answered_p50_ns: Option<u64>,
    /// The same, 99th percentile.
    pub answered_p99_ns: Option<u64>,
    /// From the first byte of a request to the first read of it, 99th percentile.
    pub unread_p99_ns: Option<u64>,
    /// Bytes read.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
}
