//! `cargo xtask vm`: runs test programs in a guest with Debian's kernel and a pure cgroup v2 tree.

mod boot;
mod image;

use std::{env, fs, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context, Result, bail};
use clap::Args;
use image::Scripts;

use crate::{
    build::{self, Profile},
    cmd,
    count::Count,
    kernel,
    setup::{self, Install, Purpose},
};

/// Run test programs in the guest.
#[derive(Args, Clone, Debug)]
pub(crate) struct Vm {
    /// What to run: `kernel` (the end-to-end tests), `systemd` (those under systemd as the first process), `agent` or a crate (its unit tests), or a program (trimtab, lab, bench)
    #[arg(default_value = "kernel")]
    programs: Vec<String>,
    /// Virtual CPUs
    #[arg(long, default_value_t = 2)]
    cpus: u32,
    /// Memory of the guest, with qemu's suffixes
    #[arg(long, default_value = "2G")]
    memory: String,
    /// qemu's accelerator: emulation works everywhere, `kvm` is fast where it works
    #[arg(long, default_value = "tcg,thread=multi")]
    accel: String,
    /// Seconds until the guest is given up
    #[arg(long, default_value_t = 2400)]
    timeout: u64,
    /// Only the tests whose name contains this
    #[arg(long)]
    filter: Option<String>,
    /// Optimised programs
    #[arg(long)]
    release: bool,
    /// Keep the guest up afterwards, with a shell on this terminal
    #[arg(long)]
    keep: bool,
    #[command(flatten)]
    install: Install,
    /// Arguments of every program
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// Tests that are not for the guest: a wake-up within what is left of a period, which emulation
/// stretches, and what reads the repository, which is not there.
const LEFT_OUT: [&str; 4] = [
    "a_wake_into_a_spent_group_lifts_it",
    "cli::",
    "config::tests::",
    "report::tests::exposition::",
];

/// What tests in the guest are told by the environment here.
const PASSED_ON: [&str; 2] = ["TRIMTAB_KILLS", "TRIMTAB_SEED"];

impl Vm {
    /// The end-to-end tests as `cargo xtask test` runs them.
    pub(crate) fn for_tests(install: Install) -> Self {
        Self {
            programs: ["kernel", "trimtab-tests", "agent", "systemd"]
                .map(Into::into)
                .to_vec(),
            cpus: 2,
            memory: "2G".into(),
            accel: "tcg,thread=multi".into(),
            timeout: 2400,
            filter: None,
            release: false,
            keep: false,
            install,
            arguments: LEFT_OUT
                .iter()
                .flat_map(|name| ["--skip".into(), (*name).into()])
                .collect(),
        }
    }

    pub(crate) fn run(self) -> Result<ExitCode> {
        cmd::stage("setup", || setup::ensure(Purpose::Test, self.install))?;
        cmd::stage("eBPF object", build::ebpf)?;
        let profile = if self.release {
            Profile::Release
        } else {
            Profile::Dev
        };
        cmd::stage("workspace", || build::workspace(profile))?;
        let count = cmd::stage("guest", || self.guest())?;
        count.conclude();
        Ok(if count.passes() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }

    /// Boots a guest with what the workspace build has made, and counts its tests.
    pub(crate) fn guest(&self) -> Result<Count> {
        fs::create_dir_all(cmd::guest())?;
        let kernel = kernel::find()?
            .context("no guest kernel; `cargo xtask setup --for test` fetches it")?;
        let mut scripts = Scripts::default();
        let mut programs = Vec::new();
        for name in &self.programs {
            let program = self.program(name)?;
            let inside = format!("/usr/bin/{name}.run");
            let mut line = format!("run {} {inside}", cmd::quote(name.as_ref()));
            for argument in self.arguments_of(program.is_test) {
                line += " ";
                line += &cmd::quote(argument.as_ref());
            }
            let script = if name == "systemd" {
                for name in PASSED_ON {
                    if let Ok(value) = env::var(name) {
                        let export = format!("export {name}={}\n", cmd::quote(value.as_ref()));
                        scripts.systemd += &export;
                    }
                }
                &mut scripts.systemd
            } else {
                &mut scripts.plain
            };
            *script += &line;
            *script += "\n";
            programs.push((program.path, inside));
        }
        for name in ["trimtab", "lab", "libtrimtab_nvml.so"] {
            programs.push((
                self.profile().directory().join(name),
                format!("/usr/bin/{name}"),
            ));
        }
        let image = image::build(&programs, &scripts)?;
        let disk = image::disk()?;
        boot::Boot {
            kernel: &kernel,
            image: &image,
            disk: &disk,
            cpus: self.cpus,
            memory: &self.memory,
            accel: &self.accel,
            timeout: Duration::from_secs(self.timeout),
            programs: self.programs.len(),
        }
        .run(self.keep)
    }

    fn profile(&self) -> Profile {
        if self.release {
            Profile::Release
        } else {
            Profile::Dev
        }
    }

    /// Tests share the guest's few CPUs with what they measure, so they run one after another.
    fn arguments_of(&self, is_test: bool) -> Vec<String> {
        let mut arguments = Vec::new();
        if is_test {
            arguments.extend(self.filter.clone());
            arguments.push("--test-threads=1".into());
        }
        arguments.extend(self.arguments.iter().cloned());
        arguments
    }

    fn program(&self, name: &str) -> Result<Program> {
        let (package, kind) = match name {
            "trimtab" | "lab" | "bench" => {
                let path = self.profile().directory().join(name);
                return Ok(Program {
                    path,
                    is_test: false,
                });
            }
            "kernel" => ("trimtab-tests", ["--test", "kernel"].as_slice()),
            "systemd" => ("trimtab-tests", ["--test", "systemd"].as_slice()),
            "agent" => ("trimtab", ["--lib"].as_slice()),
            package => (package, ["--lib"].as_slice()),
        };
        let mut cargo = cmd::cargo(&[
            "test",
            "--no-run",
            "--message-format",
            "json",
            "--package",
            package,
        ]);
        cargo.args(kind);
        if self.release {
            cargo.arg("--release");
        }
        eprintln!("    $ {}", cmd::show(&cargo));
        let messages = cmd::output(&mut cargo)?;
        let Some(path) = messages.lines().rev().find_map(executable) else {
            bail!("`{}` made no test program", cmd::show(&cargo));
        };
        Ok(Program {
            path,
            is_test: true,
        })
    }
}

struct Program {
    path: PathBuf,
    is_test: bool,
}

/// The test program that one of cargo's JSON messages announces.
fn executable(message: &str) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    if message["profile"]["test"] != true {
        return None;
    }
    Some(message["executable"].as_str()?.into())
}
