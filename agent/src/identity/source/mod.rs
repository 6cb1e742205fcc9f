//! Who may be asked about a group: one file per source.

pub mod cri;
mod cri_proto;
pub mod engine;
mod failure;
pub mod systemd;

use std::sync::Arc;

pub use failure::Failure;
use failure::answered;

use super::{
    container::pod_uid,
    known::Known,
    path::{Kind, identify},
    unit::unit,
};
use crate::sense::cgroup::Ids;

/// A group that somebody wants to know more about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Which group it is.
    pub ids: Ids,
    /// Its path below the hierarchy's root, without a leading slash.
    pub path: Arc<str>,
    /// The container that it is, by its path.
    pub container: Option<String>,
    /// The pod that it is, by its path: its UID, or the hash of its configuration.
    pub pod: Option<String>,
    /// Whether its directory has the name of a unit.
    pub unit: bool,
}

impl Group {
    /// The group at a path; `None` if it looks like nothing that a source could know.
    #[must_use]
    pub fn at(path: &Arc<str>, ids: Ids) -> Option<Self> {
        let identity = identify(path);
        let last = path.rsplit('/').next().unwrap_or_default();
        let group = Self {
            ids,
            path: Arc::clone(path),
            container: identity
                .container
                .filter(|_| identity.kind == Kind::Container)
                .map(|container| container.id),
            pod: pod_uid(last).filter(|_| identity.kind == Kind::Pod),
            unit: unit(last).is_some(),
        };
        (group.container.is_some() || group.pod.is_some() || group.unit).then_some(group)
    }
}

/// Somebody who knows more about groups than their paths tell. Every call ends within a time that
/// the source sets itself.
pub trait Source {
    /// Whether it might know this group.
    fn concerns(group: &Group) -> bool;

    /// Makes sure that it is there, and says what it is: `containerd 1.7.24`.
    ///
    /// # Errors
    /// How it failed; the next call begins afresh.
    fn greet(&mut self) -> impl Future<Output = Result<String, Failure>>;

    /// Looks groups up; those that it does not know are left out of the answer.
    ///
    /// # Errors
    /// How it failed; the next call begins afresh.
    fn look_up(
        &mut self,
        groups: &[Group],
    ) -> impl Future<Output = Result<Vec<(Ids, Known)>, Failure>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_source_could_know_is_asked_for() {
        let id = "3f2a9c5d7e8b1a0c4d6e8f0a2b4c6d8e0f1a3b5c7d9e1f2a4b6c8d0e2f4a6b8c";
        let uid = "8f14e45f-ceea-467e-a5f2-9d8c1f0b3e77";
        let at = |path: &str| {
            let group = Group::at(&path.into(), Ids::default())?;
            Some((group.container, group.pod, group.unit))
        };
        let container = Some(id.to_owned());
        for (path, expected) in [
            (String::new(), None),
            ("plain".to_owned(), None),
            ("a.service".to_owned(), Some((None, None, true))),
            ("a.service/inside".to_owned(), None),
            (
                format!("system.slice/docker-{id}.scope"),
                Some((container.clone(), None, true)),
            ),
            (
                format!("docker/{id}"),
                Some((container.clone(), None, false)),
            ),
            (format!("docker/{id}/inside"), None),
            (
                format!("kubepods/burstable/pod{uid}"),
                Some((None, Some(uid.to_owned()), false)),
            ),
            (
                format!("kubepods/burstable/pod{uid}/{id}"),
                Some((container, None, false)),
            ),
            (format!("crio-conmon-{id}.scope"), Some((None, None, true))),
        ] {
            assert_eq!(at(&path), expected, "{path}");
        }
    }
}
