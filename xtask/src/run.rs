//! `cargo xtask run`: builds, then shows on this host what Trimtab does for three workloads.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::{
    build::{self, Profile},
    cmd,
    setup::{self, Install, Purpose},
};

/// Build, and watch Trimtab steer lab workloads on this host.
#[derive(Args, Clone, Debug)]
pub(crate) struct Run {
    #[command(flatten)]
    install: Install,
    /// Arguments of the demonstration
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

impl Run {
    pub(crate) fn run(self) -> Result<ExitCode> {
        cmd::stage("setup", || setup::ensure(Purpose::Build, self.install))?;
        cmd::stage("eBPF object", build::ebpf)?;
        cmd::stage("workspace", || build::workspace(Profile::Release))?;
        let programs = Profile::Release.directory();
        let program = programs.join("bench");
        // Only the demonstration needs root, not the build; without it the demonstration says what is left.
        let mut demo = if cmd::is_root() || cmd::find("sudo").is_none() {
            cmd::new(program)
        } else {
            let mut sudo = cmd::new("sudo");
            sudo.arg(program);
            sudo
        };
        demo.arg("demo").args(&self.arguments);
        match cmd::exec(&mut demo)? {}
    }
}
