//! Who may write a group's limits.

use std::fmt;

use super::error::ActError;
use crate::identity::path::{Identity, Kind};

/// Who writes a group's limits when nobody interferes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// Nobody: a plain directory that we may write, or that was delegated to us.
    Cgroupfs,
    /// systemd, for a unit's own group.
    Systemd {
        /// The unit.
        unit: String,
    },
    /// Whoever runs inside a unit, a user's manager or a container, and made groups of its own.
    Delegate {
        /// The unit or container.
        of: String,
    },
    /// A container runtime.
    Runtime {
        /// Its name.
        name: &'static str,
        /// The container.
        container: String,
    },
    /// The kubelet.
    Kubelet {
        /// The pod, or the level of pods.
        name: String,
    },
    /// The kernel: the root has no limits.
    Kernel,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cgroupfs => f.write_str("nobody else"),
            Self::Systemd { unit } => write!(f, "systemd ({unit})"),
            Self::Delegate { of } => write!(f, "whoever runs in {of}"),
            Self::Runtime { name, container } => write!(f, "{name} ({container})"),
            Self::Kubelet { name } => write!(f, "the kubelet ({name})"),
            Self::Kernel => f.write_str("the kernel"),
        }
    }
}

/// The owner of a group, told from its identity.
#[must_use]
pub fn owner(identity: &Identity) -> Owner {
    let name = || identity.name.clone();
    match identity.kind {
        Kind::Root => Owner::Kernel,
        Kind::Plain => Owner::Cgroupfs,
        Kind::Pods | Kind::Pod => Owner::Kubelet { name: name() },
        Kind::Container | Kind::Monitor => {
            let runtime = identity
                .container
                .as_ref()
                .map_or("its runtime", |container| container.runtime.name());
            Owner::Runtime {
                name: runtime,
                container: name(),
            }
        }
        Kind::Inside => Owner::Delegate { of: name() },
        Kind::Slice | Kind::Service | Kind::Scope | Kind::OtherUnit => {
            let unit = identity
                .unit
                .clone()
                .or_else(|| identity.slice.clone())
                .unwrap_or_else(name);
            if identity.user_manager && identity.kind != Kind::Slice && !unit.starts_with("user@") {
                Owner::Delegate { of: unit }
            } else {
                Owner::Systemd { unit }
            }
        }
    }
}

/// Whether we may write the group's files ourselves: where nobody else does, or where the policy
/// names the group outright and so takes the blame for going behind its owner's back.
///
/// # Errors
/// [`ActError::NotOurs`] names the owner.
pub fn may_write(group: &str, owner: &Owner, named_by_policy: bool) -> Result<(), ActError> {
    let allowed = match owner {
        Owner::Cgroupfs => true,
        Owner::Kernel => false,
        _ => named_by_policy,
    };
    if allowed {
        return Ok(());
    }
    Err(ActError::NotOurs {
        group: group.to_owned(),
        owner: owner.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::path::identify;

    #[test]
    fn owners() {
        let id = "3f2a9c5d7e8b1a0c4d6e8f0a2b4c6d8e0f1a3b5c7d9e1f2a4b6c8d0e2f4a6b8c";
        for (path, said, free, named) in [
            ("", "the kernel", false, false),
            ("trimtab-run/1", "nobody else", true, true),
            (
                "system.slice/nginx.service",
                "systemd (nginx.service)",
                false,
                true,
            ),
            ("system.slice", "systemd (system.slice)", false, true),
            (
                "system.slice/nginx.service/w",
                "whoever runs in nginx.service/w",
                false,
                true,
            ),
            (
                &format!("docker/{id}"),
                "docker (docker:3f2a9c5d7e8b)",
                false,
                true,
            ),
            ("kubepods/burstable", "the kubelet (burstable)", false, true),
            (
                "user.slice/user-1.slice/user@1.service/app.slice/x.service",
                "whoever runs in x.service",
                false,
                true,
            ),
        ] {
            let owner = owner(&identify(path));
            assert_eq!(owner.to_string(), said, "{path}");
            assert_eq!(may_write(path, &owner, false).is_ok(), free, "{path}");
            assert_eq!(may_write(path, &owner, true).is_ok(), named, "{path}");
        }
        let refused = may_write("a.service", &owner(&identify("a.service")), false).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "a.service: systemd (a.service) writes its limits; select it by name to manage it nevertheless"
        );
    }
}
