//! What is known of a group beyond its path, and who said so.

use std::{collections::BTreeMap, sync::Arc};

use trimtab_core::signal::Amount;

/// The most drop-ins of a unit that are kept.
pub const MOST_DROP_INS: usize = 16;
/// Labels of one container or pod that are kept; a policy can ask for no other.
pub const MOST_LABELS: usize = 64;
/// The longest name, text or label that is kept, in bytes.
pub const LONGEST: usize = 1024;

/// Labels by name.
pub type Labels = BTreeMap<String, String>;

/// What the sources know of one group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// The unit whose own group it is.
    pub unit: Option<Unit>,
    /// systemd was asked, and the group is no unit's own, whatever its path looks like.
    pub no_unit: bool,
    /// The container whose own group it is.
    pub container: Option<Container>,
    /// The pod that it is, or whose container it is.
    pub pod: Option<Pod>,
}

/// A unit, as systemd knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unit {
    /// Who says so.
    pub source: Arc<str>,
    /// Its name, escaped as systemd writes it.
    pub name: String,
    /// A line for people.
    pub description: String,
    /// The slice that it is in; `None` for the root slice.
    pub slice: Option<String>,
    /// Tells one start of it from the next: 32 hexadecimal digits.
    pub invocation: Option<String>,
    /// The files that change its settings, as far as there is room.
    pub drop_ins: Vec<String>,
}

/// A container, as its runtime knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Container {
    /// Who says so.
    pub source: Arc<str>,
    /// Its name; within its pod, if it has one.
    pub name: String,
    /// The image's name, or its digest where the runtime knows no more.
    pub image: String,
    /// Its own labels, and its pod's where it has none of the name.
    pub labels: Labels,
    /// What it was declared to need.
    pub declared: Declared,
    /// It only holds its pod's namespaces open; nobody's program runs in it.
    pub sandbox: bool,
}

/// A pod, as its runtime knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pod {
    /// Who says so.
    pub source: Arc<str>,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
}

/// What a container was declared to need; `None` where nothing was, or where the runtime is not
/// told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Declared {
    /// What a scheduler counted, in micro-CPUs.
    pub cpu_request: Option<Amount>,
    /// The most, in micro-CPUs.
    pub cpu_limit: Option<Amount>,
    /// What a scheduler counted, in bytes. Kubernetes does not tell its runtimes.
    pub memory_request: Option<Amount>,
    /// The most, in bytes.
    pub memory_limit: Option<Amount>,
}

impl Known {
    /// Adds what another source knows. Of two that know a container, the one that knows its pod
    /// goes before the other: it has the names that people gave.
    pub fn add(&mut self, other: Self) {
        self.unit = other.unit.or_else(|| self.unit.take());
        self.no_unit = self.unit.is_none() && (self.no_unit || other.no_unit);
        if other.container.is_some() && (self.pod.is_none() || other.pod.is_some()) {
            self.container = other.container;
        }
        self.pod = other.pod.or_else(|| self.pod.take());
    }

    /// Who said any of it, without repetition.
    #[must_use]
    pub fn sources(&self) -> Vec<Arc<str>> {
        let unit = self.unit.as_ref().map(|unit| &unit.source);
        let container = self.container.as_ref().map(|container| &container.source);
        let pod = self.pod.as_ref().map(|pod| &pod.source);
        let mut sources: Vec<_> = unit.into_iter().chain(container).chain(pod).collect();
        sources.dedup();
        sources.into_iter().cloned().collect()
    }

    /// Every label: the container's, or else the pod's.
    #[must_use]
    pub fn labels(&self) -> Option<&Labels> {
        match (&self.container, &self.pod) {
            (Some(container), _) => Some(&container.labels),
            (None, Some(pod)) => Some(&pod.labels),
            (None, None) => None,
        }
    }

    /// A name for people, where there is a better one than the path's: `shop/web-0/nginx`,
    /// `shop/web-0`, `web`.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        let name = match (&self.pod, &self.container) {
            (Some(pod), None) => format!("{}/{}", pod.namespace, pod.name),
            (Some(pod), Some(container)) if container.sandbox => {
                format!("{}/{} sandbox", pod.namespace, pod.name)
            }
            (Some(pod), Some(container)) => {
                format!("{}/{}/{}", pod.namespace, pod.name, container.name)
            }
            (None, Some(container)) => container.name.clone(),
            (None, None) => return None,
        };
        Some(name).filter(|name| !name.trim_matches('/').is_empty())
    }
}

