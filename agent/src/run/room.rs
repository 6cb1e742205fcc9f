//! How much there is room for: groups that wait until a workload goes, and workloads that share a
//! histogram.

use trimtab_core::signal::Nanos;

use super::agent::{Agent, now};
use crate::{
    api::view::{self, Finding, FindingState},
    config,
    fast::quantile,
    probe::Probes,
};

/// How much there is room for, as it was at the start, and what has been said about it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    most: config::Room,
    waiting: bool,
    sharing: bool,
}

impl Room {
    pub(super) const fn new(most: config::Room) -> Self {
        Self {
            most,
            waiting: false,
            sharing: false,
        }
    }
}

impl Agent {
    /// Takes up as many of the groups that wait as there is room for, and says when somebody begins to
    /// wait or to share, and when nobody does any more.
    pub(super) fn use_room(&mut self) {
        self.take_up_waiting(now());
        let (waiting, sharing) = (self.adoptions.waiting.len(), self.sharing());
        let Room { most, .. } = self.room;
        match (self.room.waiting, waiting > 0) {
            (false, true) => tracing::warn!(
                "there is room for {} workloads, and {waiting} more groups wait until one goes: `workloads` in [agent.room] may be raised",
                most.workloads
            ),
            (true, false) => tracing::warn!("there is room for every workload again"),
            _ => {}
        }
        match (self.room.sharing, sharing > 0) {
            (false, true) => tracing::warn!(
                "there are histograms for {} workloads, and {sharing} more share one: `histograms` in [agent.room] may be raised",
                most.histograms
            ),
            (true, false) => tracing::warn!("every workload has histograms of its own again"),
            _ => {}
        }
        (self.room.waiting, self.room.sharing) = (waiting > 0, sharing > 0);
    }

    fn take_up_waiting(&mut self, now: Nanos) {
        let room = self.workloads.room(now);
        if room == 0 || self.adoptions.waiting.is_empty() {
            return;
        }
        let next: Vec<_> = self.adoptions.waiting.iter().take(room).cloned().collect();
        self.take_up_each(next.into_iter());
    }

    /// How many workloads have no histogram of their own, in the table that lacks the most.
    fn sharing(&self) -> usize {
        self.probes.as_ref().map_or(0, Probes::others)
    }

    /// How much there is room for, and for how many there is none.
    pub(super) fn room(&self) -> view::Room {
        let Room { most, .. } = self.room;
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let sharing = self.sharing();
        let shared = self.probes.as_ref().and_then(|probes| {
            let shared = probes.histograms().runq.read_others();
            shared.ok().filter(|_| sharing > 0)
        });
        let waiting = |per_mille| quantile(&shared.as_ref()?.hist.waiting, per_mille);
        view::Room {
            workloads: most.workloads,
            waiting: count(self.adoptions.waiting.len()),
            histograms: most.histograms,
            sharing: count(sharing),
            shared_waited_ns: shared.as_ref().map(|shared| shared.hist.waiting_ns),
            shared_waiting_p99_ns: waiting(990),
        }
    }

    /// Whether there is room for everybody.
    pub(super) fn room_finding(&self) -> Finding {
        let room = self.room();
        let mut lacks = Vec::new();
        if room.waiting > 0 {
            lacks.push(format!(
                "{} groups wait for one of {} workloads to go",
                room.waiting, room.workloads
            ));
        }
        if room.sharing > 0 {
            lacks.push(format!(
                "{} workloads share one histogram, since there are {} others",
                room.sharing, room.histograms
            ));
        }
        Finding {
            area: "agent".into(),
            name: "room".into(),
            state: if lacks.is_empty() {
                FindingState::On
            } else {
                FindingState::Degraded
            },
            remedy: if lacks.is_empty() {
                String::new()
            } else {
                "raise [agent.room], and start the agent again".into()
            },
            why: lacks.join("; "),
        }
    }
}
