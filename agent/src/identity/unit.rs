//! systemd units in cgroup paths.

/// The kinds of units that have cgroups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnitKind {
    /// Groups other units.
    Slice,
    /// Processes that systemd starts.
    Service,
    /// Processes that somebody else started and registered.
    Scope,
    /// Sockets, mounts and swaps: helpers run in them.
    Other,
}

/// The unit that a directory name stands for, with its kind; `None` if it is no unit.
///
/// systemd puts `_` before names that could be mistaken for a file of the kernel's
/// (`_cpu.service`), and before names that start with `_` themselves.
#[must_use]
pub fn unit(component: &str) -> Option<(&str, UnitKind)> {
    let name = component.strip_prefix('_').unwrap_or(component);
    let (stem, suffix) = name.rsplit_once('.')?;
    let kind = match suffix {
        "slice" => UnitKind::Slice,
        "service" => UnitKind::Service,
        "scope" => UnitKind::Scope,
        "socket" | "mount" | "swap" => UnitKind::Other,
        _ => return None,
    };
    (!stem.is_empty() && !name.contains(':')).then_some((name, kind))
}

/// Undoes systemd's escaping of single bytes, `\x2d` for `-`, for people to read. What is no
/// such escape stays as it is.
#[must_use]
pub fn unescape(name: &str) -> String {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let [first, tail @ ..] = rest {
        if let [b'\\', b'x', high, low, after @ ..] = rest
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            bytes.push(high << 4 | low);
            rest = after;
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| name.to_owned())
}

/// The user whose session or manager a component belongs to: `user-1000.slice`, `user@1000.service`.
#[must_use]
pub fn user(component: &str) -> Option<u32> {
    let id = component
        .strip_prefix("user-")
        .and_then(|rest| rest.strip_suffix(".slice"))
        .or_else(|| {
            component
                .strip_prefix("user@")
                .and_then(|rest| rest.strip_suffix(".service"))
        })?;
    id.parse().ok()
}

/// The login session of `session-3.scope`.
#[must_use]
pub fn session(component: &str) -> Option<&str> {
    component.strip_prefix("session-")?.strip_suffix(".scope")
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units() {
        for (component, expected) in [
            ("nginx.service", Some(("nginx.service", UnitKind::Service))),
            ("system.slice", Some(("system.slice", UnitKind::Slice))),
            (
                "session-3.scope",
                Some(("session-3.scope", UnitKind::Scope)),
            ),
            ("_cpu.service", Some(("cpu.service", UnitKind::Service))),
            ("__x.service", Some(("_x.service", UnitKind::Service))),
            ("a.b@c.service", Some(("a.b@c.service", UnitKind::Service))),
            (
                "dev-hugepages.mount",
                Some(("dev-hugepages.mount", UnitKind::Other)),
            ),
            ("dbus.socket", Some(("dbus.socket", UnitKind::Other))),
            ("-.slice", Some(("-.slice", UnitKind::Slice))),
            ("worker", None),
            (".service", None),
            ("", None),
            ("docker", None),
            ("system.slice:docker:0a.scope", None),
        ] {
            assert_eq!(unit(component), expected, "{component:?}");
        }
    }

    #[test]
    fn escapes() {
        for (name, text) in [
            (r"foo\x2dbar.service", "foo-bar.service"),
            (r"a\x2", r"a\x2"),
            (r"a\xzz", r"a\xzz"),
            (r"\xc3\xa9.service", "é.service"),
            (r"\xff.service", r"\xff.service"),
            ("plain", "plain"),
            ("", ""),
        ] {
            assert_eq!(unescape(name), text, "{name:?}");
        }
    }

    #[test]
    fn users() {
        assert_eq!(user("user-1000.slice"), Some(1000));
        assert_eq!(user("user@0.service"), Some(0));
        assert_eq!(user("user.slice"), None);
        assert_eq!(user("user-x.slice"), None);
        assert_eq!(session("session-c2.scope"), Some("c2"));
    }
}
