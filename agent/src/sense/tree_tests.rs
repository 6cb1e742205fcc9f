//! Discovery on this host's real hierarchies.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use super::hierarchy::Hierarchies;
use super::testing::TestGroup;
use super::tree::{Changes, Tree, TreeEvent, ancestors, parent};

fn paths(list: &[Arc<str>]) -> Vec<&str> {
    list.iter().map(AsRef::as_ref).collect()
}

/// Only what lies below one test's own group: other tests come and go beside it.
fn below(changes: &Changes, path: &str) -> (Vec<String>, Vec<String>) {
    let own = |list: &[Arc<str>]| {
        list.iter()
            .filter(|p| p.starts_with(path))
            .map(ToString::to_string)
            .collect()
    };
    (own(&changes.appeared), own(&changes.vanished))
}

/// What the kernel would say about a group that was just made, in every hierarchy.
fn created(hierarchies: &Hierarchies, path: &str) -> Vec<TreeEvent> {
    let id = |dir: std::path::PathBuf| fs::metadata(dir).map(|meta| meta.ino()).unwrap();
    hierarchies
        .distinct()
        .filter(|root| root.group(path).exists())
        .map(|root| TreeEvent::Created {
            hierarchy: root.id,
            id: id(root.group(path)),
            parent: id(root.group(parent(path).unwrap())),
        })
        .collect()
}

fn removed(created: &[TreeEvent]) -> Vec<TreeEvent> {
    created
        .iter()
        .map(|event| match *event {
            TreeEvent::Created { hierarchy, id, .. } | TreeEvent::Removed { hierarchy, id } => {
                TreeEvent::Removed { hierarchy, id }
            }
        })
        .collect()
}

fn remove(hierarchies: &Hierarchies, path: &str) {
    for root in hierarchies.distinct() {
        if root.group(path).exists() {
            fs::remove_dir(root.group(path)).unwrap();
        }
    }
}

#[test]
fn parents_and_ancestors() {
    assert_eq!(
        (parent(""), parent("a"), parent("a/b")),
        (None, Some(""), Some("a"))
    );
    assert_eq!(ancestors("a/b/c").collect::<Vec<_>>(), ["a/b", "a", ""]);
}

#[test]
fn a_scan_finds_what_is_there_and_a_rescan_what_changed() {
    let Some(group) = TestGroup::make() else {
        return;
    };
    let mut tree = Tree::new(&group.hierarchies);
    assert!(tree.is_empty());
    let first = tree.rescan().unwrap();
    assert!(
        paths(&first.appeared).contains(&group.path())
            && first.appeared.iter().any(|path| path.is_empty())
    );
    let ids = tree.ids(group.path()).unwrap();
    let real =
        |root: &super::hierarchy::Root| fs::metadata(root.group(group.path())).unwrap().ino();
    assert_eq!(ids.cpu, group.hierarchies.cpu.as_ref().map(real));
    assert_eq!(ids.memory, group.hierarchies.memory.as_ref().map(real));
    let cpu = group.hierarchies.cpu.as_ref().unwrap();
    assert_eq!(
        tree.path(cpu.id, ids.cpu.unwrap()).unwrap().as_ref(),
        group.path()
    );

    let child = group.child("c");
    let changes = tree.rescan().unwrap();
    assert_eq!(below(&changes, group.path()), (vec![child.clone()], vec![]));
    assert_eq!(tree.children(group.path()).count(), 1);

    remove(&group.hierarchies, &child);
    group.child("c");
    let changes = tree.rescan().unwrap();
    assert_eq!(
        below(&changes, group.path()),
        (vec![child.clone()], vec![child.clone()]),
        "another group, same name"
    );

    remove(&group.hierarchies, &child);
    let changes = tree.rescan().unwrap();
    assert_eq!(below(&changes, group.path()), (vec![], vec![child]));
}

#[test]
fn events_are_enough() {
    let Some(group) = TestGroup::make() else {
        return;
    };
    let mut tree = Tree::new(&group.hierarchies);
    tree.rescan().unwrap();
    let child = group.child("c");
    let leaf = group.child("c/l");
    // The leaf's events come before its parent's are understood.
    let made: Vec<TreeEvent> = created(&group.hierarchies, &leaf)
        .into_iter()
        .chain(created(&group.hierarchies, &child))
        .collect();
    let changes = tree.apply(&made).unwrap();
    assert_eq!(
        below(&changes, group.path()),
        (vec![child.clone(), leaf.clone()], vec![])
    );
    assert!(!changes.rescan);
    assert!(
        tree.apply(&made).unwrap().is_empty(),
        "told twice is told once"
    );

    remove(&group.hierarchies, &leaf);
    let changes = tree.apply(&removed(&made[..made.len() / 2])).unwrap();
    assert_eq!(below(&changes, group.path()), (vec![], vec![leaf.clone()]));
    assert!(tree.ids(&leaf).is_none());

    // Removed and made again, and only the second creation was seen.
    remove(&group.hierarchies, &child);
    group.child("c");
    let changes = tree.apply(&created(&group.hierarchies, &child)).unwrap();
    assert_eq!(
        below(&changes, group.path()),
        (vec![child.clone()], vec![child.clone()])
    );

    let unknown = TreeEvent::Created {
        hierarchy: group.hierarchies.cpu.as_ref().unwrap().id,
        id: 1 << 60,
        parent: 1 << 61,
    };
    assert!(
        tree.apply(&[unknown]).unwrap().rescan,
        "a lost event is noticed"
    );
    let both = [unknown, removed(&[unknown])[0]];
    assert!(
        !tree.apply(&both).unwrap().rescan,
        "come and gone is no loss"
    );
    assert!(tree.apply(&removed(&[unknown])).unwrap().is_empty());
}

#[test]
fn a_thousand_groups_come_and_go_without_a_trace() {
    let Some(group) = TestGroup::make() else {
        return;
    };
    let mut tree = Tree::new(&group.hierarchies);
    tree.rescan().unwrap();
    let own = |tree: &Tree| {
        tree.groups()
            .filter(|(path, _)| path.starts_with(group.path()))
            .count()
    };
    let descriptors = || fs::read_dir("/proc/self/fd").unwrap().count();
    let (groups, before) = (own(&tree), descriptors());
    for batch in 0..100 {
        let names: Vec<String> = (0..10)
            .map(|number| group.child(&format!("{batch}-{number}")))
            .collect();
        let made: Vec<TreeEvent> = names
            .iter()
            .flat_map(|path| created(&group.hierarchies, path))
            .collect();
        let changes = tree.apply(&made).unwrap();
        let mut expected = names.clone();
        expected.sort();
        assert_eq!(below(&changes, group.path()).0, expected, "none is missed");
        for path in &names {
            remove(&group.hierarchies, path);
        }
        let changes = tree.apply(&removed(&made)).unwrap();
        assert_eq!(below(&changes, group.path()).1.len(), 10);
    }
    assert_eq!(own(&tree), groups);
    // Other tests of this process open files too: only a leak per group would be this large.
    assert!(
        descriptors() < before + 500,
        "{} descriptors after {before}",
        descriptors()
    );
    assert_eq!(
        below(&tree.rescan().unwrap(), group.path()),
        (vec![], vec![]),
        "events and scan agree"
    );
}
