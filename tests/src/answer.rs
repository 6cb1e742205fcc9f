//! A TCP server in a group that keeps its own account of each request.

use std::{
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    process::{ChildStdin, ChildStdout, Stdio},
};

use anyhow::{Context, Result};
use trimtab_lab::answer::{Account, Manner};

use crate::{group::Group, process::Process, process::lab_bin};

/// A running server. Dropping it kills it.
#[derive(Debug)]
pub struct Answer {
    /// Where it listens, on loopback.
    pub address: SocketAddr,
    process: Process,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Answer {
    /// Starts a server in a group.
    ///
    /// # Errors
    /// When the `lab` program is missing, or does not say where it listens.
    pub fn start(group: &Group, manner: Manner) -> Result<Self> {
        let mut command = group.command(lab_bin()?)?;
        command
            .args(["answer", "--late"])
            .arg(format!("{}us", manner.late.as_micros()))
            .arg("--service")
            .arg(format!("{}us", manner.service.as_micros()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let child = command.spawn();
        let mut process =
            Process::from_child(child.with_context(|| format!("cannot start {command:?}"))?);
        let input = process.stdin.take().context("the server has no input")?;
        let output = process.stdout.take().context("the server has no output")?;
        let mut output = BufReader::new(output);
        let mut line = String::new();
        output.read_line(&mut line)?;
        let said: serde_json::Value =
            serde_json::from_str(&line).context("the server does not say where it listens")?;
        let address = said["listen"].as_str().unwrap_or_default().parse();
        Ok(Self {
            address: address.context("the server's address")?,
            process,
            input,
            output,
        })
    }

    /// Ends it, and says what it measured.
    ///
    /// # Errors
    /// When it has failed.
    pub fn account(mut self) -> Result<Account> {
        self.input
            .write_all(b"\n")
            .context("the server does not listen to its input")?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        self.process.wait()?;
        serde_json::from_str(&line).context("the server gives no account")
    }
}
