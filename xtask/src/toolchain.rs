//! Which toolchain compiles the eBPF object, decided in one place.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, bail};

use crate::cmd;

/// The rustup name under which Debian's own compiler is linked.
pub(crate) const DEBIAN: &str = "debian";
/// Where Debian keeps the standard library that it compiled for the bpf target.
pub(crate) const DEBIAN_BPF_CORE: &str = "/usr/lib/rustlib/bpfel-unknown-none";
/// The target triple of the probes.
pub(crate) const TARGET: &str = "bpfel-unknown-none";
/// What turns bitcode into the object.
const LINKER: &str = "bpf-linker";
/// Overrides the choice: the name of a rustup toolchain.
const OVERRIDE: &str = "TRIMTAB_EBPF_TOOLCHAIN";

/// A way to compile for the bpf target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Toolchain {
    /// Debian's `rustc-web`, which comes with `core` compiled for bpf.
    Debian,
    /// A rustup toolchain with `rust-src`, which compiles `core` itself.
    BuildStd(String),
}

impl Toolchain {
    /// The toolchain to use, or `None` when neither is complete.
    pub(crate) fn find() -> Result<Option<Self>> {
        if let Some(name) = env::var_os(OVERRIDE) {
            let name = name.to_string_lossy().into_owned();
            let chosen = if name == DEBIAN {
                Self::Debian
            } else {
                Self::BuildStd(name.clone())
            };
            if !chosen.is_complete() {
                bail!(
                    "{OVERRIDE}={name}, but that toolchain lacks rust-src (or Debian's bpf library), or bpf-linker is not in PATH"
                );
            }
            return Ok(Some(chosen));
        }
        let nightly = Self::BuildStd("nightly".into());
        Ok([nightly, Self::Debian].into_iter().find(Self::is_complete))
    }

    /// Whether everything is there, the linker included.
    fn is_complete(&self) -> bool {
        cmd::find(LINKER).is_some() && self.has_core()
    }

    /// Whether `core` for bpf is there, compiled or as source.
    fn has_core(&self) -> bool {
        match self {
            Self::Debian => Path::new(DEBIAN_BPF_CORE).is_dir() && is_linked(),
            Self::BuildStd(name) => cmd::output(rustup(name, "rustc").args(["--print", "sysroot"]))
                .is_ok_and(|sysroot| {
                    let source = "lib/rustlib/src/rust/library/core/src/lib.rs";
                    Path::new(sysroot.trim()).join(source).is_file()
                }),
        }
    }

    /// Whether the probes can be linted.
    pub(crate) fn has_clippy(&self) -> bool {
        cmd::succeeds(rustup(self.name(), "cargo-clippy").arg("--version"))
    }

    /// How the choice is said.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Debian => DEBIAN,
            Self::BuildStd(name) => name,
        }
    }

    /// `cargo SUBCOMMAND` on the probes with these features.
    pub(crate) fn cargo(&self, subcommand: &str, features: &str) -> Command {
        let mut command = rustup(self.name(), "cargo");
        command.args([
            subcommand,
            "--quiet",
            "--target",
            TARGET,
            "--profile",
            "bpf",
            "--package",
            "trimtab-ebpf",
            "--features",
            features,
            "--bin",
            "trimtab-probes",
        ]);
        // A directory of its own: its artifacts are another compiler's, and the host's build must not wait for its lock.
        command.arg("--target-dir").arg(directory());
        // aya-ebpf asks for an unstable feature, which a release compiler grants only so.
        command.env("RUSTC_BOOTSTRAP", "1");
        // By its path, since the directory where cargo installs it may be missing in PATH.
        if let Some(linker) = cmd::find(LINKER) {
            command.env("CARGO_TARGET_BPFEL_UNKNOWN_NONE_LINKER", linker);
        }
        command.env(
            "CARGO_TARGET_BPFEL_UNKNOWN_NONE_RUSTFLAGS",
            "-Clink-arg=--btf",
        );
        // These outrank the target's own flags and are meant for the host.
        for name in [
            "RUSTFLAGS",
            "CARGO_ENCODED_RUSTFLAGS",
            "CARGO_BUILD_RUSTFLAGS",
            "RUSTC_WRAPPER",
        ] {
            command.env_remove(name);
        }
        if let Self::BuildStd(_) = self {
            command.args(["-Z", "build-std=core"]);
        }
        command
    }
}

/// Where the probes are built.
pub(crate) fn directory() -> PathBuf {
    cmd::target().join("bpf-build")
}

/// A program of the named rustup toolchain; `cargo +name` needs rustup's proxy first in `PATH`, this does not.
fn rustup(toolchain: &str, program: &str) -> Command {
    let mut command = cmd::new("rustup");
    command.args(["run", toolchain, program]);
    command
}

/// Whether rustup knows Debian's compiler.
pub(crate) fn is_linked() -> bool {
    cmd::output(cmd::new("rustup").args(["toolchain", "list"])).is_ok_and(|list| {
        list.lines()
            .any(|line| line.split_whitespace().next() == Some(DEBIAN))
    })
}
