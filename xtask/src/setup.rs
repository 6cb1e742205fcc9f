//! `cargo xtask setup`: makes a bare Debian 12 with rustup enough; each step is said, and skipped when satisfied.

use std::{
    path::Path,
    process::{Command, ExitCode},
};

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};

use crate::{
    cmd, emulator, kernel,
    toolchain::{self, DEBIAN, DEBIAN_BPF_CORE, Toolchain},
};

const LLVM: &str = "/usr/lib/llvm-22";

/// Install what is missing.
#[derive(Args, Clone, Debug)]
pub(crate) struct Setup {
    /// What for; each includes building
    #[arg(long = "for", value_enum, default_value = "build")]
    purpose: Purpose,
    #[command(flatten)]
    install: Install,
}

/// Whether anything may be installed.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct Install {
    /// Install nothing: print the commands that would, and fail
    #[arg(long)]
    no_install: bool,
}

/// What the checkout is set up for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Purpose {
    /// The eBPF object and the workspace
    Build,
    /// Also the guest, the linters, and real owners of groups
    Test,
    /// Also the programs that measurements are compared with
    Bench,
}

/// A Debian package, and the program by which one from elsewhere is recognised.
struct Package {
    name: &'static str,
    program: Option<&'static str>,
}

const fn package(name: &'static str) -> Package {
    Package {
        name,
        program: None,
    }
}

const fn program(name: &'static str, program: &'static str) -> Package {
    Package {
        name,
        program: Some(program),
    }
}

const COMPILE: &[Package] = &[program("gcc", "cc"), package("libc6-dev")];
const DEBIAN_RUST: &[Package] = &[
    package("rustc-web"),
    package("cargo-web"),
    package("libstd-rust-web-dev-bpf"),
];
const DEBIAN_CLIPPY: &[Package] = &[package("rust-web-clippy")];
const LINKER: &[Package] = &[
    package("llvm-22-dev"),
    package("g++"),
    package("zlib1g-dev"),
    package("libzstd-dev"),
    package("libxml2-dev"),
];
const TEST: &[Package] = &[
    program("qemu-system-x86", "qemu-system-x86_64"),
    package("busybox-static"),
    program("cpio", "cpio"),
    program("binutils", "strip"),
    program("e2fsprogs", "mke2fs"),
];
/// A terminal without anybody before it.
const TERMINAL: &[Package] = &[program("tmux", "tmux")];
/// Real owners of groups: container runtimes, and systemd with a bus.
const PEERS: &[Package] = &[
    program("containerd", "containerd"),
    program("runc", "runc"),
    program("podman", "podman"),
    program("systemd", "systemctl"),
    program("dbus-daemon", "dbus-daemon"),
];
const BENCH: &[Package] = &[
    program("linux-perf", "perf"),
    program("bpftrace", "bpftrace"),
    program("nginx-light", "nginx"),
    program("wrk", "wrk"),
    program("redis-server", "redis-server"),
    program("redis-tools", "redis-benchmark"),
    program("postgresql", "pgbench"),
];

