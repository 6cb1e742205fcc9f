//! Which workloads are meant: what is known of them beyond their paths.

use std::{borrow::Cow, collections::BTreeMap};

use globset::{GlobBuilder, GlobMatcher};

use crate::identity::{
    container::Qos,
    known::Known,
    path::{Identity, Kind},
    unit::unit,
};

/// A glob over a whole text. `*` stands for anything, slashes included.
#[derive(Clone, Debug)]
pub struct Pattern(GlobMatcher);

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// What globset says about one that is none.
    pub fn new(text: &str) -> Result<Self, globset::Error> {
        let glob = GlobBuilder::new(text).backslash_escape(true).build()?;
        Ok(Self(glob.compile_matcher()))
    }

    fn matches(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.glob() == other.0.glob()
    }
}

impl Eq for Pattern {}

/// What is asked of a workload; all of it has to hold. What is not known (yet) does not hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Match {
    /// The name of the unit whose own group it is.
    pub unit: Option<Pattern>,
    /// The name of the container.
    pub container: Option<Pattern>,
    /// The name of its image.
    pub image: Option<Pattern>,
    /// The namespace of the pod that it is or belongs to.
    pub namespace: Option<Pattern>,
    /// The name of that pod.
    pub pod: Option<Pattern>,
    /// The class of that pod.
    pub qos: Option<Qos>,
    /// Labels of the container, or else of its pod.
    pub labels: BTreeMap<String, Pattern>,
}

/// What there is to be matched.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The path below the hierarchy's root, with a leading slash.
    pub path: &'a str,
    /// What the path tells.
    pub identity: &'a Identity,
    /// What sources have told so far.
    pub known: &'a Known,
}

impl Match {
    /// Whether anything is asked that only a container runtime can answer.
    #[must_use]
    pub fn needs_runtime(&self) -> bool {
        self.container.is_some()
            || self.image.is_some()
            || self.namespace.is_some()
            || self.pod.is_some()
            || !self.labels.is_empty()
    }

    /// Whether all that is asked holds.
    #[must_use]
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        let known = subject.known;
        let (container, pod) = (known.container.as_ref(), known.pod.as_ref());
        // A pod's sandbox has its pod's name and does none of its work.
        if container.is_some_and(|container| container.sandbox) {
            return false;
        }
        let text = |pattern: &Option<Pattern>, text: Option<&str>| {
            let holds = |pattern: &Pattern| text.is_some_and(|text| pattern.matches(text));
            pattern.as_ref().is_none_or(holds)
        };
        let labels = known.labels();
        let label = |(key, pattern): (&String, &Pattern)| {
            let value = labels.and_then(|labels| labels.get(key));
            value.is_some_and(|value| pattern.matches(value))
        };
        text(&self.unit, own_unit(subject).as_deref())
            && text(&self.container, container.map(|one| one.name.as_str()))
            && text(&self.image, container.map(|one| one.image.as_str()))
            && text(&self.namespace, pod.map(|pod| pod.namespace.as_str()))
            && text(&self.pod, pod.map(|pod| pod.name.as_str()))
            && self.qos.is_none_or(|qos| own_qos(subject) == Some(qos))
            && self.labels.iter().all(label)
    }
}

/// The unit whose own group it is: what systemd says, or else the directory's name.
#[must_use]
pub fn own_unit<'a>(subject: &Subject<'a>) -> Option<Cow<'a, str>> {
    let known = subject.known;
    if let Some(unit) = &known.unit {
        return Some(Cow::Borrowed(&unit.name));
    }
    let inside = subject.identity.user_manager || known.no_unit;
    let last = subject.path.rsplit('/').next().unwrap_or_default();
    unit(last)
        .filter(|_| !inside)
        .map(|(name, _)| Cow::Borrowed(name))
}

