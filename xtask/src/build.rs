//! `cargo xtask build`: the eBPF object first, then the workspace, which embeds it.

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::{Context, Result};
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
    #[command(flatten)]
    install: Install,
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
        cmd::stage("eBPF object", ebpf)?;
        if self.ebpf {
            return Ok(ExitCode::SUCCESS);
        }
        let profile = if self.release {
            Profile::Release
        } else {
            Profile::Dev
        };
        cmd::stage("workspace", || workspace(profile))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Compiles the probes into `target/bpf/trimtab-probes.o`, where the agent's build script looks for them.
pub(crate) fn ebpf() -> Result<()> {
    let toolchain =
        Toolchain::find()?.context("no eBPF toolchain; `cargo xtask setup` installs one")?;
    cmd::run(&mut toolchain.cargo("build"))?;
    let built = toolchain::directory()
        .join(TARGET)
        .join("bpf/trimtab-probes");
    let wanted = cmd::target().join("bpf/trimtab-probes.o");
    let bytes = fs::read(&built).with_context(|| format!("cannot read {}", built.display()))?;
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

/// Compiles every crate and program for this host.
pub(crate) fn workspace(profile: Profile) -> Result<()> {
    let mut cargo = cmd::cargo(&["build", "--workspace"]);
    if profile == Profile::Release {
        cargo.args(["--release", "--exclude", "xtask"]);
    }
    cmd::run(&mut cargo)
}
