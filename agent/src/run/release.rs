//! Giving workloads up, and putting their originals back.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use trimtab_core::signal::{Mode, Resource, Slot};

use super::agent::{Agent, now};
use crate::{
    act::{
        ledger::Entry,
        restore::{Report, restore},
    },
    fast::Command,
    sense::cgroup::Ids,
};

/// How long one group may take to get its originals back while the agent goes on.
const RESTORE_GROUP: Duration = Duration::from_millis(500);
/// How long all of them may take at the end.
const RESTORE_ALL: Duration = Duration::from_millis(900);
/// How long the fast thread may take to let go of a workload; it answers in microseconds.
const LET_GO: Duration = Duration::from_millis(200);
/// How long systemd may take with what it is being told.
const TOLD: Duration = Duration::from_millis(300);

impl Agent {
    /// Gives a workload up. Its originals go back once the fast thread has let go of it.
    pub(super) fn release(&mut self, slot: Slot) {
        let Some(workload) = self.workloads.remove(slot) else {
            return;
        };
        self.close_account(&workload);
        if let Some(probes) = &mut self.probes {
            let ids = workload.group.ids;
            // A group that has gone may have been dropped by the kernel already.
            if let Some(id) = ids.cpu {
                let _ = probes.runq().unregister(id);
                let _ = probes.tcp().unregister(id);
            }
            if let Some(id) = ids.memory {
                let _ = probes.reclaim_mut().unregister(id);
            }
            if let Some(id) = ids.io {
                let _ = probes.block_mut().unregister(id);
            }
            for resource in Resource::ALL {
                if let Some(id) = workload.group.ids.of(resource) {
                    let _ = probes.watches().remove(resource, id);
                }
            }
        }
        if let Some(writes) = &mut self.limit_writes {
            writes.forget(slot);
        }
        self.engine.remove(slot);
        self.owned.forget(slot);
        self.adoptions.unanswered.remove(&workload.group.path);
        let below = self.workloads.below(&workload.group.path);
        let children = below.filter(|child| child.parent == Some(slot));
        for child in children.map(|child| child.slot).collect::<Vec<_>>() {
            if let Some(child) = self.workloads.get_mut(child) {
                child.parent = workload.parent;
            }
        }
        self.pending.retain(|(of, _), _| *of != slot);
        self.journal.forget(&workload.shown_path());
        self.adoptions.leaving.insert(slot, workload.group.ids);
        self.send(Command::Release(slot));
        self.slow.flush();
    }

    /// Gives a workload up and waits until its originals are back.
    pub(super) fn let_go(&mut self, slot: Slot) {
        self.release(slot);
        let patience = Instant::now() + LET_GO;
        while self.adoptions.leaving.contains_key(&slot) && Instant::now() < patience {
            std::thread::sleep(Duration::from_micros(50));
            self.reports();
        }
    }

    /// The fast thread has let go of a workload: nothing writes its limits any more.
    pub(super) fn left(&mut self, slot: Slot) {
        self.workloads.rest(now(), slot);
        self.adoptions
            .left
            .extend(self.adoptions.leaving.remove(&slot));
    }

    /// Puts the originals of all groups back that have been let go of since the last time.
    pub(super) fn put_back(&mut self) {
        if self.adoptions.left.is_empty() {
            return;
        }
        let left = directories(std::mem::take(&mut self.adoptions.left));
        let managed = self.managed();
        self.restore_some(|entry| {
            left.contains(&directory(entry)) && !managed.contains(&directory(entry))
        });
    }

    /// Tries again what could not go back before: memory above its original, for one.
    pub(super) fn restore_leftovers(&mut self) {
        if self.adoptions.ledger.is_empty() {
            return;
        }
        let leaving = directories(self.adoptions.leaving.values().copied());
        let managed = self.managed();
        self.restore_some(|entry| {
            !managed.contains(&directory(entry)) && !leaving.contains(&directory(entry))
        });
    }

    /// The directories whose limits we may write now; what else is in the ledger is to go back.
    fn managed(&self) -> HashSet<Directory> {
        let enforced = self
            .workloads
            .iter()
            .filter(|workload| workload.mode == Mode::Enforce);
        enforced
            .flat_map(|workload| Resource::ALL.map(|resource| (resource, workload)))
            .filter(|(resource, workload)| workload.limits[resource.index()].is_some())
            .filter_map(|(resource, workload)| Some((resource, workload.group.ids.of(resource)?)))
            .collect()
    }

    fn restore_some(&mut self, select: impl Fn(&Entry) -> bool) {
        let ledger = &mut self.adoptions.ledger;
        let systemd = self.adoptions.backend.systemd();
        let units = |entry: &Entry| entry.unit.is_some() && select(entry);
        if let Some(systemd) = systemd.filter(|_| ledger.entries().any(units)) {
            // What it is being told must not come after the originals.
            systemd.flush(TOLD);
        }
        if ledger.entries().any(&select) {
            said(&restore(ledger, select, Instant::now() + RESTORE_GROUP));
        }
    }

    /// Puts everything back at the end; whether nothing is left.
    pub(super) fn restore(&mut self) -> bool {
        if let Some(systemd) = self.adoptions.backend.systemd() {
            systemd.end(TOLD);
        }
        let report = restore(
            &mut self.adoptions.ledger,
            |_| true,
            Instant::now() + RESTORE_ALL,
        );
        tracing::info!("{report}");
        report.is_complete()
    }
}

/// A group's directory in the hierarchy of a resource, by its inode: a path says nothing, since
/// the group there may have been made again.
type Directory = (Resource, u64);

fn directory(entry: &Entry) -> Directory {
    (entry.key.file.resource(), entry.key.inode)
}

fn directories(groups: impl IntoIterator<Item = Ids>) -> HashSet<Directory> {
    groups
        .into_iter()
        .flat_map(|ids| Resource::ALL.map(|resource| Some((resource, ids.of(resource)?))))
        .flatten()
        .collect()
}

/// Logs a restore that was not plain.
fn said(report: &Report) {
    if !report.is_complete() || !report.foreign.is_empty() {
        tracing::warn!("{report}");
    }
}
