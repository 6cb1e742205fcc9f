//! `cargo xtask build`: the eBPF object first, then the workspace, which embeds it.

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::{
    cmd,
    setup::{self, Install, Purpose},
    toolchain::{self, TARGET, Toolchain},
};

/// Build the eBPF object, then the workspace.
#[derive(Args, Clone, Debug)]
pub(crate) struct Build {
    /// Optimised, as shipped
    #[arg(long)]
    release: bool,
    /// Only the eBPF object
    #[arg(long)]
    ebpf: bool,
    /// With the lines that the probes write for debugging; the agent shows them where `TRIMTAB_LOG` says `debug`
    #[arg(long, conflicts_with = "release")]
    log: bool,
    #[command(flatten)]
    install: Install,
}

/// Whether the probes write lines for debugging.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lines {
    None,
    Written,
}

impl Lines {
    /// The map through which they go.
    const MAP: &[u8] = b"AYA_LOGS";

    /// The features of the eBPF crate.
    pub(crate) const fn features(self) -> &'static str {
        match self {
            Self::None => "probe",
            Self::Written => "probe,log",
        }
    }

    /// Refuses an object that can write lines although none were asked for, or the other way round.
    fn check(self, object: &[u8]) -> Result<()> {
        let has = |name: &[u8]| object.windows(name.len()).any(|part| part == name);
        // A name that every object has shows that names can be found in this one.
        ensure!(has(b"EVENTS"), "the eBPF object names no map `EVENTS`");
        match self {
            Self::None => ensure!(
                !has(Self::MAP),
                "the eBPF object has a map `AYA_LOGS`: something logs without the feature `log`"
            ),
            Self::Written => ensure!(has(Self::MAP), "the eBPF object has no map `AYA_LOGS`"),
        }
        Ok(())
    }
}

/// How the workspace is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    Dev,
    Release,
}

impl Profile {
    /// Where cargo puts this profile's programs.
    pub(crate) fn directory(self) -> PathBuf {
        cmd::target().join(match self {
            Self::Dev => "debug",
            Self::Release => "release",
        })
    }
}

impl Build {
    pub(crate) fn run(self) -> Result<ExitCode> {
        cmd::stage("setup", || setup::ensure(Purpose::Build, self.install))?;
        let lines = if self.log {
            Lines::Written
        } else {
            Lines::None
        };
        cmd::stage("eBPF object", || object(lines))?;
        if self.ebpf {
            return Ok(ExitCode::SUCCESS);
        }
        let profile = if self.release {
            Profile::Release
        } else {
            Profile::Dev
        };
        cmd::stage("workspace", || compile(profile, lines))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The object as it is shipped: see [`object`].
pub(crate) fn ebpf() -> Result<()> {
    object(Lines::None)
}

/// Compiles the probes into `target/bpf/trimtab-probes.o`, where the agent's build script looks for them.
fn object(lines: Lines) -> Result<()> {
    let toolchain =
        Toolchain::find()?.context("no eBPF toolchain; `cargo xtask setup` installs one")?;
    cmd::run(&mut toolchain.cargo("build", lines.features()))?;
    let built = toolchain::directory()
        .join(TARGET)
        .join("bpf/trimtab-probes");
    let wanted = cmd::target().join("bpf/trimtab-probes.o");
    let bytes = fs::read(&built).with_context(|| format!("cannot read {}", built.display()))?;
    lines.check(&bytes)?;
    // An untouched file keeps cargo from compiling the agent again.
    if fs::read(&wanted).is_ok_and(|present| present == bytes) {
        eprintln!("    unchanged: {}", wanted.display());
        return Ok(());
    }
    fs::create_dir_all(cmd::target().join("bpf"))?;
    fs::write(&wanted, &bytes).with_context(|| format!("cannot write {}", wanted.display()))?;
    eprintln!("    wrote {} bytes: {}", bytes.len(), wanted.display());
    Ok(())
}

/// Compiles every crate and program for this host, as they are shipped.
pub(crate) fn workspace(profile: Profile) -> Result<()> {
    compile(profile, Lines::None)
}

fn compile(profile: Profile, lines: Lines) -> Result<()> {
    let mut cargo = cmd::cargo(&["build", "--workspace"]);
    if lines == Lines::Written {
        cargo.args(["--features", "trimtab/probe-log"]);
    }
    if profile == Profile::Release {
        cargo.args(["--release", "--exclude", "xtask"]);
    }
    cmd::run(&mut cargo)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_must_be_what_was_asked_for() {
        let (quiet, loud) = (b"..EVENTS..", b"..EVENTS..AYA_LOGS");
        assert!(Lines::None.check(quiet).is_ok() && Lines::None.check(loud).is_err());
        assert!(Lines::Written.check(loud).is_ok() && Lines::Written.check(quiet).is_err());
        assert!(Lines::None.check(b"no names at all").is_err());
    }
}
