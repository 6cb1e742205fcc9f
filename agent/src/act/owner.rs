//! Who may write a group's limits.

use std::fmt;

use super::error::ActError;
use super::systemd::{drop_in, property::property};
use crate::identity::known::Known;
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

/// Who owns a group and what may be done about its limits, for people: what its path tells, and what
/// systemd has said, which is told of limits where it `hears`.
#[must_use]
pub fn described(identity: &Identity, known: &Known, hears: bool) -> String {
    let owner = owner(identity);
    match (&owner, &known.unit) {
        (Owner::Systemd { .. }, Some(unit)) if hears => {
            let pinned = drop_in::pinned(&unit.drop_ins);
            let pinned = pinned.into_iter().filter_map(property);
            let pinned = pinned.collect::<Vec<_>>().join(", ");
            let but = if pinned.is_empty() {
                String::new()
            } else {
                format!("; its administrator has set {pinned} for good, which stays")
            };
            format!("systemd ({}), which is told of each limit{but}", unit.name)
        }
        (Owner::Systemd { .. }, None) if known.no_unit => {
            "nobody: systemd knows no such unit; only a policy that names it writes its limits"
                .into()
        }
        (Owner::Systemd { .. }, None) if hears => {
            format!(
                "{owner}, going by the path alone; only a policy that names it writes its limits"
            )
        }
        (Owner::Cgroupfs | Owner::Kernel, _) => owner.to_string(),
        _ => format!("{owner}; only a policy that names it writes its limits"),
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
    fn descriptions() {
        use crate::identity::known::Unit;

        let unit = |drop_ins: &[&str]| Known {
            unit: Some(Unit {
                name: "a.service".into(),
                drop_ins: drop_ins.iter().map(|path| (*path).to_owned()).collect(),
                ..Unit::default()
            }),
            ..Known::default()
        };
        let no_unit = Known {
            no_unit: true,
            ..Known::default()
        };
        let named = "only a policy that names it writes its limits";
        for (path, known, said) in [
            ("", Known::default(), "the kernel".to_owned()),
            ("plain", Known::default(), "nobody else".into()),
            (
                "a.service",
                unit(&[]),
                "systemd (a.service), which is told of each limit".into(),
            ),
            (
                "a.service",
                unit(&[
                    "/etc/systemd/system.control/a.service.d/50-CPUQuota.conf",
                    "/etc/systemd/system/a.service.d/memory.conf",
                ]),
                "systemd (a.service), which is told of each limit; its administrator has set CPUQuotaPerSecUSec for good, which stays".into(),
            ),
            (
                "a.service",
                no_unit.clone(),
                format!("nobody: systemd knows no such unit; {named}"),
            ),
            (
                "a.service",
                Known::default(),
                format!("systemd (a.service), going by the path alone; {named}"),
            ),
            (
                "a.service/inside",
                Known::default(),
                format!("whoever runs in a.service/inside; {named}"),
            ),
            (
                "user.slice/user-1.slice/user@1.service/app.slice/x.service",
                no_unit,
                format!("whoever runs in x.service; {named}"),
            ),
            (
                "kubepods/burstable",
                Known::default(),
                format!("the kubelet (burstable); {named}"),
            ),
        ] {
            assert_eq!(described(&identify(path), &known, true), said, "{path}");
        }
    }

    #[test]
    fn where_systemd_is_not_told_nobody_says_so() {
        use crate::identity::known::Unit;

        let known = Known {
            unit: Some(Unit {
                name: "a.service".into(),
                ..Unit::default()
            }),
            ..Known::default()
        };
        assert_eq!(
            described(&identify("a.service"), &known, false),
            "systemd (a.service); only a policy that names it writes its limits"
        );
    }

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