/// The class of the pod that it is, or whose container it is.
#[must_use]
pub fn own_qos(subject: &Subject<'_>) -> Option<Qos> {
    let identity = subject.identity;
    let own = matches!(identity.kind, Kind::Pod | Kind::Container);
    identity.pod.as_ref().filter(|_| own).map(|pod| pod.qos)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{
        known::{Container, Pod, Unit},
        path::identify,
    };

    const ID: &str = "3f2a9c5d7e8b1a0c4d6e8f0a2b4c6d8e0f1a3b5c7d9e1f2a4b6c8d0e2f4a6b8c";

    fn pattern(text: &str) -> Pattern {
        Pattern::new(text).unwrap()
    }

    fn holds(wanted: &Match, path: &str, known: &Known) -> bool {
        let identity = identify(path);
        wanted.matches(&Subject {
            path,
            identity: &identity,
            known,
        })
    }

    fn web() -> Known {
        let labels = [("app".to_owned(), "shop".to_owned())];
        Known {
            container: Some(Container {
                name: "web".into(),
                image: "registry.example/shop/web:1.2".into(),
                labels: labels.clone().into(),
                ..Container::default()
            }),
            pod: Some(Pod {
                namespace: "shop".into(),
                name: "web-0".into(),
                labels: labels.into(),
                ..Pod::default()
            }),
            ..Known::default()
        }
    }

    #[test]
    fn each_key_asks_for_its_own() {
        let path = format!("/kubepods/burstable/pod8f14e45f-ceea-467e-a5f2-9d8c1f0b3e77/{ID}");
        let none = Match::default();
        let label = |key: &str, value: &str| Match {
            labels: [(key.to_owned(), pattern(value))].into(),
            ..Match::default()
        };
        #[rustfmt::skip]
        let table = [
            (Match { container: Some(pattern("web")), ..none.clone() }, true),
            (Match { container: Some(pattern("we")), ..none.clone() }, false),
            (Match { image: Some(pattern("*/web:*")), ..none.clone() }, true),
            (Match { image: Some(pattern("web:*")), ..none.clone() }, false),
            (Match { namespace: Some(pattern("shop")), pod: Some(pattern("web-?")), ..none.clone() }, true),
            (Match { namespace: Some(pattern("shop")), pod: Some(pattern("db-*")), ..none.clone() }, false),
            (label("app", "{shop,store}"), true),
            (label("app", "Shop"), false),
            (label("tier", "*"), false),
        ];
        for (wanted, expected) in table {
            assert_eq!(holds(&wanted, &path, &web()), expected, "{wanted:?}");
            assert!(
                !holds(&wanted, &path, &Known::default()),
                "nothing is known yet: {wanted:?}"
            );
        }
        for (qos, expected) in [(Qos::Burstable, true), (Qos::Guaranteed, false)] {
            let wanted = Match {
                qos: Some(qos),
                ..none.clone()
            };
            // The path tells.
            assert_eq!(holds(&wanted, &path, &Known::default()), expected);
            let inside = format!("{path}/inside");
            assert!(!holds(&wanted, &inside, &Known::default()));
        }
        let mut sandbox = web();
        sandbox.container.as_mut().unwrap().sandbox = true;
        let pod = Match {
            pod: Some(pattern("*")),
            ..none
        };
        assert!(holds(&pod, &path, &web()) && !holds(&pod, &path, &sandbox));
    }

    #[test]
    fn a_unit_is_what_systemd_says_or_else_what_the_path_looks_like() {
        let wanted = Match {
            unit: Some(pattern("nginx*.service")),
            ..Match::default()
        };
        let nothing = Known::default();
        let no_unit = Known {
            no_unit: true,
            ..Known::default()
        };
        let other = Known {
            unit: Some(Unit {
                name: "other.service".into(),
                ..Unit::default()
            }),
            ..Known::default()
        };
        let path = "/system.slice/nginx.service";
        assert!(holds(&wanted, path, &nothing));
        assert!(!holds(&wanted, path, &no_unit));
        assert!(!holds(&wanted, path, &other));
        assert!(!holds(
            &wanted,
            "/system.slice/nginx.service/worker",
            &nothing
        ));
        assert!(
            !holds(
                &wanted,
                "/user.slice/user-1.slice/user@1.service/app.slice/nginx.service",
                &nothing
            ),
            "another manager's"
        );
        assert!(!holds(&wanted, "/plain", &nothing));
    }
}
