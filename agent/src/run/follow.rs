//! Follows the tree of groups: what has gone is released, what has appeared is taken up.

use super::agent::Agent;
use crate::sense::tree::{Changes, parent};

impl Agent {
    /// Whether groups were created or removed that nobody has looked at.
    pub(super) fn tree_has_changed(&self) -> bool {
        !self.tree_events.is_empty()
    }

    /// Brings the tree up to date with the events that have come.
    pub(super) fn follow_tree(&mut self) {
        let events = std::mem::take(&mut self.tree_events);
        match self.tree.apply(&events) {
            Ok(changes) => {
                let rescan = changes.rescan;
                self.follow(&changes);
                if rescan {
                    self.rescan();
                }
            }
            Err(error) => {
                tracing::warn!(%error, "the tree of groups cannot be read; it is scanned afresh");
                self.rescan();
            }
        }
    }

    pub(super) fn rescan(&mut self) {
        match self.tree.rescan() {
            Ok(changes) => self.follow(&changes),
            Err(error) => tracing::error!(%error, "the tree of groups cannot be scanned"),
        }
    }

    fn follow(&mut self, changes: &Changes) {
        let mut paths = changes.appeared.iter().chain(&changes.vanished);
        if paths.any(|path| !path.contains('/')) {
            self.node_reader.look_again();
        }
        for path in &changes.vanished {
            self.identities.forget(path);
            self.adoptions.waiting.remove(path);
            if let Some(slot) = self.workloads.at(path) {
                self.release(slot);
            }
        }
        // A group that appears in one more hierarchy has more to manage than before.
        for path in &changes.appeared {
            if let Some(slot) = self.workloads.at(path)
                && let (Some(workload), Some(ids)) = (self.workloads.get(slot), self.tree.ids(path))
                && workload.group.ids != ids
                && !workload.run
            {
                self.let_go(slot);
                self.workloads.wake(slot);
            }
        }
        for path in changes.appeared.iter().chain(&changes.vanished) {
            self.find_children(parent(path).unwrap_or_default());
        }
        self.take_up_each(changes.appeared.iter().cloned());
    }

    /// Notes whether there are groups below a workload's.
    fn find_children(&mut self, path: &str) {
        let slot = self.workloads.at(path);
        if let Some(workload) = slot.and_then(|slot| self.workloads.get_mut(slot)) {
            workload.is_parent = self.tree.has_children(path);
        }
    }
}
