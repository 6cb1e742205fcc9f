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

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "3f2a9c5d7e8b1a0c4d6e8f0a2b4c6d8e0f1a3b5c7d9e1f2a4b6c8d0e2f4a6b8c";
    const UID: &str = "8f14e45f-ceea-467e-a5f2-9d8c1f0b3e77";

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn names_and_kinds() {
        let under = UID.replace('-', "_");
        let short = &ID[..12];
        for (path, kind, name) in [
            ("", Kind::Root, "/".to_owned()),
            ("/", Kind::Root, "/".into()),
            ("system.slice", Kind::Slice, "system.slice".into()),
            (
                "system.slice/nginx.service",
                Kind::Service,
                "nginx.service".into(),
            ),
            (
                "/system.slice/_cpu.service",
                Kind::Service,
                "cpu.service".into(),
            ),
            (
                r"system.slice/my\x2dapp.service/worker",
                Kind::Inside,
                "my-app.service/worker".into(),
            ),
            (
                "system.slice/system-getty.slice/getty@tty1.service",
                Kind::Service,
                "getty@tty1.service".into(),
            ),
            ("init.scope", Kind::Scope, "init.scope".into()),
            (
                "user.slice/user-1000.slice/session-3.scope",
                Kind::Scope,
                "session-3.scope".into(),
            ),
            (
                "system.slice/dbus.socket",
                Kind::OtherUnit,
                "dbus.socket".into(),
            ),
            (
                "trimtab-test/burst",
                Kind::Plain,
                "trimtab-test/burst".into(),
            ),
            ("system.slice/odd", Kind::Plain, "system.slice/odd".into()),
            (
                &format!("system.slice/docker-{ID}.scope"),
                Kind::Container,
                format!("docker:{short}"),
            ),
            (
                &format!("docker/{ID}"),
                Kind::Container,
                format!("docker:{short}"),
            ),
            (
                &format!("docker/{ID}/init"),
                Kind::Inside,
                format!("docker:{short}/init"),
            ),
            (
                &format!("machine.slice/libpod-{ID}.scope/container"),
                Kind::Inside,
                format!("podman:{short}/container"),
            ),
            (
                &format!("machine.slice/libpod-conmon-{ID}.scope"),
                Kind::Monitor,
                format!("podman:{short} monitor"),
            ),
            (
                "kubepods.slice/kubepods-burstable.slice",
                Kind::Pods,
                "kubepods-burstable.slice".into(),
            ),
            ("kubepods/besteffort", Kind::Pods, "besteffort".into()),
            (
                &format!("kubepods/burstable/pod{UID}"),
                Kind::Pod,
                format!("pod:{UID}"),
            ),
            (
                &format!("kubepods/pod{UID}/{ID}"),
                Kind::Container,
                format!("pod:{UID}/{short}"),
            ),
            (
                &format!(
                    "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{under}.slice/cri-containerd-{ID}.scope"
                ),
                Kind::Container,
                format!("pod:{UID}/{short}"),
            ),
            (
                &format!("kubepods.slice/kubepods-pod{under}.slice/crio-conmon-{ID}.scope"),
                Kind::Monitor,
                format!("cri-o:{short} monitor"),
            ),
            (
                "lxc.payload.web/system.slice/ssh.service",
                Kind::Service,
                "ssh.service".into(),
            ),
        ] {
            let found = identify(path);
            assert_eq!((found.kind, found.name), (kind, name), "{path:?}");
        }
    }

    #[test]
    fn owners_of_nested_things() {
        let under = UID.replace('-', "_");
        let kind = identify(&format!(
            "system.slice/docker-{ID}.scope/kubelet.slice/kubelet-kubepods.slice/\
             kubelet-kubepods-besteffort.slice/kubelet-kubepods-besteffort-pod{under}.slice/cri-containerd-{ID}.scope"
        ));
        assert_eq!(
            kind.pod,
            Some(PodId {
                uid: UID.into(),
                qos: Qos::BestEffort
            })
        );
        assert_eq!(
            kind.container.map(|container| container.runtime),
            Some(Runtime::Containerd)
        );

        let guaranteed = identify(&format!("kubepods/pod{UID}/{ID}"));
        assert_eq!(guaranteed.pod.map(|pod| pod.qos), Some(Qos::Guaranteed));

        let user =
            identify("user.slice/user-1000.slice/user@1000.service/app.slice/app-editor.service");
        assert_eq!((user.user, user.user_manager), (Some(1000), true));
        assert_eq!(user.unit.as_deref(), Some("app-editor.service"));
        let session = identify("user.slice/user-0.slice/session-c2.scope");
        assert_eq!(
            (session.user, session.session.as_deref()),
            (Some(0), Some("c2"))
        );
        assert!(!session.user_manager);

        let service = identify("system.slice/nginx.service/worker");
        assert_eq!(service.unit.as_deref(), Some("nginx.service"));
        assert_eq!(service.slice.as_deref(), Some("system.slice"));
        assert_eq!(
            identify("pods/podx").pod,
            None,
            "pods live under kubepods only"
        );
    }
}