/// Keeps a text within bounds, and on one line: it may say anything, and is shown on terminals.
#[must_use]
pub fn bounded(mut text: String) -> String {
    if text.len() > LONGEST {
        text.truncate(text.floor_char_boundary(LONGEST));
    }
    one_line(text)
}

/// Puts blanks where there is no character that can be shown.
fn one_line(text: String) -> String {
    if text.contains(char::is_control) {
        return text.replace(char::is_control, " ");
    }
    text
}

/// Keeps labels within bounds; what is too long or too many is left out, since a part of a label
/// would be another one. Says how many were.
#[must_use]
pub fn bounded_labels(labels: impl IntoIterator<Item = (String, String)>) -> (Labels, usize) {
    let all: Labels = labels.into_iter().collect();
    let count = all.len();
    let short = |(key, value): &(String, String)| key.len() <= LONGEST && value.len() <= LONGEST;
    let shown = |(key, value)| (one_line(key), one_line(value));
    let kept = all.into_iter().filter(short).map(shown).take(MOST_LABELS);
    let kept: Labels = kept.collect();
    let left_out = count - kept.len();
    (kept, left_out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(source: &str) -> Container {
        Container {
            source: source.into(),
            name: "web".into(),
            ..Container::default()
        }
    }

    fn pod(source: &str) -> Pod {
        Pod {
            source: source.into(),
            namespace: "shop".into(),
            name: "web-0".into(),
            ..Pod::default()
        }
    }

    #[test]
    fn who_knows_the_pod_goes_first() {
        let cri = Known {
            container: Some(container("cri")),
            pod: Some(pod("cri")),
            ..Known::default()
        };
        let docker = Known {
            container: Some(container("docker")),
            ..Known::default()
        };
        for [first, second] in [[&cri, &docker], [&docker, &cri]] {
            let mut known = first.clone();
            known.add(second.clone());
            assert_eq!(known, cri);
        }
        let mut known = docker;
        known.add(Known {
            no_unit: true,
            ..Known::default()
        });
        assert!(known.no_unit && known.container.is_some());
        known.add(Known {
            unit: Some(Unit {
                source: "systemd".into(),
                ..Unit::default()
            }),
            ..Known::default()
        });
        assert!(!known.no_unit);
        assert_eq!(known.sources(), ["systemd".into(), "docker".into()]);
    }

    #[test]
    fn names_are_those_that_people_gave() {
        let known = |container, pod| Known {
            container,
            pod,
            ..Known::default()
        };
        let name = |container, pod| known(container, pod).name();
        assert_eq!(name(None, None), None);
        assert_eq!(name(Some(container("a")), None).as_deref(), Some("web"));
        assert_eq!(name(None, Some(pod("a"))).as_deref(), Some("shop/web-0"));
        assert_eq!(
            name(Some(container("a")), Some(pod("a"))).as_deref(),
            Some("shop/web-0/web")
        );
        let sandbox = Container {
            sandbox: true,
            ..Container::default()
        };
        assert_eq!(
            name(Some(sandbox), Some(pod("a"))).as_deref(),
            Some("shop/web-0 sandbox")
        );
        assert_eq!(name(Some(Container::default()), None), None);
    }

    #[test]
    fn what_is_kept_has_bounds() {
        assert_eq!(bounded("é".repeat(LONGEST)).len(), LONGEST);
        assert_eq!(bounded("a\u{1b}[2Jb\n".into()), "a [2Jb ");
        let long = ("long".to_owned(), "x".repeat(LONGEST + 1));
        let many = (0..MOST_LABELS + 3).map(|index| (format!("k{index:03}"), String::new()));
        let (labels, left_out) = bounded_labels(many.chain([long]));
        assert_eq!((labels.len(), left_out), (MOST_LABELS, 4));
        assert!(!labels.contains_key("long"));
    }
}
