//! Which language runtime runs in a process, by its executable and its libraries, and what that
//! one makes of its limits.
//!
//! What is said of each is from its own source or release notes: `cgroupV2Subsystem_linux.cpp` of the
//! JDK, `cgroup.cpp` of .NET, libuv's `uv_get_constrained_memory`, the notes of Go 1.25.

/// A language runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Runtime {
    /// A Java virtual machine in a `libjvm.so`, such as that of the JDK.
    Java,
    /// .NET, with a `libcoreclr.so`.
    DotNet,
    /// What Go's linker makes.
    Go,
    /// Node.js.
    Node,
    /// Python's own interpreter.
    Python,
}

/// Names of executables, without a version at the end.
const EXECUTABLES: [(&str, Runtime); 5] = [
    ("java", Runtime::Java),
    ("dotnet", Runtime::DotNet),
    ("node", Runtime::Node),
    ("nodejs", Runtime::Node),
    ("python", Runtime::Python),
];

/// How names of libraries begin. Who embeds two runs mostly what comes first.
const LIBRARIES: [(&str, Runtime); 4] = [
    ("libjvm.so", Runtime::Java),
    ("libcoreclr.so", Runtime::DotNet),
    ("libnode.so", Runtime::Node),
    ("libpython3", Runtime::Python),
];

impl Runtime {
    /// By the file name of an executable.
    #[must_use]
    pub fn of_executable(name: &str) -> Option<Self> {
        let stem = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
        let mut rules = EXECUTABLES.iter();
        rules.find(|(name, _)| *name == stem).map(|rule| rule.1)
    }

    /// By the file names of the libraries of a process.
    pub fn of_libraries<'a>(names: impl Iterator<Item = &'a [u8]>) -> Option<Self> {
        let place = |name: &[u8]| {
            LIBRARIES
                .iter()
                .position(|(start, _)| name.starts_with(start.as_bytes()))
        };
        names.filter_map(place).min().map(|rule| LIBRARIES[rule].1)
    }

    /// What people call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Java => "Java",
            Self::DotNet => ".NET",
            Self::Go => "Go",
            Self::Node => "Node.js",
            Self::Python => "CPython",
        }
    }
}

/// When a runtime looks at a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looks {
    /// Not by itself.
    Never,
    /// When it starts, and keeps to that.
    AtStart,
    /// Again and again.
    Always,
}

/// A runtime that was found.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Found {
    /// Which one.
    pub runtime: Runtime,
    /// Its version, where the executable tells.
    pub version: Option<String>,
}

impl Found {
    /// One of unknown version.
    #[must_use]
    pub const fn new(runtime: Runtime) -> Self {
        Self {
            runtime,
            version: None,
        }
    }

    /// Go, by the build information in an executable; `None` where that is none.
    ///
    /// Since Go 1.18 the version stands in it, before that behind a pointer (`debug/buildinfo`).
    #[must_use]
    pub fn go(build: &[u8]) -> Option<Self> {
        let flags = *build.strip_prefix(b"\xff Go buildinf:")?.get(1)?;
        let inline = flags & 2 != 0;
        let version = build.get(32..).filter(|_| inline).and_then(text);
        Some(Self {
            runtime: Runtime::Go,
            version: version.and_then(|text| {
                let version = text.split(' ').find_map(|word| word.strip_prefix("go"))?;
                let plain = version.bytes().all(|byte| byte.is_ascii_graphic());
                (plain && !version.is_empty()).then(|| version.to_owned())
            }),
        })
    }

    /// When it looks at its CPU limit.
    #[must_use]
    pub fn cpu(&self) -> Looks {
        match self.runtime {
            Runtime::Java | Runtime::DotNet => Looks::AtStart,
            Runtime::Go if self.follows_quota() => Looks::Always,
            Runtime::Go | Runtime::Node | Runtime::Python => Looks::Never,
        }
    }

    /// When it looks at its memory limit.
    #[must_use]
    pub const fn memory(&self) -> Looks {
        match self.runtime {
            Runtime::Java | Runtime::DotNet | Runtime::Node => Looks::AtStart,
            Runtime::Go | Runtime::Python => Looks::Never,
        }
    }

    /// Whether v2's `memory.high` is a limit to it, beside `memory.max`.
    #[must_use]
    pub const fn minds_high(&self) -> bool {
        matches!(self.runtime, Runtime::Node)
    }

    /// What it makes of its limits, in words.
    #[must_use]
    pub fn sizing(&self) -> &'static str {
        match (self.cpu(), self.memory()) {
            (Looks::Never, Looks::Never) => "does not look at its limits",
            (Looks::Always, _) => {
                "keeps GOMAXPROCS to its CPU limit, which it reads again and again"
            }
            (Looks::AtStart, _) => {
                "sizes its threads and heap at start, from the limits it then saw"
            }
            (Looks::Never, _) => "sizes its heap at start, from the memory limit it then saw",
        }
    }

    /// Whether it is Go 1.25 or later: before that it looks at the CPUs that it may run on.
    fn follows_quota(&self) -> bool {
        let minor = |version: &str| {
            let rest = version.strip_prefix("1.")?;
            let end = rest.find(|c: char| !c.is_ascii_digit());
            rest[..end.unwrap_or(rest.len())].parse::<u32>().ok()
        };
        let minor = self.version.as_deref().and_then(minor);
        minor.is_some_and(|minor| minor >= 25)
    }
}

