//! What the command line needs from the rest of the agent, as plain functions.

use std::{path::Path, process::ExitCode};

use crate::{
    api::view::{Finding, Restored},
    config::Config,
};

/// The functions behind `trimtab agent`, `restore` and `doctor`.
#[derive(Clone, Copy, Debug)]
pub struct Hooks {
    /// Runs the agent until it is told to stop. The file is read again on SIGHUP.
    pub agent: fn(Config, Option<&Path>) -> anyhow::Result<ExitCode>,
    /// Puts back what the ledger holds; works while no agent runs.
    pub restore: fn(&Config) -> anyhow::Result<Vec<Restored>>,
    /// Probes what this host allows, without a running agent.
    pub doctor: fn(&Config) -> anyhow::Result<Vec<Finding>>,
}

impl Hooks {
    /// Hooks that say that they lead nowhere.
    #[must_use]
    pub fn unwired() -> Self {
        Self {
            agent: |_, _| anyhow::bail!("not wired"),
            restore: |_| anyhow::bail!("not wired"),
            doctor: |_| anyhow::bail!("not wired"),
        }
    }
}
