//! A real agent with a socket, ledger and configuration of its own.

use std::{
    ffi::OsString,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use toml::{Table, Value as Toml};

use crate::{files::read, process::trimtab_bin, wait::eventually};

/// How long an agent may take until it answers; emulation is slow.
const START: Duration = Duration::from_secs(20);
/// How long it may take to put everything back and end.
const STOP: Duration = Duration::from_secs(10);
/// Lines of its log that are shown when something went wrong.
const TAIL: usize = 60;

/// A running agent; dropping it stops it, and fails the test if it does not stop in order.
#[derive(Debug)]
pub struct Agent {
    directory: TempDir,
    /// The guardian, whose child is the agent proper; `None` when it was killed.
    guardian: Option<Child>,
    /// A program and its first arguments that become the agent; empty for the agent itself.
    wrapper: Vec<OsString>,
}

impl Agent {
    /// Starts `trimtab agent` with this configuration, to which paths below a temporary directory are added,
    /// and waits until it answers.
    ///
    /// # Errors
    /// When the text is no TOML, the program is missing, or it does not answer; its log is in the error.
    pub fn start(config: &str) -> Result<Self> {
        Self::start_by(Vec::new(), config)
    }

    /// Starts it by way of a program that is given the agent's command line as its last arguments and replaces
    /// itself with the agent: `unshare`, `env`.
    ///
    /// # Errors
    /// As for [`Agent::start`].
    pub fn start_by(wrapper: Vec<OsString>, config: &str) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("trimtab-test-").tempdir()?;
        let mut agent = Self {
            directory,
            guardian: None,
            wrapper,
        };
        agent.configure(config)?;
        agent.restart()?;
        Ok(agent)
    }

    /// Writes another configuration, which the agent reads on SIGHUP or at its next start.
    ///
    /// # Errors
    /// When the text is no TOML.
    pub fn configure(&self, config: &str) -> Result<()> {
        let mut table: Table = config
            .parse()
            .context("the test's configuration is no TOML")?;
        let agent = table.entry("agent").or_insert_with(|| Table::new().into());
        let agent = agent.as_table_mut().context("`agent` is no table")?;
        for (key, name) in [("socket", "socket"), ("runtime_directory", "run")] {
            let path = self.path(name).to_string_lossy().into_owned();
            agent.entry(key).or_insert(path.into());
        }
        // A probe that is left out for its cost under emulation would be missing in what is tested.
        let budget = agent
            .entry("budget")
            .or_insert_with(|| Table::new().into())
            .as_table_mut()
            .context("`agent.budget` is no table")?;
        budget.entry("cpu").or_insert(Toml::Integer(64));
        fs::write(self.config(), toml::to_string(&table)?).context("cannot write the configuration")
    }

    /// Starts it again, with what an earlier run left behind.
    ///
    /// # Errors
    /// When one is running, or the new one does not answer; its log is in the error.
    pub fn restart(&mut self) -> Result<()> {
        ensure!(self.guardian.is_none(), "the agent is still running");
        fs::create_dir_all(self.runtime_directory())?;
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.path("log"))?;
        let mut line = self.wrapper.clone();
        line.push(trimtab_bin()?.into());
        let mut command = Command::new(&line[0]);
        command
            .args(&line[1..])
            .arg("agent")
            .arg("--config")
            .arg(self.config());
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        self.guardian = Some(
            command
                .spawn()
                .with_context(|| format!("cannot start {command:?}"))?,
        );
        let mut ended = None;
        let answers = eventually(START, || {
            ended = self
                .guardian
                .as_mut()
                .and_then(|guardian| guardian.try_wait().ok().flatten());
            ended.is_some() || self.cli(&["status"]).is_ok()
        });
        if let Some(status) = ended {
            self.guardian = None;
            bail!(
                "the agent ended instead of answering: {status}\n{}",
                self.log()
            );
        }
        ensure!(
            answers,
            "the agent does not answer after {START:?}\n{}",
            self.log()
        );
        Ok(())
    }

    /// The client, set to talk to this agent: `trimtab --config ... --socket ... ARGUMENTS`.
    ///
    /// # Errors
    /// When the program cannot be found.
    pub fn command(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = Command::new(trimtab_bin()?);
        command.arg("--config").arg(self.config());
        command.arg("--socket").arg(self.socket()).args(arguments);
        Ok(command)
    }

    /// Asks the agent: `trimtab ARGUMENTS --json`.
    ///
    /// # Errors
    /// When the command fails (with what it said) or does not print JSON.
    pub fn cli(&self, arguments: &[&str]) -> Result<Value> {
        let mut command = self.command(arguments)?;
        let output = command.arg("--json").stdin(Stdio::null()).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "{command:?}: {}: {said}",
            output.status
        );
        let text = String::from_utf8_lossy(&output.stdout);
        serde_json::from_str(&text).with_context(|| format!("{command:?} printed no JSON: {text}"))
    }

    /// The process id of the guardian.
    #[must_use]
    pub fn guardian(&self) -> Option<u32> {
        self.guardian.as_ref().map(Child::id)
    }

    /// The process id of the agent proper, the guardian's child.
    #[must_use]
    pub fn worker(&self) -> Option<u32> {
        let guardian = self.guardian()?;
        let children = format!("/proc/{guardian}/task/{guardian}/children");
        fs::read_to_string(children)
            .ok()?
            .split_whitespace()
            .next()?
            .parse()
            .ok()
    }

    /// Sends the guardian a signal, as a service manager would.
    ///
    /// # Errors
    /// When it is not running.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        send(self.guardian().context("the agent is not running")?, signal)
    }

    /// Kills the agent proper without warning; its guardian lives on.
    ///
    /// # Errors
    /// When it is not running.
    pub fn kill_worker(&self) -> Result<()> {
        send(
            self.worker().context("the agent has no worker")?,
            Signal::KILL,
        )
    }

    /// Kills guardian and agent without warning, the guardian first so that it cannot act; what they left behind stays.
    ///
    /// # Errors
    /// When they are not running.
    pub fn kill_all(&mut self) -> Result<()> {
        let worker = self.worker();
        if let Some(worker) = worker {
            // Its parent's death tells it to stop in order, which it must not get to.
            send(worker, Signal::STOP)?;
        }
        let mut guardian = self.guardian.take().context("the agent is not running")?;
        guardian.kill()?;
        if let Some(worker) = worker {
            send(worker, Signal::KILL)?;
        }
        guardian.wait()?;
        Ok(())
    }

    /// Waits until the guardian has ended by itself, and says whether it called that a success.
    ///
    /// # Errors
    /// When it still runs after the time.
    pub fn wait(&mut self, timeout: Duration) -> Result<bool> {
        let guardian = self.guardian.as_mut().context("the agent is not running")?;
        let mut status = None;
        // Whether it ended is what the status says.
        let _ = eventually(timeout, || {
            status = guardian.try_wait().ok().flatten();
            status.is_some()
        });
        let status = status
            .ok_or_else(|| anyhow!("the agent still runs after {timeout:?}\n{}", self.log()))?;
        self.guardian = None;
        Ok(status.success())
    }

    /// Stops it with SIGTERM.
    ///
    /// # Errors
    /// When it does not end in time, fails, or leaves its socket behind.
    pub fn stop(&mut self) -> Result<()> {
        self.signal(Signal::TERM)?;
        ensure!(
            self.wait(STOP)?,
            "the agent failed to stop in order\n{}",
            self.log()
        );
        ensure!(
            !self.socket().exists(),
            "the agent left its socket behind\n{}",
            self.log()
        );
        Ok(())
    }

    /// Where its local API listens.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.path("socket")
    }

    /// Where it keeps the ledger.
    #[must_use]
    pub fn runtime_directory(&self) -> PathBuf {
        self.path("run")
    }

    /// Its configuration file.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.path("trimtab.toml")
    }

    /// The end of its log.
    #[must_use]
    pub fn log(&self) -> String {
        let text = read(&self.path("log")).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        let tail = &lines[lines.len().saturating_sub(TAIL)..];
        format!("--- the agent's log\n{}\n---", tail.join("\n"))
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::new(self.directory.path()).join(name)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}", self.log());
        }
        if self.guardian.is_none() {
            return;
        }
        let stopped = self.stop();
        if stopped.is_err() && self.guardian.is_some() {
            // The error of the stop tells more than that of the killing.
            let _ = self.kill_all();
        }
        if let Err(error) = stopped {
            assert!(thread::panicking(), "{error:#}");
            eprintln!("{error:#}");
        }
    }
}

fn send(pid: u32, signal: Signal) -> Result<()> {
    let pid = i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .context("not a process id")?;
    kill_process(pid, signal).with_context(|| format!("cannot signal process {pid:?}"))
}