impl Setup {
    pub(crate) fn run(self) -> Result<ExitCode> {
        ensure(self.purpose, self.install)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Goes through every step that the purpose needs.
pub(crate) fn ensure(purpose: Purpose, install: Install) -> Result<()> {
    let mut steps = Steps {
        install: !install.no_install,
        missing: Vec::new(),
    };
    steps.packages("compiler and linker", COMPILE)?;
    ebpf(&mut steps)?;
    match purpose {
        Purpose::Build => {}
        Purpose::Test => {
            for component in ["fmt", "clippy"] {
                let add = if component == "fmt" {
                    "rustfmt"
                } else {
                    component
                };
                let done = || cmd::succeeds(&mut cmd::cargo(&[component, "--version"]));
                steps.step(&format!("cargo {component}"), done, || {
                    Ok(vec![command("rustup", &["component", "add", add])])
                })?;
            }
            if Toolchain::find()? == Some(Toolchain::Debian) {
                steps.packages("clippy for eBPF", DEBIAN_CLIPPY)?;
            }
            steps.packages("guest", TEST)?;
            steps.packages("terminal", TERMINAL)?;
            steps.packages("owners of groups", PEERS)?;
            steps.step(
                "qemu 8.2 or newer",
                emulator::is_new_enough,
                emulator::commands,
            )?;
            steps.step(
                "guest kernel",
                || matches!(kernel::find(), Ok(Some(_))),
                || {
                    let mut commands = Vec::new();
                    if !kernel::is_known() {
                        commands.push(cmd::privileged(&["apt-get", "update"])?);
                    }
                    commands.extend(kernel::commands());
                    Ok(commands)
                },
            )?;
        }
        Purpose::Bench => steps.packages("programs to compare with", BENCH)?,
    }
    steps.finish()
}

/// The user's own nightly when complete, else Debian's compiler and a bpf-linker for its LLVM.
fn ebpf(steps: &mut Steps) -> Result<()> {
    if let Some(toolchain) = Toolchain::find()? {
        eprintln!("    ok       eBPF toolchain: {}", toolchain.name());
        return Ok(());
    }
    if cmd::find("apt-get").is_none() {
        bail!(
            "no eBPF toolchain, and no apt-get to install Debian's; run:\n    \
             rustup toolchain install nightly --component rust-src\n    cargo install bpf-linker"
        );
    }
    steps.packages("eBPF compiler", DEBIAN_RUST)?;
    steps.step(
        "rustup knows Debian's compiler",
        || toolchain::is_linked() && Path::new(DEBIAN_BPF_CORE).is_dir(),
        || {
            Ok(vec![command(
                "rustup",
                &["toolchain", "link", DEBIAN, "/usr"],
            )])
        },
    )?;
    if cmd::find("bpf-linker").is_none() {
        steps.packages("what bpf-linker is built from", LINKER)?;
    }
    steps.step(
        "bpf-linker",
        || cmd::find("bpf-linker").is_some(),
        || {
            let mut install = command("cargo", &["install", "bpf-linker@0.13.0", "--locked"]);
            install.args(["--no-default-features", "--features", "llvm-22"]);
            install.env("LLVM_PREFIX", LLVM);
            Ok(vec![install])
        },
    )
}

/// Takes steps, or collects the commands of those that may not be taken.
struct Steps {
    install: bool,
    missing: Vec<String>,
}

impl Steps {
    /// One step: satisfied, taken, or noted.
    fn step(
        &mut self,
        what: &str,
        done: impl Fn() -> bool,
        commands: impl FnOnce() -> Result<Vec<Command>>,
    ) -> Result<()> {
        if done() {
            eprintln!("    ok       {what}");
            return Ok(());
        }
        eprintln!("    missing  {what}");
        let mut commands = commands()?;
        if !self.install {
            self.missing.extend(commands.iter().map(cmd::show));
            return Ok(());
        }
        for command in &mut commands {
            cmd::run(command)?;
        }
        if !done() {
            bail!("{what}: still missing after the commands above succeeded");
        }
        Ok(())
    }

    /// Installs those packages that are missing.
    fn packages(&mut self, what: &str, packages: &[Package]) -> Result<()> {
        let done = || absent(packages).is_empty();
        self.step(&format!("{what}: {}", names(packages)), done, || {
            let absent = absent(packages);
            if cmd::find("apt-get").is_none() {
                bail!(
                    "no apt-get here; install with this system's own tools what Debian calls {}",
                    absent.join(" ")
                );
            }
            let mut install = vec!["apt-get", "install", "-y", "--no-install-recommends"];
            install.extend(absent);
            Ok(vec![
                cmd::privileged(&["apt-get", "update"])?,
                cmd::privileged(&install)?,
            ])
        })
    }

    /// Fails with all commands that were not allowed.
    fn finish(self) -> Result<()> {
        if self.missing.is_empty() {
            return Ok(());
        }
        bail!(
            "--no-install was given; run:\n    {}",
            self.missing.join("\n    ")
        )
    }
}

fn names(packages: &[Package]) -> String {
    let names: Vec<_> = packages.iter().map(|package| package.name).collect();
    names.join(" ")
}

/// The packages that are neither installed nor replaced by a program from elsewhere.
fn absent(packages: &[Package]) -> Vec<&'static str> {
    packages
        .iter()
        .filter(|package| {
            package
                .program
                .is_none_or(|program| cmd::find(program).is_none())
        })
        .filter(|package| !installed(package.name))
        .map(|package| package.name)
        .collect()
}

fn installed(package: &str) -> bool {
    let query = ["-W", "-f", "${db:Status-Status}", package];
    cmd::output(cmd::new("dpkg-query").args(query)).is_ok_and(|status| status == "installed")
}

fn command(program: &str, arguments: &[&str]) -> Command {
    let mut command = cmd::new(program);
    command.args(arguments);
    command
}
