//! The lab's request server, as the child of a benchmark.

use std::{
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    process::Command,
};

use anyhow::{Context as _, Result};
use trimtab_tests::{Group, Process, lab_bin};

/// A server that answers until it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    /// Where it listens.
    pub(crate) target: SocketAddr,
    _process: Process,
}

impl Server {
    /// The command that starts a server of two threads in a group. `cpu` is the CPU time of a
    /// request, as the lab's command line reads it.
    pub(crate) fn command(group: &Group, cpu: &str) -> Result<Command> {
        Self::command_of(group, 2, cpu)
    }

    /// The same with so many threads.
    pub(crate) fn command_of(group: &Group, threads: u32, cpu: &str) -> Result<Command> {
        let mut command = group.command(lab_bin()?)?;
        command.args(["serve", "--threads", &threads.to_string()]);
        command.args(["--cpu-per-request", cpu]);
        Ok(command)
    }

    /// Starts it and reads where it listens.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let mut process = Process::spawn(command)?;
        let stdout = process.stdout.take().context("no output of the server")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let said: serde_json::Value =
            serde_json::from_str(&line).context("the server did not say where it listens")?;
        let target = said["listen"].as_str().unwrap_or_default().parse();
        Ok(Self {
            target: target.context("the server's address")?,
            _process: process,
        })
    }
}
