//! A burst that begins at a word, so that a test can look at everything right before.

use std::{
    io::{BufRead, BufReader, Write},
    process::{ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use trimtab_lab::burst::Report;

use crate::{group::Group, process::Process, process::lab_bin};

/// Busy loops whose threads are up and wait. Dropping it kills them.
#[derive(Debug)]
pub struct Burst {
    process: Process,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Burst {
    /// Starts `threads` outside of every group and waits until all of them wait; they will burn
    /// for `length` on the wall clock.
    ///
    /// # Errors
    /// When the `lab` program is missing.
    pub fn prepare(threads: usize, length: Duration) -> Result<Self> {
        let mut command = Command::new(lab_bin()?);
        command
            .args(["burst", "--threads", &threads.to_string()])
            .arg("--for")
            .arg(format!("{}us", length.as_micros()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let child = command.spawn();
        let mut process =
            Process::from_child(child.with_context(|| format!("cannot start {command:?}"))?);
        let input = process.stdin.take().context("the burst has no input")?;
        let output = process.stdout.take().context("the burst has no output")?;
        let mut burst = Self {
            process,
            input,
            output: BufReader::new(output),
        };
        let mut line = String::new();
        burst.output.read_line(&mut line)?;
        ensure!(
            line.contains("waiting"),
            "the burst did not get as far as waiting: `{}`",
            line.trim()
        );
        Ok(burst)
    }

    /// Moves it into a group, of whose quota it uses nothing while it waits.
    ///
    /// # Errors
    /// When the group is gone or the burst has ended.
    pub fn join(&self, group: &Group) -> Result<()> {
        group.add(self.process.id())
    }

    /// Lets it begin.
    ///
    /// # Errors
    /// When it has ended already.
    pub fn release(&mut self) -> Result<()> {
        self.input.write_all(b"\n").context("the burst has ended")
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it fails, or was killed.
    pub fn finish(mut self) -> Result<Report> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        let status = self.process.wait()?;
        ensure!(status.success(), "the burst failed: {status}");
        serde_json::from_str(&line).with_context(|| format!("no report of a burst: `{line}`"))
    }
}
