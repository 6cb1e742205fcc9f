//! Child processes that end with the test, and the programs that tests start.

use std::{
    env, io,
    ops::{Deref, DerefMut},
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Gives a program the interrupts that a shell keeps from what it starts in the background, and a
/// test runner passes on: it could not even ask for them otherwise.
pub fn hear_interrupts(command: &mut Command) {
    let default = || {
        for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT] {
            // SAFETY: `signal` may be called between fork and exec; no handler of ours is involved.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
        Ok(())
    };
    // SAFETY: the closure only calls `signal`, which is async-signal-safe.
    unsafe { command.pre_exec(default) };
}

/// A child process that is killed and reaped when dropped.
#[derive(Debug)]
pub struct Process(Child);

impl Process {
    /// Starts the command with its standard output captured.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn spawn(command: &mut Command) -> Result<Self> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        Ok(Self(
            child.with_context(|| format!("cannot start {command:?}"))?,
        ))
    }

    /// Takes over a child that was started with other pipes.
    pub(crate) const fn from_child(child: Child) -> Self {
        Self(child)
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// When the process has been reaped.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.0.id())
            .ok()
            .and_then(Pid::from_raw)
            .context("no process id")?;
        kill_process(pid, signal).with_context(|| format!("cannot signal process {pid:?}"))
    }

    /// Waits for the end and parses the standard output as one JSON value.
    ///
    /// # Errors
    /// When the process fails or writes something else.
    pub fn json(mut self) -> Result<Value> {
        let mut text = String::new();
        if let Some(mut stdout) = self.0.stdout.take() {
            io::Read::read_to_string(&mut stdout, &mut text)?;
        }
        let status = self.0.wait()?;
        ensure!(
            status.success(),
            "the process failed: {status}; it wrote: {text}"
        );
        serde_json::from_str(&text).with_context(|| format!("not one JSON value: {text}"))
    }
}

impl Deref for Process {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl DerefMut for Process {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Fails when it has ended already, which is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The `lab` program: `TRIMTAB_LAB`, or the one built beside the running test.
///
/// # Errors
/// When there is none.
pub fn lab_bin() -> Result<PathBuf> {
    program("lab", "TRIMTAB_LAB")
}

/// The `trimtab` program: `TRIMTAB_BIN`, or the one built beside the running test.
///
/// # Errors
/// When there is none.
pub fn trimtab_bin() -> Result<PathBuf> {
    program("trimtab", "TRIMTAB_BIN")
}

/// The stand-in for NVIDIA's library: `TRIMTAB_NVML`, or the one built beside the running test.
///
/// # Errors
/// When there is none.
pub fn nvml_library() -> Result<PathBuf> {
    program("libtrimtab_nvml.so", "TRIMTAB_NVML")
}

fn program(name: &str, variable: &str) -> Result<PathBuf> {
    if let Some(path) = env::var_os(variable) {
        return Ok(path.into());
    }
    let own = env::current_exe().context("cannot find the running program")?;
    // Test programs lie in `deps`, one below the programs that cargo builds.
    let found = own
        .ancestors()
        .skip(1)
        .take(2)
        .map(|directory| directory.join(name))
        .find(|path| path.is_file());
    match found {
        Some(path) => Ok(path),
        None => bail!(
            "no program `{name}` beside {}: `cargo build --workspace` makes it, or set {variable}",
            own.display()
        ),
    }
}
