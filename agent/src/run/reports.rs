//! What the fast thread says: into the engine, the counters and the journal.

use trimtab_core::{
    decide::{CalledIn, Record, Refusal, Settled, explain, reason::Rule},
    signal::{Amount, Cause, Denial, Nanos, Resource, Slot, Spend},
};
use trimtab_ebpf::{Event as KernelRecord, Level, kind};

use super::{
    agent::{Agent, now},
    entry,
};
use crate::{api::view::Entry, fast::Report, sense::tree::TreeEvent};

impl Agent {
    /// Everything that the fast thread has said since.
    pub(super) fn reports(&mut self) {
        while let Ok(report) = self.slow.reports.pop() {
            match report {
                Report::Spend {
                    spend,
                    latency,
                    above,
                } => self.spent(&spend, latency, above.as_ref()),
                Report::Settled(settled) => self.settled(&settled),
                Report::Recalled(settled) => self.recalled(&settled),
                Report::CalledIn(called) => self.called_in(&called),
                Report::Synced(synced) => self.engine.record(&Record::Synced(synced)),
                Report::Record(record) => self.record(&record),
                Report::Lever(lever) => drop(lever),
                Report::Released(slot, entry) => {
                    drop(entry);
                    self.left(slot);
                }
            }
        }
        let notices = self.engine.notices();
        self.notify(notices);
        self.put_back();
        self.owners_told();
        self.slow.flush();
    }

    fn spent(&mut self, spend: &Spend, latency: u64, above: Option<&Level>) {
        self.engine.record(&Record::Spend(*spend));
        let Spend { event, .. } = spend;
        self.pools[event.resource.index()].lent = self.pools[event.resource.index()]
            .size
            .minus(spend.pool_left);
        let hierarchy = self
            .hierarchies
            .of(event.resource)
            .map_or(0, |root| root.id);
        let above = above.map(|level| {
            self.tree
                .path(hierarchy, level.id)
                .map_or_else(|| format!("group {}", level.id), |path| format!("/{path}"))
        });
        let Some(workload) = self.workloads.get_mut(event.slot) else {
            return;
        };
        workload.above[event.resource.index()].clone_from(&above);
        workload.active = now();
        let counters = &mut workload.counters;
        match spend.denial {
            None => {
                counters.lifts += 1;
                self.lifts += 1;
            }
            // Counted when it is reported: one write may stop several lifts.
            Some(Denial::Foreign) => {}
            Some(_) => counters.denials += 1,
        }
        if spend.denial.is_some() {
            self.denied += 1;
        }
        let foreign = entry::is_foreign(spend);
        if let Some(limit) = workload.limit(event.resource) {
            limit.held = if foreign { event.held } else { spend.to };
            limit.foreign = foreign;
            self.owned.hurry |= limit.outgrows_owner();
        }
        // What the twin repeats every tick, and what came too late, is no news.
        let news = match spend.denial {
            None | Some(Denial::Foreign) => true,
            Some(denial) => denial != Denial::Stale && event.cause != Cause::Twin,
        };
        if news {
            self.journal.push(entry::spend(
                workload,
                spend,
                latency,
                &explain(spend),
                above.as_deref(),
            ));
            if spend.denial.is_none() {
                self.begin_trial(event.slot, event.resource, spend.seq);
            }
        }
        if foreign {
            let updates = self.engine.updates();
            self.refit(updates);
        }
        self.follow_limit(spend.event.slot, spend.event.resource);
    }

    fn recalled(&mut self, settled: &Settled) {
        if let Some(workload) = self.workloads.get(settled.slot)
            && workload.epoch == settled.epoch
        {
            let entry = entry::recalled(workload, settled);
            tracing::info!(workload = workload.name, "{}", entry.reason.text);
            self.pending.insert((settled.slot, settled.resource), entry);
        }
        self.settled_by(&Record::Recalled(*settled), settled);
    }

