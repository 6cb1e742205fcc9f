//! Containers and pods in cgroup paths, as their runtimes lay them out.

/// Who made a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Runtime {
    /// containerd through the container runtime interface.
    Containerd,
    /// CRI-O.
    Crio,
    /// Docker.
    Docker,
    /// Podman.
    Podman,
    /// LXC and Incus.
    Lxc,
    /// The path does not say.
    Unknown,
}

impl Runtime {
    /// The name as it is shown.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Containerd => "containerd",
            Self::Crio => "cri-o",
            Self::Docker => "docker",
            Self::Podman => "podman",
            Self::Lxc => "lxc",
            Self::Unknown => "container",
        }
    }
}

/// What a path component says about a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Container<'a> {
    /// Who made it.
    pub runtime: Runtime,
    /// 64 hexadecimal digits, or for LXC its name.
    pub id: &'a str,
    /// The runtime's own watcher of the container, not the container itself.
    pub monitor: bool,
}

/// Parses one directory name; `None` if it names no container.
#[must_use]
pub fn container(component: &str) -> Option<Container<'_>> {
    if let Some(name) = component.strip_prefix("lxc.payload.") {
        return Some(Container {
            runtime: Runtime::Lxc,
            id: name,
            monitor: false,
        });
    }
    if let Some(name) = component.strip_prefix("lxc.monitor.") {
        return Some(Container {
            runtime: Runtime::Lxc,
            id: name,
            monitor: true,
        });
    }
    let name = component.strip_suffix(".scope").unwrap_or(component);
    let start = name.len().checked_sub(ID_LENGTH)?;
    // Bytes, not characters: a cut inside a character would be a bug, not an id.
    let (prefix, id) = (name.get(..start)?, name.get(start..)?);
    if !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let prefix = match prefix.strip_suffix(['-', ':']) {
        Some(prefix) => prefix.rsplit(':').next().unwrap_or(prefix),
        None if prefix.is_empty() => "",
        None => return None,
    };
    let (prefix, monitor) = match prefix.strip_suffix("-conmon") {
        Some(prefix) => (prefix, true),
        None => (prefix, false),
    };
    let runtime = match prefix {
        "cri-containerd" => Runtime::Containerd,
        "crio" => Runtime::Crio,
        "docker" => Runtime::Docker,
        "libpod" | "libpod-payload" => Runtime::Podman,
        _ => Runtime::Unknown,
    };
    Some(Container {
        runtime,
        id,
        monitor,
    })
}

const ID_LENGTH: usize = 64;

/// The three classes of Kubernetes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Qos {
    /// Requests equal limits.
    Guaranteed,
    /// Some requests.
    Burstable,
    /// None.
    BestEffort,
}

/// The pod of `pod<uid>` or `kubepods-burstable-pod<uid>.slice`: its UID with dashes. A static
/// pod has the hash of its configuration instead.
#[must_use]
pub fn pod_uid(component: &str) -> Option<String> {
    let name = component.strip_suffix(".slice").unwrap_or(component);
    let uid = if let Some(uid) = name.strip_prefix("pod") {
        uid
    } else {
        name.rsplit_once("-pod")?.1
    };
    let dashed = uid.len() == 36
        && uid.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => matches!(byte, b'-' | b'_'),
            _ => byte.is_ascii_hexdigit(),
        });
    let hash = uid.len() == 32 && uid.bytes().all(|byte| byte.is_ascii_hexdigit());
    (dashed || hash).then(|| uid.replace('_', "-"))
}

/// The class that a component stands for: a level of its own, or part of a pod's slice name.
#[must_use]
pub fn qos(component: &str) -> Option<Qos> {
    let name = component.strip_suffix(".slice").unwrap_or(component);
    if name == "burstable"
        || name.ends_with("kubepods-burstable")
        || name.contains("kubepods-burstable-pod")
    {
        Some(Qos::Burstable)
    } else if name == "besteffort"
        || name.ends_with("kubepods-besteffort")
        || name.contains("kubepods-besteffort-pod")
    {
        Some(Qos::BestEffort)
    } else {
        None
    }
}

