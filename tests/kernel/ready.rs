//! Processes that wait for a word, so that what they do has no start-up before it.

use std::{
    fs,
    io::{Read as _, Write as _},
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};
use trimtab_tests::{Group, eventually, lab_bin};

use crate::trust::SOON;

/// A process that waits inside a group and does something at a word, without a start-up in between.
pub(crate) struct Ready(Child);

impl Ready {
    /// Starts `lab ARGUMENTS` in the group, held back until [`Ready::go`].
    pub(crate) fn lab(group: &Group, arguments: &[&str]) -> Result<Self> {
        let mut command = group.command("sh")?;
        command
            .args(["-c", "echo; read go; exec \"$@\"", "sh"])
            .arg(lab_bin()?)
            .args(arguments);
        Self::spawn(&mut command)
    }

    /// A shell that spins in the group from [`Ready::go`] on, at once. Its start-up, which an
    /// emulation makes a burst of its own, is over when it joins.
    pub(crate) fn spinner(group: &Group) -> Result<Self> {
        let ready = Self::spawn(&mut spinning())?;
        group.add(ready.id())?;
        Ok(ready)
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Time that it has waited for a CPU, in ns, by the kernel's own account.
    pub(crate) fn run_delay(&self) -> Result<u64> {
        let text = fs::read_to_string(format!("/proc/{}/schedstat", self.0.id()))?;
        let field = text.split_whitespace().nth(1).context("schedstat")?;
        Ok(field.parse()?)
    }

    /// Starts what says a word once it waits for one.
    pub(crate) fn spawn(command: &mut Command) -> Result<Self> {
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut ready = Self(child.with_context(|| format!("cannot start {command:?}"))?);
        let output = ready.0.stdout.as_mut().context("no output")?;
        output
            .read_exact(&mut [0])
            .with_context(|| format!("{command:?} ended at its start"))?;
        // From its word to its sleep it may have to wait for a CPU.
        ready.is(") S ")?;
        Ok(ready)
    }

    /// Waits until its state is this one.
    fn is(&self, state: &str) -> Result<()> {
        let file = format!("/proc/{}/stat", self.0.id());
        let there = eventually(SOON, || {
            fs::read_to_string(&file).is_ok_and(|stat| stat.contains(state))
        });
        there.then_some(()).context("it does not come to rest")
    }

    /// Keeps it on the first CPU.
    pub(crate) fn pin(&self) -> Result<()> {
        let mut command = Command::new("taskset");
        command.args(["-p", "1"]).arg(self.0.id().to_string());
        let pinned = command.stdout(Stdio::null()).status()?.success();
        pinned.then_some(()).context("it cannot be pinned")
    }

    /// Lets it go.
    pub(crate) fn go(&mut self) -> Result<()> {
        let input = self.0.stdin.as_mut().context("it was let go before")?;
        input.write_all(b"go\n").context("it has ended already")
    }

    /// Waits for its end; whether that was a success.
    pub(crate) fn wait(&mut self) -> Result<bool> {
        Ok(self.0.wait()?.success())
    }
}

impl Drop for Ready {
    fn drop(&mut self) {
        // Fails when it has ended already, which is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A shell that waits for a word and spins.
const SPINNING: [&str; 3] = ["sh", "-c", "echo; read go; while :; do :; done"];

/// Starts in the scheduling class that it is given, on any CPU.
pub(crate) fn spinning() -> Command {
    let mut command = Command::new(SPINNING[0]);
    command.args(&SPINNING[1..]);
    command
}

/// The same, on the first CPU from the start: who is moved there in its sleep, which since 6.12 need not have left
/// the queue yet, waits from then on by the kernel's account (`sched_info_enqueue`).
pub(crate) fn spinning_on_first() -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", "0"]).args(SPINNING);
    command
}

/// A busy loop in each group, all on the first CPU; none begins before all are there.
pub(crate) fn contenders<'a>(groups: impl IntoIterator<Item = &'a Group>) -> Result<Vec<Ready>> {
    let ready = groups.into_iter().map(|group| {
        let ready = Ready::spawn(&mut spinning_on_first())?;
        group.add(ready.id())?;
        Ok(ready)
    });
    ready.collect()
}

/// Lets all of them go.
pub(crate) fn go(contenders: &mut [Ready]) -> Result<()> {
    contenders.iter_mut().try_for_each(Ready::go)
}

/// Stops all of them, and so ends what they wait for.
pub(crate) fn halt(contenders: &[Ready]) -> Result<()> {
    for contender in contenders {
        let pid = Pid::from_raw(i32::try_from(contender.id())?);
        kill_process(pid.context("a process")?, Signal::STOP)?;
    }
    contenders
        .iter()
        .try_for_each(|contender| contender.is(") T "))
}

/// [`Ready::run_delay`] of all of them.
pub(crate) fn run_delay(contenders: &[Ready]) -> Result<u64> {
    contenders.iter().map(Ready::run_delay).sum()
}
