//! Which cgroups there are: a scan, kept up to date by events, with a rescan as the fallback.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::cgroup::{GroupDir, Ids};
use super::file::{SenseError, Sight, means_gone};
use super::hierarchy::{Hierarchies, Root};

/// Which of the four roles a hierarchy plays; one hierarchy may play several.
#[derive(Clone, Copy, Debug)]
struct Roles {
    cpu: bool,
    memory: bool,
    unified: bool,
}

/// One hierarchy and the groups in it.
#[derive(Debug)]
struct Level {
    root: Root,
    roles: Roles,
    by_id: HashMap<u64, Arc<str>>,
}

/// A kernel event about the tree, or the wish to look at one place again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TreeEvent {
    /// A group was created.
    Created {
        /// The hierarchy's number, 0 for v2.
        hierarchy: u32,
        /// Its id.
        id: u64,
        /// The id of the group in which it was created.
        parent: u64,
    },
    /// A group was removed.
    Removed {
        /// The hierarchy's number, 0 for v2.
        hierarchy: u32,
        /// Its id.
        id: u64,
    },
}

/// What a look at the tree changed. A path in both lists was removed and created again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Groups that are new, or that now have another id in some hierarchy: parents before children.
    pub appeared: Vec<Arc<str>>,
    /// Groups that are gone.
    pub vanished: Vec<Arc<str>>,
    /// An event did not fit what is known (its parent is unknown): a rescan is due.
    pub rescan: bool,
}

impl Changes {
    /// Whether nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.appeared.is_empty() && self.vanished.is_empty() && !self.rescan
    }

    fn normalise(&mut self) {
        self.appeared.sort_unstable();
        self.appeared.dedup();
        self.vanished.sort_unstable();
        self.vanished.dedup();
    }
}

/// Every cgroup of the host: path and ids. The root has the empty path.
#[derive(Debug)]
pub struct Tree {
    levels: Vec<Level>,
    groups: BTreeMap<Arc<str>, Ids>,
}

impl Tree {
    /// An empty tree over the host's hierarchies; [`Tree::rescan`] fills it.
    #[must_use]
    pub fn new(hierarchies: &Hierarchies) -> Self {
        let is = |root: &Root, role: &Option<Root>| {
            role.as_ref().is_some_and(|other| other.dir == root.dir)
        };
        let levels = hierarchies
            .distinct()
            .map(|root| Level {
                root: root.clone(),
                roles: Roles {
                    cpu: is(root, &hierarchies.cpu),
                    memory: is(root, &hierarchies.memory),
                    unified: is(root, &hierarchies.unified),
                },
                by_id: HashMap::new(),
            })
            .filter(|level| level.roles.cpu || level.roles.memory || level.roles.unified)
            .collect();
        Self {
            levels,
            groups: BTreeMap::new(),
        }
    }

    /// Every group with its ids, parents before children.
    pub fn groups(&self) -> impl Iterator<Item = (&Arc<str>, &Ids)> {
        self.groups.iter()
    }

    /// Number of groups, the root included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// Whether nothing has been scanned yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// The ids of the group at `path`.
    #[must_use]
    pub fn ids(&self, path: &str) -> Option<Ids> {
        self.groups.get(path.trim_matches('/')).copied()
    }

    /// The path of the group with this id in this hierarchy.
    #[must_use]
    pub fn path(&self, hierarchy: u32, id: u64) -> Option<&Arc<str>> {
        self.levels
            .iter()
            .find(|level| level.root.id == hierarchy)?
            .by_id
            .get(&id)
    }

