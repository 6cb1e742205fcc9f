//! The load: `perf bench sched pipe` in a group of its own.

use std::{process::Stdio, time::Duration};

use anyhow::{Context, Result, ensure};
use trimtab_tests::Group;

/// Cycles per operation: each of the two processes is woken, runs and sleeps.
const CYCLES: u64 = 2;

/// How to run it.
#[derive(Debug)]
pub(crate) struct Pipe<'a> {
    group: &'a Group,
    operations: u64,
    cpu: Option<usize>,
    id: u64,
}

impl<'a> Pipe<'a> {
    pub(crate) fn new(group: &'a Group, operations: u64, cpu: Option<usize>) -> Result<Self> {
        ensure!(operations > 0, "--operations must be above zero");
        Ok(Self {
            group,
            operations,
            cpu,
            id: group.cpu_id()?,
        })
    }

    /// The id of the group in which it runs.
    pub(crate) const fn group_id(&self) -> u64 {
        self.id
    }

    /// Cycles of one run.
    pub(crate) const fn cycles(&self) -> u64 {
        CYCLES * self.operations
    }

    /// Operations per second of one run.
    pub(crate) fn rate(&self) -> Result<f64> {
        Ok(crate::spread::number(self.operations) / self.run()?.as_secs_f64())
    }

    /// Runs it once; how long that took by its own account.
    pub(crate) fn run(&self) -> Result<Duration> {
        let operations = self.operations.to_string();
        let mut arguments = Vec::new();
        let program = match self.cpu {
            Some(cpu) => {
                arguments.extend(["-c".to_owned(), cpu.to_string(), "perf".to_owned()]);
                "taskset"
            }
            None => "perf",
        };
        arguments.extend(["bench", "--format=simple", "sched", "pipe", "-l"].map(str::to_owned));
        arguments.push(operations);
        let mut command = self.group.command(program)?;
        command.args(&arguments).stdin(Stdio::null());
        let output = command.output().context("cannot start perf")?;
        let text = String::from_utf8_lossy(&output.stdout);
        ensure!(
            output.status.success(),
            "{command:?}: {}: {}; `cargo xtask setup --for bench` installs perf",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        let seconds: f64 = text
            .trim()
            .parse()
            .with_context(|| format!("perf printed `{}`, not seconds", text.trim()))?;
        Ok(Duration::from_secs_f64(seconds))
    }
}
