//! The identity of a cgroup, put together from the components of its path.

use super::container::{Container, Qos, Runtime, container, is_kubepods, pod_uid, qos};
use super::unit::{UnitKind, session, unescape, unit, user};

/// What kind of thing a cgroup is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The root of the hierarchy.
    Root,
    /// A systemd slice.
    Slice,
    /// A systemd service.
    Service,
    /// A systemd scope, login sessions included.
    Scope,
    /// A socket, mount or swap unit.
    OtherUnit,
    /// The level of all pods, or of all pods of a class.
    Pods,
    /// A pod.
    Pod,
    /// A container.
    Container,
    /// A runtime's watcher of a container.
    Monitor,
    /// Inside a unit or container, made by whoever runs there.
    Inside,
    /// None of these: a plain directory.
    Plain,
}

/// A container, as far as its path tells.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ContainerId {
    /// Who made it.
    pub runtime: Runtime,
    /// 64 hexadecimal digits, or for LXC its name.
    pub id: String,
}

/// A pod, as far as its path tells.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PodId {
    /// Its UID with dashes, or for a static pod the hash of its configuration.
    pub uid: String,
    /// Its class.
    pub qos: Qos,
}

/// Whose cgroup it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// A short name for people, the same for the same path: `nginx.service`,
    /// `docker:3f2a9c5d7e8b`, `pod:<uid>/3f2a9c5d7e8b`, or the path.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// The nearest systemd unit that is not a slice.
    pub unit: Option<String>,
    /// The nearest slice.
    pub slice: Option<String>,
    /// The innermost container.
    pub container: Option<ContainerId>,
    /// The innermost pod.
    pub pod: Option<PodId>,
    /// The user whose manager or session it belongs to.
    pub user: Option<u32>,
    /// The login session.
    pub session: Option<String>,
    /// Inside a user's own service manager (`user@1000.service`), which owns what is below it.
    pub user_manager: bool,
}

/// Tells the identity of the cgroup at `path`, relative to the hierarchy's root.
#[must_use]
pub fn identify(path: &str) -> Identity {
    let path = path.trim_matches('/');
    let mut walk = Walk::new(if path.is_empty() {
        Kind::Root
    } else {
        Kind::Plain
    });
    for component in path.split('/').filter(|component| !component.is_empty()) {
        walk.enter(component);
    }
    let Walk {
        mut found, base, ..
    } = walk;
    found.name = match found.kind {
        Kind::Root => "/".to_owned(),
        _ if base.is_empty() => path.to_owned(),
        _ => base,
    };
    found
}

/// The walk from the root to the group: what is known so far.
struct Walk<'p> {
    found: Identity,
    /// The name's base: the innermost thing with a name of its own, and what lies below it.
    base: String,
    in_kubepods: bool,
    pod_class: Option<Qos>,
    previous: &'p str,
}

impl<'p> Walk<'p> {
    const fn new(kind: Kind) -> Self {
        let found = Identity {
            name: String::new(),
            kind,
            unit: None,
            slice: None,
            container: None,
            pod: None,
            user: None,
            session: None,
            user_manager: false,
        };
        Self {
            found,
            base: String::new(),
            in_kubepods: false,
            pod_class: None,
            previous: "",
        }
    }

    fn enter(&mut self, component: &'p str) {
        if is_kubepods(component) {
            self.in_kubepods = true;
            self.pod_class = None;
        }
        if self.in_kubepods
            && let Some(class) = qos(component)
        {
            self.pod_class = Some(class);
        }
        if let Some(inner) = container(component) {
            self.container(component, inner);
        } else if let Some(uid) = pod_uid(component).filter(|_| self.in_kubepods) {
            self.pod(component, uid);
        } else if let Some((name, kind)) = unit(component) {
            self.unit(component, name, kind);
        } else if self.in_kubepods && self.found.pod.is_none() && is_pod_level(component) {
            self.found.kind = Kind::Pods;
            component.clone_into(&mut self.base);
        } else {
            self.plain(component);
        }
        self.previous = component;
    }

    fn container(&mut self, component: &str, inner: Container<'_>) {
        self.found.kind = if inner.monitor {
            Kind::Monitor
        } else {
            Kind::Container
        };
        let runtime = match inner.runtime {
            Runtime::Unknown if self.previous == "docker" => Runtime::Docker,
            Runtime::Unknown if self.previous == "libpod_parent" => Runtime::Podman,
            runtime => runtime,
        };
        let short = inner
            .id
            .get(..12)
            .filter(|_| runtime != Runtime::Lxc)
            .unwrap_or(inner.id);
        self.base = match &self.found.pod {
            Some(pod) if !inner.monitor => format!("pod:{}/{short}", pod.uid),
            _ => format!("{}:{short}", runtime.name()),
        };
        if inner.monitor {
            self.base.push_str(" monitor");
        }
        self.found.container = Some(ContainerId {
            runtime,
            id: inner.id.to_owned(),
        });
        if let Some((name, _)) = unit(component) {
            self.found.unit = Some(unescape(name));
        }
    }

    fn pod(&mut self, component: &str, uid: String) {
        self.found.kind = Kind::Pod;
        self.base = format!("pod:{uid}");
        self.found.pod = Some(PodId {
            uid,
            qos: self.pod_class.unwrap_or(Qos::Guaranteed),
        });
        self.found.container = None;
        self.found.unit = None;
        if let Some((name, UnitKind::Slice)) = unit(component) {
            self.found.slice = Some(unescape(name));
        }
    }

    fn unit(&mut self, component: &str, name: &str, kind: UnitKind) {
        let name = unescape(name);
        if let Some(uid) = user(component) {
            self.found.user = Some(uid);
            self.found.user_manager |= kind == UnitKind::Service;
        }
        if let Some(session) = session(component) {
            self.found.session = Some(session.to_owned());
        }
        self.base.clone_from(&name);
        self.found.kind = match kind {
            UnitKind::Slice if self.in_kubepods && is_pod_level(component) => Kind::Pods,
            UnitKind::Slice => Kind::Slice,
            UnitKind::Service => Kind::Service,
            UnitKind::Scope => Kind::Scope,
            UnitKind::Other => Kind::OtherUnit,
        };
        if kind == UnitKind::Slice {
            self.found.slice = Some(name);
            self.found.unit = None;
        } else {
            self.found.unit = Some(name);
        }
    }

    fn plain(&mut self, component: &str) {
        match self.found.kind {
            // Slices hold units only: a bare directory in one is nobody's that we know.
            Kind::Root | Kind::Plain | Kind::Slice | Kind::Pods => {
                self.found.kind = Kind::Plain;
                self.base.clear();
            }
            _ => {
                self.found.kind = Kind::Inside;
                self.base.push('/');
                self.base.push_str(component);
            }
        }
    }
}

/// Whether this is the level of all pods, or of all pods of a class.
fn is_pod_level(component: &str) -> bool {
    is_kubepods(component) || qos(component).is_some()
}