    /// The children of a group, nearest only.
    pub fn children<'a>(&'a self, path: &'a str) -> impl Iterator<Item = (&'a Arc<str>, &'a Ids)> {
        self.groups
            .iter()
            .filter(move |(child, _)| !child.is_empty() && parent(child) == Some(path))
    }

    /// Whether there are groups below one, which is not the root.
    #[must_use]
    pub fn has_children(&self, path: &str) -> bool {
        let first = format!("{path}/");
        let below = (Bound::Included(first.as_str()), Bound::Unbounded);
        let next = self.groups.range::<str, _>(below).next();
        next.is_some_and(|(path, _)| path.starts_with(&first))
    }

    /// Looks at every directory of every hierarchy again.
    ///
    /// # Errors
    /// A directory is there but cannot be read.
    pub fn rescan(&mut self) -> Result<Changes, SenseError> {
        let mut fresh: BTreeMap<Arc<str>, Ids> = BTreeMap::new();
        for level in &mut self.levels {
            level.by_id.clear();
            let mut pending: Vec<Arc<str>> = Vec::new();
            if let Sight::Here(dir) = GroupDir::open(&level.root, "")? {
                level.insert(&mut fresh, "".into(), dir.id());
                pending.push("".into());
            }
            while let Some(path) = pending.pop() {
                for (name, id) in subdirectories(&level.root.group(&path))? {
                    let child: Arc<str> = join(&path, &name).into();
                    level.insert(&mut fresh, child.clone(), id);
                    pending.push(child);
                }
            }
        }
        let old = std::mem::replace(&mut self.groups, fresh);
        let mut changes = Changes::default();
        for (path, ids) in &self.groups {
            match old.get(path) {
                Some(before) if before == ids => {}
                Some(before) => {
                    // A hierarchy gained or lost is an appearance; only another id in the same
                    // hierarchy means that the old group is gone.
                    if replaced(before, ids) {
                        changes.vanished.push(path.clone());
                    }
                    changes.appeared.push(path.clone());
                }
                None => changes.appeared.push(path.clone()),
            }
        }
        changes.vanished.extend(
            old.keys()
                .filter(|path| !self.groups.contains_key(*path))
                .cloned(),
        );
        changes.normalise();
        Ok(changes)
    }

    /// Applies a batch of events: one directory read per parent in which something was created.
    /// A group that was created and removed again within the batch leaves no trace.
    ///
    /// # Errors
    /// A directory is there but cannot be read.
    pub fn apply(&mut self, events: &[TreeEvent]) -> Result<Changes, SenseError> {
        let mut changes = Changes::default();
        let mut parents: Vec<(usize, Arc<str>)> = Vec::new();
        for event in events {
            match *event {
                TreeEvent::Removed { hierarchy, id } => {
                    let Some(index) = self.level(hierarchy) else {
                        continue;
                    };
                    if let Some(path) = self.levels[index].by_id.remove(&id) {
                        self.forget(index, &path, &mut changes);
                    }
                }
                TreeEvent::Created {
                    hierarchy,
                    id,
                    parent,
                } => {
                    let Some(index) = self.level(hierarchy) else {
                        continue;
                    };
                    if self.levels[index].by_id.contains_key(&id) {
                        continue;
                    }
                    if let Some(path) = self.levels[index].by_id.get(&parent) {
                        parents.push((index, path.clone()));
                    } else {
                        // Its parent is new too: either a directory read below finds it, or it is
                        // gone already, or events were lost.
                        changes.rescan = true;
                    }
                }
            }
        }
        parents.sort_unstable();
        parents.dedup();
        let mut found = parents.is_empty();
        while let Some((index, path)) = parents.pop() {
            found = true;
            for (name, id) in subdirectories(&self.levels[index].root.group(&path))? {
                if self.levels[index].by_id.contains_key(&id) {
                    continue;
                }
                let child: Arc<str> = join(&path, &name).into();
                // Groups made inside the new one before we looked have no event that we can place.
                parents.push((index, child.clone()));
                self.replace(index, &child, id, &mut changes);
            }
        }
        if found && changes.rescan {
            changes.rescan = self.unplaced(events);
        }
        changes.normalise();
        Ok(changes)
    }

    /// Whether a created group is neither known now nor removed within the same batch.
    fn unplaced(&self, events: &[TreeEvent]) -> bool {
        events.iter().enumerate().any(|(at, event)| match *event {
            TreeEvent::Created { hierarchy, id, .. } => {
                let Some(index) = self.level(hierarchy) else {
                    return false;
                };
                let removed = events[at..].contains(&TreeEvent::Removed { hierarchy, id });
                !removed && !self.levels[index].by_id.contains_key(&id)
            }
            TreeEvent::Removed { .. } => false,
        })
    }

    fn level(&self, hierarchy: u32) -> Option<usize> {
        self.levels
            .iter()
            .position(|level| level.root.id == hierarchy)
    }

    /// Notes that the group at `path` has `id` now, whatever was there before.
    fn replace(&mut self, index: usize, path: &Arc<str>, id: u64, changes: &mut Changes) {
        let level = &mut self.levels[index];
        let before = self
            .groups
            .get(path.as_ref())
            .and_then(|ids| level.id_in(ids));
        if let Some(before) = before {
            level.by_id.remove(&before);
            changes.vanished.push(path.clone());
        }
        level.insert(&mut self.groups, path.clone(), id);
        changes.appeared.push(path.clone());
    }

    /// Notes that the group is gone from one hierarchy.
    fn forget(&mut self, index: usize, path: &Arc<str>, changes: &mut Changes) {
        let roles = self.levels[index].roles;
        let Some(ids) = self.groups.get_mut(path.as_ref()) else {
            return;
        };
        if roles.cpu {
            ids.cpu = None;
        }
        if roles.memory {
            ids.memory = None;
        }
        if roles.unified {
            ids.unified = None;
        }
        if ids.is_empty() {
            self.groups.remove(path.as_ref());
        }
        changes.appeared.retain(|appeared| appeared != path);
        changes.vanished.push(path.clone());
    }
}

