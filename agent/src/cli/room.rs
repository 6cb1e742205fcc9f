//! What there is no room for, in `trimtab status`.

use super::{
    output::{FAIR, paint},
    units::{count, duration},
};
use crate::api::view::Room;

/// The line; nothing while there is room for everybody.
pub(super) fn line(room: &Room) -> Option<String> {
    let waiting = (room.waiting > 0).then(|| {
        format!(
            "{} waiting for room beyond {} workloads",
            count(room.waiting.into(), "group"),
            room.workloads
        )
    });
    let sharing = (room.sharing > 0).then(|| shared(room));
    let parts: Vec<_> = waiting.into_iter().chain(sharing).collect();
    (!parts.is_empty()).then(|| paint(FAIR, parts.join("; ")))
}

fn shared(room: &Room) -> String {
    let sharing = format!(
        "{} sharing a histogram beyond {}",
        count(room.sharing.into(), "workload"),
        room.histograms
    );
    let waited = room
        .shared_waited_ns
        .map(|ns| format!("waited {} for a CPU", duration(ns)));
    let p99 = room
        .shared_waiting_p99_ns
        .map(|ns| format!("p99 {}", duration(ns)));
    let parts = [Some(sharing), waited, p99];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}