/// Whether this is the level under which all of a kubelet's pods live.
#[must_use]
pub fn is_kubepods(component: &str) -> bool {
    let name = component.strip_suffix(".slice").unwrap_or(component);
    name == "kubepods" || name.ends_with("-kubepods")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "3f2a9c5d7e8b1a0c4d6e8f0a2b4c6d8e0f1a3b5c7d9e1f2a4b6c8d0e2f4a6b8c";

    #[test]
    fn containers() {
        let found = |runtime, monitor| {
            Some(Container {
                runtime,
                id: ID,
                monitor,
            })
        };
        for (component, expected) in [
            (
                format!("cri-containerd-{ID}.scope"),
                found(Runtime::Containerd, false),
            ),
            (format!("crio-{ID}.scope"), found(Runtime::Crio, false)),
            (format!("crio-{ID}"), found(Runtime::Crio, false)),
            (
                format!("crio-conmon-{ID}.scope"),
                found(Runtime::Crio, true),
            ),
            (format!("docker-{ID}.scope"), found(Runtime::Docker, false)),
            (format!("libpod-{ID}.scope"), found(Runtime::Podman, false)),
            (
                format!("libpod-conmon-{ID}.scope"),
                found(Runtime::Podman, true),
            ),
            (
                format!("libpod-payload-{ID}"),
                found(Runtime::Podman, false),
            ),
            (ID.to_owned(), found(Runtime::Unknown, false)),
            (
                format!("kubepods-pod1.slice:cri-containerd:{ID}"),
                found(Runtime::Containerd, false),
            ),
            (format!("other-{ID}.scope"), found(Runtime::Unknown, false)),
            (format!("x{ID}.scope"), None),
            (format!("docker-{}.scope", &ID[1..]), None),
            (format!("docker-{}z.scope", &ID[1..]), None),
            (format!("é{}", &ID[1..]), None),
            ("docker".to_owned(), None),
            (String::new(), None),
        ] {
            assert_eq!(container(&component), expected, "{component:?}");
        }
        let lxc = container("lxc.payload.web").unwrap();
        assert_eq!(
            (lxc.runtime, lxc.id, lxc.monitor),
            (Runtime::Lxc, "web", false)
        );
        assert!(container("lxc.monitor.web").unwrap().monitor);
    }

    #[test]
    fn pods() {
        let uid = "8f14e45f-ceea-467e-a5f2-9d8c1f0b3e77";
        let under = uid.replace('-', "_");
        for (component, expected) in [
            (format!("pod{uid}"), Some(uid.to_owned())),
            (
                format!("kubepods-burstable-pod{under}.slice"),
                Some(uid.to_owned()),
            ),
            (format!("kubepods-pod{under}.slice"), Some(uid.to_owned())),
            (
                format!("kubelet-kubepods-besteffort-pod{under}.slice"),
                Some(uid.to_owned()),
            ),
            (
                "pod0123456789abcdef0123456789abcdef".into(),
                Some("0123456789abcdef0123456789abcdef".into()),
            ),
            ("podman.service".into(), None),
            ("kubepods.slice".into(), None),
            (format!("pod{}", &uid[1..]), None),
        ] {
            assert_eq!(pod_uid(&component), expected, "{component:?}");
        }
        assert_eq!(qos("burstable"), Some(Qos::Burstable));
        assert_eq!(qos("kubepods-besteffort.slice"), Some(Qos::BestEffort));
        assert_eq!(
            qos(&format!("kubepods-burstable-pod{under}.slice")),
            Some(Qos::Burstable)
        );
        assert_eq!(qos(&format!("kubepods-pod{under}.slice")), None);
        assert!(
            is_kubepods("kubepods")
                && is_kubepods("kubepods.slice")
                && is_kubepods("kubelet-kubepods.slice")
        );
        assert!(!is_kubepods("kubepods-burstable.slice"));
    }
}
