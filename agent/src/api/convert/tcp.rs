//! Requests to a workload's TCP servers.

use crate::api::{proto, view};

impl From<view::Tcp> for proto::Tcp {
    fn from(tcp: view::Tcp) -> Self {
        Self {
            requests: tcp.requests,
            requests_per_s: tcp.requests_per_s,
            answered_p50_ns: tcp.answered_p50_ns,
            answered_p99_ns: tcp.answered_p99_ns,
            unread_p99_ns: tcp.unread_p99_ns,
            bytes_in: tcp.bytes_in,
            bytes_out: tcp.bytes_out,
        }
    }
}

impl From<proto::Tcp> for view::Tcp {
    fn from(tcp: proto::Tcp) -> Self {
        Self {
            requests: tcp.requests,
            requests_per_s: tcp.requests_per_s,
            answered_p50_ns: tcp.answered_p50_ns,
            answered_p99_ns: tcp.answered_p99_ns,
            unread_p99_ns: tcp.unread_p99_ns,
            bytes_in: tcp.bytes_in,
            bytes_out: tcp.bytes_out,
        }
    }
}
