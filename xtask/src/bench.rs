//! `cargo xtask bench NAME`: measures optimised programs, each against a baseline in the same run.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::{
    build::{self, Profile},
    cmd,
    setup::{self, Install, Purpose},
};

/// Measure; `cargo xtask bench help` lists what there is.
#[derive(Args, Clone, Debug)]
pub(crate) struct Bench {
    #[command(flatten)]
    install: Install,
    /// The measurement and its options, such as `reaction --json`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    arguments: Vec<String>,
}

impl Bench {
    pub(crate) fn run(self) -> Result<ExitCode> {
        cmd::stage("setup", || setup::ensure(Purpose::Bench, self.install))?;
        cmd::stage("eBPF object", build::ebpf)?;
        cmd::stage("workspace", || build::workspace(Profile::Release))?;
        match cmd::exec(cmd::new(Profile::Release.directory().join("bench")).args(&self.arguments))? {}
    }
}
