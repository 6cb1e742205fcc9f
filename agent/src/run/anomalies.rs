//! What is out of the ordinary about workloads: told, never acted upon.

use trimtab_core::{
    anomaly::{Anomaly, Around, News, Span},
    model::waiting::Sum,
    signal::{Amount, Nanos, Resource, Slot},
    snapshot::Snapshot,
};

use super::{
    agent::{Agent, now},
    entry,
    workload::Workload,
};
use crate::api::view::{self, Quantity, WaitKind};

/// The end of a minute of which it is looked behind whom tasks waited: what is kept of that.
const WAITS: Nanos = Nanos(15 * Nanos::SECOND.0);

impl Agent {
    /// Takes a tick in; tells what begins and what is over.
    pub(super) fn find_anomalies(&mut self, now: Nanos, snapshot: &Snapshot) {
        if !self.selection.config().anomalies.enabled {
            return;
        }
        for signals in &snapshot.workloads {
            let workload = self.workloads.get_mut(signals.slot);
            if workload.is_some_and(|workload| workload.watch.push(now, signals)) {
                self.judge(now, signals.slot, snapshot);
            }
        }
    }

    /// A workload's minute is over.
    fn judge(&mut self, now: Nanos, slot: Slot, snapshot: &Snapshot) {
        let Some(workload) = self.workloads.get(slot) else {
            return;
        };
        let sum = workload.waiting.over(WAITS);
        let behind = self.others(slot, &sum);
        let around = Around {
            capacity: self.capacity(),
            ceiling: Resource::ALL.map(|resource| self.highest(workload, resource)),
            reach: self.reach(workload),
            available: snapshot.node.memory_available,
            runnable: sum.waits.ran + sum.waited(),
            behind: &behind,
        };
        let Some(workload) = self.workloads.get_mut(slot) else {
            return;
        };
        for news in workload.watch.judge(now, &around) {
            self.announce(now, slot, news);
        }
    }

    fn announce(&mut self, now: Nanos, slot: Slot, news: News) {
        let (News::Begins(standing) | News::Ends(standing)) = news;
        let anomaly = standing.anomaly;
        let (text, kind) = (self.sentence(slot, &anomaly), entry::word(&anomaly));
        let Some(workload) = self.workloads.get(slot) else {
            return;
        };
        let (cause, text) = match news {
            News::Begins(_) => {
                // Loads shift every other day on some hosts: that alone is no reason to wake anybody.
                if matches!(anomaly, Anomaly::Shift(_)) {
                    tracing::info!(workload = workload.name, "{text}");
                } else {
                    tracing::warn!(workload = workload.name, "{text}");
                }
                (kind, text)
            }
            News::Ends(_) => {
                let lasted = Span(now.since(standing.since));
                let text = format!("over after {lasted}: {text}");
                tracing::info!(workload = workload.name, "{text}");
                (format!("{kind}-over"), text)
            }
        };
        let resource = Some(anomaly.resource());
        let entry = entry::remark(workload, now, resource, &cause, text);
        self.journal.push(entry);
    }

    /// A finding in words, with the names of others.
    fn sentence(&self, slot: Slot, anomaly: &Anomaly) -> String {
        let Anomaly::NoisyNeighbour(neighbour) = anomaly else {
            return anomaly.to_string();
        };
        match self.whose(slot, neighbour.id) {
            (_, Some(name)) => neighbour.named(&name),
            (_, None) => anomaly.to_string(),
        }
    }

    /// Groups behind which a workload's tasks waited, those of its own left out.
    fn others(&self, slot: Slot, sum: &Sum) -> Vec<(u64, u64)> {
        let own = |id| matches!(self.whose(slot, id), (WaitKind::Siblings, _));
        let groups = sum.groups.iter().copied();
        groups.filter(|(id, _)| !own(*id)).collect()
    }

    /// The lowest ceiling of a workload and of those above it.
    fn highest(&self, workload: &Workload, resource: Resource) -> Amount {
        let above = |workload: &&Workload| self.workloads.get(workload.parent?);
        // A parent's path is shorter than its child's, so this ends.
        std::iter::successors(Some(workload), above)
            .filter_map(|workload| Some(workload.limits[resource.index()].as_ref()?.bounds.ceiling))
            .min()
            .unwrap_or(Amount::UNLIMITED)
    }

    /// The most CPU that a workload can ever have here: its ceiling, or what is left when everybody else has what is set
    /// aside for them.
    fn reach(&self, workload: &Workload) -> Amount {
        let cpu = Resource::Cpu.index();
        let top = std::iter::successors(Some(workload), |workload| {
            self.workloads.get(workload.parent?)
        });
        let own = top.last().and_then(|top| top.limits[cpu].as_ref());
        let floor = own.map_or(Amount::ZERO, |limit| limit.bounds.floor);
        let rest = self.pools[cpu].size.plus(floor);
        self.highest(workload, Resource::Cpu)
            .min(rest.min(self.pools[cpu].capacity))
    }

    /// What lasts of a workload.
    pub(super) fn anomalies_of(&self, workload: &Workload) -> Vec<view::Anomaly> {
        if !self.selection.config().anomalies.enabled {
            return Vec::new();
        }
        let now = now();
        let shown = |standing: &trimtab_core::anomaly::Standing| view::Anomaly {
            workload: workload.name.clone(),
            path: workload.shown_path(),
            kind: entry::word(&standing.anomaly),
            resource: standing.anomaly.resource(),
            text: self.sentence(workload.slot, &standing.anomaly),
            for_ns: now.since(standing.since).0,
        };
        workload.watch.standing().iter().map(shown).collect()
    }

    /// What lasts on the node, the oldest first.
    pub(super) fn anomalies(&self) -> Vec<view::Anomaly> {
        let of = |workload| self.anomalies_of(workload);
        let mut all: Vec<_> = self.workloads.iter().flat_map(of).collect();
        all.sort_by_key(|anomaly| std::cmp::Reverse(anomaly.for_ns));
        all
    }

    /// What whoever scales and balances may want to know of a workload.
    pub(super) fn beyond(&self, workload: &Workload) -> view::Beyond {
        if !self.selection.config().anomalies.enabled {
            return view::Beyond::default();
        }
        let standing = workload.watch.standing().iter();
        let mut hint = standing.filter_map(|standing| match standing.anomaly {
            Anomaly::BeyondNode(hint) => Some(hint),
            _ => None,
        });
        let quantity = |amount| Quantity::new(Resource::Cpu, amount);
        view::Beyond {
            balancing_weight: workload.watch.weight(),
            hint: hint.next_back().map(|hint| view::Hint {
                instances: hint.instances,
                demand: quantity(hint.demand),
                capacity: quantity(hint.capacity),
            }),
        }
    }
}
