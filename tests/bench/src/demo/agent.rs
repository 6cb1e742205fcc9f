//! A real agent with a configuration, a socket and a state of its own.

use std::{
    fs::{self, File},
    pin::pin,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_stream::StreamExt;
use trimtab::api::{Client, view::Entry};
use trimtab_tests::trimtab_bin;

use crate::{stop::Stop, tie::tie};

/// How long an agent may take until it answers.
const START: Duration = Duration::from_secs(20);
/// How long it may take to put everything back and end.
const STOP: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(10);
/// Lines of its log that are shown when it fails.
const TAIL: usize = 12;

/// A running agent that answers; dropping it stops it, which puts every original value back.
#[derive(Debug)]
pub(super) struct Agent {
    running: Running,
    client: Client,
    configuration: String,
}

impl Agent {
    /// Starts the agent with these policies, where `MODE` stands for `recommend`, and waits until it answers.
    pub(super) async fn start(stop: &Stop, probes_off: &[&str], policies: &str) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("trimtab-demo-").tempdir()?;
        let path = |name| directory.path().join(name);
        let socket = path("socket");
        let configuration = format!(
            "[agent]\nsocket = '{}'\nruntime_directory = '{}'\n\
             [probes]\noff = {probes_off:?}\n{policies}",
            socket.display(),
            path("run").display(),
        );
        let mut running = Running::start(directory, &configuration)?;
        let end = Instant::now() + START;
        loop {
            if let Ok(client) = Client::connect(&socket).await {
                return Ok(Self {
                    running,
                    client,
                    configuration,
                });
            }
            if let Some(status) = running.guardian.try_wait()? {
                bail!(
                    "the agent ended instead of answering: {status}\n{}",
                    running.log()
                );
            }
            ensure!(!stop.is_set(), "interrupted while the agent started");
            ensure!(
                Instant::now() < end,
                "the agent does not answer\n{}",
                running.log()
            );
            stop.sleep(POLL).await;
        }
    }

    /// The way to ask it.
    pub(super) fn client(&self) -> Client {
        self.client.clone()
    }

    /// Its journal from now on.
    pub(super) fn journal(&self) -> UnboundedReceiver<Entry> {
        let (send, receive) = unbounded_channel();
        let mut client = self.client();
        tokio::spawn(async move {
            let Ok(entries) = client.watch("").await else {
                return;
            };
            let mut entries = pin!(entries);
            // An error is the agent's end, which shows elsewhere too.
            while let Some(Ok(entry)) = entries.next().await {
                if send.send(entry).is_err() {
                    return;
                }
            }
        });
        receive
    }

    /// Turns `MODE` to `enforce`, the way an administrator would: by the file and SIGHUP.
    pub(super) fn enforce(&self) -> Result<()> {
        self.running.configure(&self.configuration, "enforce")?;
        self.running.signal(Signal::HUP)
    }

    /// Stops it; says how long that took.
    pub(super) fn stop(mut self) -> Result<Duration> {
        let start = Instant::now();
        ensure!(
            self.running.stop(),
            "the agent did not stop in order\n{}",
            self.running.log()
        );
        Ok(start.elapsed())
    }
}

/// The process, its guardian in fact, and its files; dropping it stops it.
#[derive(Debug)]
struct Running {
    directory: TempDir,
    guardian: Child,
}

impl Running {
    fn start(directory: TempDir, configuration: &str) -> Result<Self> {
        fs::create_dir(directory.path().join("run"))?;
        let log = File::create(directory.path().join("log"))?;
        let path = configure(&directory, configuration, "recommend")?;
        let mut command = Command::new(trimtab_bin()?);
        command.arg("agent").arg("--config").arg(path);
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let guardian = tie(&mut command)
            .spawn()
            .with_context(|| format!("cannot start {command:?}"))?;
        Ok(Self {
            directory,
            guardian,
        })
    }

    fn configure(&self, configuration: &str, mode: &str) -> Result<()> {
        configure(&self.directory, configuration, mode).map(|_| ())
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.guardian.id())
            .ok()
            .and_then(Pid::from_raw)
            .context("the agent has no process id")?;
        kill_process(pid, signal).context("cannot signal the agent")
    }

    /// Whether it ended in order; when it takes too long, it is killed.
    fn stop(&mut self) -> bool {
        // Fails when it has ended by itself, which its status tells.
        let _ = self.signal(Signal::TERM);
        let end = Instant::now() + STOP;
        while Instant::now() < end {
            match self.guardian.try_wait() {
                Ok(None) => thread::sleep(POLL),
                Ok(Some(status)) => return status.success(),
                Err(_) => return false,
            }
        }
        let _ = self.guardian.kill();
        let _ = self.guardian.wait();
        false
    }

    /// The end of what it wrote.
    fn log(&self) -> String {
        let text = fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(TAIL)..].join("\n")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !matches!(self.guardian.try_wait(), Ok(Some(_))) {
            self.stop();
        }
    }
}

fn configure(directory: &TempDir, configuration: &str, mode: &str) -> Result<std::path::PathBuf> {
    let path = directory.path().join("trimtab.toml");
    fs::write(&path, configuration.replace("MODE", mode))
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}
