//! How much there is room for.

use crate::api::{proto, view};

impl From<view::Room> for proto::Room {
    fn from(room: view::Room) -> Self {
        Self {
            workloads: room.workloads,
            waiting: room.waiting,
            histograms: room.histograms,
            sharing: room.sharing,
            shared_waited_ns: room.shared_waited_ns,
            shared_waiting_p99_ns: room.shared_waiting_p99_ns,
        }
    }
}

impl From<proto::Room> for view::Room {
    fn from(room: proto::Room) -> Self {
        Self {
            workloads: room.workloads,
            waiting: room.waiting,
            histograms: room.histograms,
            sharing: room.sharing,
            shared_waited_ns: room.shared_waited_ns,
            shared_waiting_p99_ns: room.shared_waiting_p99_ns,
        }
    }
}