/// A text after its length, of which less than 128 bytes are expected.
fn text(bytes: &[u8]) -> Option<&str> {
    let (length, rest) = bytes.split_first()?;
    std::str::from_utf8(rest.get(..usize::from(*length))?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executables_are_known_by_name() {
        #[rustfmt::skip]
        let table = [
            ("java", Some(Runtime::Java)),
            ("dotnet", Some(Runtime::DotNet)),
            ("node", Some(Runtime::Node)),
            ("nodejs", Some(Runtime::Node)),
            ("node22", Some(Runtime::Node)),
            ("python", Some(Runtime::Python)),
            ("python3", Some(Runtime::Python)),
            ("python3.13", Some(Runtime::Python)),
            ("javac", None),
            ("javad", None),
            ("node_exporter", None),
            ("pythonista", None),
            ("3.13", None),
            ("", None),
        ];
        for (name, expected) in table {
            assert_eq!(Runtime::of_executable(name), expected, "{name}");
        }
    }

    #[test]
    fn libraries_tell_what_is_embedded() {
        let found = |names: &[&str]| {
            let names: Vec<_> = names.iter().map(|name| name.as_bytes()).collect();
            Runtime::of_libraries(names.into_iter())
        };
        #[rustfmt::skip]
        let table: [(&[&str], _); 7] = [
            (&["libc.so.6", "libjvm.so"], Some(Runtime::Java)),
            (&["libcoreclr.so", "libc.so.6"], Some(Runtime::DotNet)),
            (&["libnode.so.115"], Some(Runtime::Node)),
            (&["libpython3.11.so.1.0"], Some(Runtime::Python)),
            (&["libpython3.11.so.1.0", "libjvm.so"], Some(Runtime::Java)),
            (&["libpython2.7.so", "mylibjvm.so"], None),
            (&[], None),
        ];
        for (names, expected) in table {
            assert_eq!(found(names), expected, "{names:?}");
        }
    }

    /// Build information with the version in it, as it begins.
    fn build(version: &str) -> Vec<u8> {
        let mut bytes = b"\xff Go buildinf:\x08\x02".to_vec();
        bytes.resize(32, 0);
        bytes.push(u8::try_from(version.len()).unwrap());
        bytes.extend(version.as_bytes());
        bytes.extend(b"\x03mod");
        bytes
    }

    #[test]
    fn go_tells_its_version_and_follows_its_quota_since_1_25() {
        #[rustfmt::skip]
        let table = [
            ("go1.25.3", Some("1.25.3"), Looks::Always),
            ("go1.25rc1", Some("1.25rc1"), Looks::Always),
            ("go1.100", Some("1.100"), Looks::Always),
            ("go1.26.0 X:greenteagc", Some("1.26.0"), Looks::Always),
            ("devel go1.26-2f1d6ae Thu Jun 5", Some("1.26-2f1d6ae"), Looks::Always),
            ("go1.24.9", Some("1.24.9"), Looks::Never),
            ("go1.2", Some("1.2"), Looks::Never),
            ("unknown", None, Looks::Never),
            ("", None, Looks::Never),
        ];
        for (text, version, looks) in table {
            let found = Found::go(&build(text)).unwrap();
            assert_eq!(found.version.as_deref(), version, "{text}");
            assert_eq!((found.cpu(), found.memory()), (looks, Looks::Never));
        }
    }

    #[test]
    fn build_information_may_be_old_cut_or_none() {
        let whole = build("go1.25.3");
        let mut old = whole.clone();
        old[15] = 0;
        assert_eq!(Found::go(&old), Some(Found::new(Runtime::Go)));
        assert_eq!(Found::go(&whole[..36]), Some(Found::new(Runtime::Go)));
        assert_eq!(Found::go(&whole[..15]), None);
        assert_eq!(Found::go(b"\x7fELF Go buildinf:\x08\x02"), None);
        assert_eq!(Found::go(b""), None);
    }

    #[test]
    fn each_runtime_says_what_it_does() {
        let says = |runtime| Found::new(runtime).sizing();
        assert!(says(Runtime::Java).contains("threads and heap at start"));
        assert_eq!(says(Runtime::Java), says(Runtime::DotNet));
        assert!(says(Runtime::Node).contains("its heap at start"));
        assert_eq!(says(Runtime::Python), "does not look at its limits");
        assert_eq!(says(Runtime::Go), "does not look at its limits");
        let go = Found::go(&build("go1.25")).unwrap();
        assert!(go.sizing().contains("GOMAXPROCS"));
    }
}
