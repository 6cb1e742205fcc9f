//! Who workloads are, in the slow loop: what was asked about them, and what came of it.

use std::{collections::HashMap, sync::Arc};

use trimtab_core::signal::Slot;

use super::{
    agent::{Agent, now},
    entry,
    selection::Selected,
};
use crate::{
    config::{self, Subject},
    identity::{
        known::Known,
        path::{Identity, identify},
        source::Group,
        watch::{Heard, Watch},
    },
    sense::cgroup::Ids,
};

/// Groups about which more than the path is asked and kept.
const MOST: usize = 8192;

/// What the slow loop knows about groups beyond their paths.
#[derive(Debug, Default)]
pub(super) struct Identities {
    /// `None` where the configuration asks nobody.
    watch: Option<Watch>,
    known: HashMap<Ids, (Arc<str>, Arc<Known>)>,
    by_path: HashMap<Arc<str>, Ids>,
    /// Groups for which there was no room.
    left_out: u64,
}

impl Identities {
    /// Begins to ask those whom the configuration names.
    pub(super) fn start(config: &config::Identity) -> Self {
        let addresses = config.addresses();
        let watch = || {
            Watch::spawn(addresses)
                .inspect_err(|error| tracing::warn!(%error, "no thread can be made to ask who workloads are"))
                .ok()
        };
        Self {
            watch: config.enabled.then(watch).flatten(),
            ..Self::default()
        }
    }

    /// Asks about a group, unless that was done before.
    fn ask(&mut self, path: &Arc<str>, ids: Ids) {
        if self.watch.is_none() || self.by_path.get(path) == Some(&ids) {
            return;
        }
        let Some(group) = Group::at(path, ids) else {
            return;
        };
        self.forget(path);
        if self.known.len() >= MOST {
            self.left_out += 1;
            return;
        }
        self.by_path.insert(Arc::clone(path), ids);
        self.known
            .insert(ids, (Arc::clone(path), Arc::new(Known::default())));
        if let Some(watch) = &self.watch {
            watch.ask(&group);
        }
    }

    /// A group is gone.
    pub(super) fn forget(&mut self, path: &str) {
        if let Some(ids) = self.by_path.remove(path) {
            self.known.remove(&ids);
            if let Some(watch) = &self.watch {
                watch.forget(ids);
            }
        }
    }

    /// What is known by now of the group at a path.
    pub(super) fn known(&self, path: &str) -> Arc<Known> {
        let ids = self.by_path.get(path.trim_matches('/'));
        let known = ids.and_then(|ids| self.known.get(ids));
        known.map_or_else(Arc::default, |(_, known)| Arc::clone(known))
    }

    /// What to call the group at a path.
    pub(super) fn name(&self, path: &str, identity: &Identity) -> String {
        let name = self.known(path).name();
        name.unwrap_or_else(|| identity.name.clone())
    }

    /// The groups of which more is known than the last time.
    fn news(&mut self) -> Vec<Arc<str>> {
        let found = self.watch.as_ref().map(Watch::found).unwrap_or_default();
        let mut paths = Vec::new();
        for (ids, more) in found {
            let Some((path, known)) = self.known.get_mut(&ids) else {
                continue;
            };
            let mut whole = Known::clone(known);
            whole.add(more);
            if whole != **known {
                *known = Arc::new(whole);
                paths.push(Arc::clone(path));
            }
        }
        paths
    }

    /// How each source stands; `None` where nobody is asked.
    pub(super) fn heard(&self) -> Option<Vec<Heard>> {
        self.watch.as_ref().map(Watch::heard)
    }

    /// Groups for which there was no room since the start.
    pub(super) const fn left_out(&self) -> u64 {
        self.left_out
    }
}

impl Agent {
    /// The policy that has the group at a path, as far as is known who it is.
    pub(super) fn selected(&self, path: &str) -> Option<Selected> {
        let path = path.trim_matches('/');
        self.selection.of(&Subject {
            path: &format!("/{path}"),
            identity: &identify(path),
            known: &self.identities.known(path),
        })
    }

    /// Asks who the group at a path is, if it is a workload or a policy depends on it.
    pub(super) fn ask_about(&mut self, path: &Arc<str>) {
        let wanted = || {
            let config = self.selection.config();
            self.workloads.at(path).is_some() || config.asks_about(&format!("/{path}"))
        };
        if let Some(ids) = self.tree.ids(path)
            && wanted()
        {
            self.identities.ask(path, ids);
        }
    }

    /// Takes what sources have told since: whoever is known better is called by its name, and
    /// selected again.
    pub(super) fn identify(&mut self) {
        for path in self.identities.news() {
            match self.workloads.at(&path) {
                Some(slot) => self.known_better(slot, &path),
                None => self.take_up_each(std::iter::once(path)),
            }
        }
    }

    fn known_better(&mut self, slot: Slot, path: &Arc<str>) {
        let name = self.identities.known(path).name();
        let selected = self.selected(path);
        let owner = self.owner(path, &identify(path));
        let Some(workload) = self.workloads.get_mut(slot).filter(|one| !one.run) else {
            return;
        };
        workload.owner = owner;
        if let Some(name) = name {
            workload.name = name;
        }
        let before = Arc::clone(&workload.policy);
        if selected.as_ref().map(|selected| &selected.policy) == Some(&before) {
            return;
        }
        self.select_again(slot);
        if let Some(workload) = self.workloads.at(path)
            && let Some(workload) = self.workloads.get(workload)
        {
            let text = format!(
                "policy {before} -> {}, now that it is known who this is",
                workload.policy
            );
            tracing::info!(workload = workload.name, "{text}");
            let entry = entry::remark(workload, now(), None, "identity", text);
            self.journal.push(entry);
        }
        self.slow.flush();
    }
}
