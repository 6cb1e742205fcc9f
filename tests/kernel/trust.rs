//! What the tests of restoring, foreign writes, churn and access share.

use std::{
    fs,
    io::{Read as _, Write as _},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use trimtab::act::hard::HardLimit;
use trimtab_core::signal::Amount;
use trimtab_tests::{Agent, Group, Version, eventually, lab_bin, skip};

/// How long the agent may take over anything that it does at once; emulation is slow.
pub(crate) const SOON: Duration = Duration::from_secs(5);
/// A quota that every burst outgrows, in microseconds of a period of 100 ms.
pub(crate) const TIGHT: u64 = 10_000;
/// The shortest burst that outgrows it, as `lab` reads it.
const BURST: &str = "60ms";

/// The policy of a test: enforces on `select`, and never waits for the pool below half a CPU.
pub(crate) fn policy(select: &str, mode: &str) -> String {
    format!(
        "[[policy]]\nname = \"trust\"\nselect = [\"{select}\"]\nmode = \"{mode}\"\ncpu = {{ floor = 0.5 }}\n"
    )
}

/// An agent that enforces on this group and everything below it.
pub(crate) fn enforce(group: &Group) -> Result<Agent> {
    Agent::start(&policy(&format!("{}/**", group.path()), "enforce"))
}

/// A group of one's own; `None`, with a loud line, where none can be made or no probe be loaded.
pub(crate) fn group(name: &str) -> Option<Group> {
    match Group::create(name) {
        Ok(group) => Some(group),
        Err(error) => {
            skip(&format!("no cgroup can be made here: {error:#}"));
            None
        }
    }
}

/// What `show` says about a group; an error while it is no workload.
pub(crate) fn show(agent: &Agent, group: &Group) -> Result<Value> {
    agent.cli(&["show", group.path()])
}

/// The journal's entries about a group, oldest first.
pub(crate) fn journal(agent: &Agent, group: &Group) -> Result<Vec<Value>> {
    let entries = agent.cli(&["explain", group.path(), "--last", "100"])?;
    Ok(entries.as_array().context("a list of entries")?.clone())
}

/// Waits until the group is a workload whose original quota is this one, in microseconds.
pub(crate) fn adopted(agent: &Agent, group: &Group, quota_us: u64) -> Result<()> {
    let amount = quota_us * 1_000_000 / group.period_us()?;
    let mut last = None;
    let known = eventually(SOON, || {
        last = show(agent, group).ok();
        last.as_ref()
            .is_some_and(|shown| shown["workload"]["cpu"]["original"]["micro_cpus"] == amount)
    });
    ensure!(
        known,
        "{} is not adopted at {quota_us} us: {last:?}\n{}",
        group.path(),
        agent.log()
    );
    Ok(())
}

/// Uses more than the quota and says to what it was lifted.
pub(crate) fn lift(agent: &Agent, group: &Group) -> Result<u64> {
    let before = group.quota_us()?;
    burst(group)?;
    let lifted = eventually(SOON, || group.quota_us().is_ok_and(|now| now != before));
    ensure!(
        lifted,
        "a burst under {before:?} was not answered\n{}",
        agent.log()
    );
    group.quota_us()?.context("lifted to no limit at all")
}

/// Uses [`BURST`] of CPU time in the group.
pub(crate) fn burst(group: &Group) -> Result<()> {
    let status = group
        .command(lab_bin()?)?
        .args(["burn", "--for", BURST])
        .stdout(Stdio::null())
        .status()?;
    ensure!(status.success(), "the burst ended with {status}");
    Ok(())
}

/// Waits until a group's quota is this one, and says how long that took.
pub(crate) fn quota_returns(
    group: &Group,
    quota: Option<u64>,
    within: Duration,
) -> Result<Duration> {
    let start = Instant::now();
    let back = eventually(within, || group.quota_us().is_ok_and(|now| now == quota));
    ensure!(
        back,
        "{} holds {:?} instead of {quota:?} after {within:?}",
        group.path(),
        group.quota_us()
    );
    Ok(start.elapsed())
}

/// The limit that the agent moves: `memory.high` on v2, the hard limit on v1.
pub(crate) fn moving_memory_limit(group: &Group) -> Result<Option<u64>> {
    match group.version() {
        Version::V1 => group.memory_limit(),
        // Before adoption the hard limit is all there is.
        Version::V2 => Ok(group.memory_high()?.or(group.memory_limit()?)),
    }
}

/// Where the moving limit begins when memory that its owner limits to `owner` is adopted: on v2 below `memory.max`,
/// which stays, unless the group above is as tight.
pub(crate) fn first_memory_limit(group: &Group, owner: u64) -> Result<u64> {
    if group.version() == Version::V1 {
        return Ok(owner);
    }
    ensure!(group.memory_limit()? == Some(owner), "memory.max has moved");
    let dir = group.memory_dir();
    let above = dir.parent().context("the group above")?.join("memory.max");
    // The root of the hierarchy has none.
    let is_bounded = fs::read_to_string(above)
        .unwrap_or_default()
        .trim()
        .parse()
        .is_ok_and(|above: u64| above <= owner);
    let hard = HardLimit::new(Amount(owner), Amount::UNLIMITED).context("a limit")?;
    Ok(if is_bounded { owner } else { hard.slowed().0 })
}

/// Every limit of a group that the agent may touch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    quota_us: Option<u64>,
    period_us: u64,
    memory: Option<u64>,
    /// As text: `memory.high` on v2, nothing on v1, which has none.
    memory_high: String,
}

impl Limits {
    /// What the kernel holds now.
    pub(crate) fn of(group: &Group) -> Result<Self> {
        Ok(Self {
            quota_us: group.quota_us()?,
            period_us: group.period_us()?,
            memory: group.memory_limit()?,
            memory_high: group
                .memory_high()
                .map_or_else(|_| String::new(), |high| format!("{high:?}")),
        })
    }
}

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

fn spinning() -> Command {
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

/// Whether every instruction is emulated, as in the guest: what is promised takes longer there.
pub(crate) fn is_emulated() -> bool {
    fs::read_to_string("/proc/cpuinfo").is_ok_and(|cpus| cpus.contains("TCG"))
}

/// What is promised in this time natively may take twice as long in an emulation.
pub(crate) fn promised(time: Duration) -> Duration {
    if is_emulated() { time * 2 } else { time }
}