    fn called_in(&mut self, called: &CalledIn) {
        let CalledIn { settled, delay, .. } = called;
        let waiting = delay
            .waiting
            .and_then(|slot| self.workloads.get(slot))
            .map_or_else(|| "others".into(), |workload| workload.name.clone());
        if let Some(workload) = self.workloads.get(settled.slot)
            && workload.epoch == settled.epoch
        {
            let entry = entry::called_in(workload, called, &waiting);
            tracing::info!(workload = workload.name, "{}", entry.reason.text);
            self.pending.insert((settled.slot, settled.resource), entry);
        }
        self.settled_by(&Record::CalledIn(*called), settled);
    }

    fn settled(&mut self, settled: &Settled) {
        self.settled_by(&Record::Settled(*settled), settled);
    }

    fn settled_by(&mut self, record: &Record, settled: &Settled) {
        self.engine.record(record);
        let entry = self.pending.remove(&(settled.slot, settled.resource));
        let Some(workload) = self.workloads.get_mut(settled.slot) else {
            return;
        };
        if workload.epoch != settled.epoch {
            return;
        }
        workload.active = now();
        if settled.refusal.is_none() {
            let undoes = |entry: &Entry| entry.rule == entry::word(&Rule::Undo);
            workload.undone += u64::from(entry.as_ref().is_some_and(undoes));
            if settled.to < settled.from {
                workload.counters.trims += 1;
            } else {
                workload.counters.lifts += 1;
            }
            if let Some(limit) = workload.limit(settled.resource) {
                limit.held = settled.to;
                self.owned.hurry |= limit.outgrows_owner();
            }
        }
        if let Some(entry) = entry
            && settled.refusal != Some(Refusal::NoChange)
        {
            self.journal.push(entry::settled(entry, settled));
            if settled.refusal.is_none() {
                self.begin_trial(settled.slot, settled.resource, settled.seq);
            }
        }
        self.follow_limit(settled.slot, settled.resource);
    }

    /// Tells the kernel from where on a period is unusual under a limit that has just changed.
    fn follow_limit(&mut self, slot: Slot, resource: Resource) {
        if let Some(thresholds) = self.engine.thresholds(slot, resource) {
            self.set_thresholds(thresholds);
        }
    }

    fn record(&mut self, record: &KernelRecord) {
        match record.kind {
            kind::CGROUP_CREATED => self.tree_events.push(TreeEvent::Created {
                hierarchy: record.hierarchy,
                id: record.lowest.id,
                parent: record.used,
            }),
            kind::CGROUP_REMOVED => {
                self.tree_events.push(TreeEvent::Removed {
                    hierarchy: record.hierarchy,
                    id: record.lowest.id,
                });
            }
            kind::OOM_KILL => self.oom_kill(record),
            other => tracing::debug!(kind = other, "a record of a kind that nobody waits for"),
        }
    }

    fn oom_kill(&mut self, record: &KernelRecord) {
        let Some(workload) = self.workloads.get(Slot(record.lowest.slot)) else {
            return;
        };
        let full = self
            .tree
            .path(record.hierarchy, record.highest.id)
            .map_or_else(|| "the node".into(), |path| format!("/{path}"));
        let text = match workload.limits[Resource::Memory.index()] {
            Some(limit) => format!(
                "the OOM killer chose pid {}: {full} was full at {}; the envelope's ceiling is {}",
                record.used,
                entry::shown(Resource::Memory, Amount(record.highest.limit)),
                entry::shown(Resource::Memory, limit.bounds.ceiling),
            ),
            None => format!("the OOM killer chose pid {}: {full} was full", record.used),
        };
        tracing::warn!(workload = workload.name, "{text}");
        let entry = entry::remark(
            workload,
            Nanos(record.time),
            Some(Resource::Memory),
            "oom-kill",
            text,
        );
        self.journal.push(entry);
    }
}