impl Level {
    fn insert(&mut self, groups: &mut BTreeMap<Arc<str>, Ids>, path: Arc<str>, id: u64) {
        self.by_id.insert(id, path.clone());
        let ids = groups.entry(path).or_default();
        if self.roles.cpu {
            ids.cpu = Some(id);
        }
        if self.roles.memory {
            ids.memory = Some(id);
        }
        if self.roles.unified {
            ids.unified = Some(id);
        }
    }

    fn id_in(&self, ids: &Ids) -> Option<u64> {
        match self.roles {
            Roles { cpu: true, .. } => ids.cpu,
            Roles { memory: true, .. } => ids.memory,
            _ => ids.unified,
        }
    }
}

/// The path of the group above, `None` for the root.
#[must_use]
pub fn parent(path: &str) -> Option<&str> {
    if path.is_empty() {
        return None;
    }
    Some(path.rsplit_once('/').map_or("", |(parent, _)| parent))
}

/// The groups above, nearest first, the root last.
pub fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(parent(path), |path| parent(path))
}

fn join(parent: &str, name: &str) -> String {
    if parent.is_empty() {
        name.to_owned()
    } else {
        format!("{parent}/{name}")
    }
}

/// Whether some hierarchy that had the group has another group there now.
fn replaced(before: &Ids, after: &Ids) -> bool {
    let differ = |a: Option<u64>, b: Option<u64>| matches!((a, b), (Some(a), Some(b)) if a != b);
    differ(before.cpu, after.cpu)
        || differ(before.memory, after.memory)
        || differ(before.unified, after.unified)
}

/// The directories inside a group's directory with their inodes; nothing if it has vanished.
/// Names that are no UTF-8 cannot be selected by a policy and are left out.
pub(super) fn subdirectories(dir: &Path) -> Result<Vec<(String, u64)>, SenseError> {
    use std::os::unix::fs::DirEntryExt;
    let failed = |syscall: &'static str, source| SenseError::Io {
        path: PathBuf::from(dir),
        syscall,
        source,
    };
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if means_gone(&error) => return Ok(Vec::new()),
        Err(error) => return Err(failed("open", error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) if means_gone(&error) => break,
            Err(error) => return Err(failed("getdents64", error)),
        };
        if entry.file_type().is_ok_and(|kind| kind.is_dir())
            && let Ok(name) = entry.file_name().into_string()
        {
            found.push((name, entry.ino()));
        }
    }
    Ok(found)
}
