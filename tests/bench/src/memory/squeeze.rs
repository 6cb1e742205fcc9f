//! The node itself running out: an unmanaged process takes all it can get while a managed one
//! grows. For a guest with little memory only, since the kernel kills for want of it.

use std::{
    fs::File,
    io::{ErrorKind, Read as _, Seek as _, SeekFrom},
    os::unix::fs::OpenOptionsExt as _,
    process::Child,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use rustix::system::sysinfo;
use serde::Serialize;
use trimtab_tests::{Agent, Group, Process, lab_bin};

use super::growth::{GOAL, LIMIT, MANAGED, adopted};

/// A host with more memory than this is no guest made for the purpose.
const SMALL: u64 = 2 << 30;
/// What an eater with manners leaves: room for the managed group's own limit, and some more.
const LEFT: u64 = 160 << 20;
/// How long a round may take.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long the managed process may go on after the node is at peace again.
const PEACE: Duration = Duration::from_secs(15);

/// What the unmanaged process wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Appetite {
    /// More than there is.
    Endless,
    /// All but [`LEFT`], which it then keeps.
    Sated,
}

/// What became of the rounds of one kind.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Rounds {
    #[serde(rename = "rounds")]
    number: usize,
    /// Processes that the kernel killed because the node, not a group, was out of memory.
    global_kills: usize,
    /// Of these, how many were not the unmanaged process.
    innocent_kills: usize,
    /// Managed processes that got their memory in the end.
    grown: usize,
    /// Lifts that were refused because the node was short.
    refused: usize,
    /// Limits that were taken back because the node was short.
    recalled: usize,
}

/// What was found.
#[derive(Debug, Serialize)]
pub(super) struct Numbers {
    memory_mib: u64,
    endless_alone: Rounds,
    endless: Rounds,
    sated_alone: Rounds,
    sated: Rounds,
}

impl Numbers {
    /// The same for people.
    pub(super) fn table(&self) -> String {
        let line = |name: &str, rounds: &Rounds| {
            format!(
                "  {name:36} {:>6} {:>12} {:>14} {:>6} {:>8} {:>9}\n",
                rounds.number,
                rounds.global_kills,
                rounds.innocent_kills,
                rounds.grown,
                rounds.refused,
                rounds.recalled
            )
        };
        format!(
            "an unmanaged process takes memory at full speed; {} MiB in all\n  {:36} {:>6} {:>12} {:>14} {:>6} {:>8} {:>9}\n{}{}{}{}",
            self.memory_mib,
            "",
            "rounds",
            "global kills",
            "of bystanders",
            "grown",
            "refused",
            "recalled",
            line("more than there is, without Trimtab", &self.endless_alone),
            line("more than there is, with Trimtab", &self.endless),
            line("all but 160 MiB, without Trimtab", &self.sated_alone),
            line("all but 160 MiB, with Trimtab", &self.sated),
        )
    }
}

/// Half of the rounds with each appetite, first without an agent and then with it.
pub(super) fn measure(rounds: usize, config: &str) -> Result<Numbers> {
    let info = sysinfo();
    let total = info.totalram.saturating_mul(u64::from(info.mem_unit));
    ensure!(
        total <= SMALL,
        "this runs the node out of memory: only for a guest of at most {} MiB",
        SMALL >> 20
    );
    let half = rounds.div_ceil(2);
    let endless_alone = run(None, Appetite::Endless, half)?;
    let sated_alone = run(None, Appetite::Sated, rounds - half)?;
    let agent = Agent::start(config)?;
    Ok(Numbers {
        memory_mib: total >> 20,
        endless_alone,
        endless: run(Some(&agent), Appetite::Endless, half)?,
        sated_alone,
        sated: run(Some(&agent), Appetite::Sated, rounds - half)?,
    })
}

fn run(agent: Option<&Agent>, appetite: Appetite, count: usize) -> Result<Rounds> {
    let mut rounds = Rounds::default();
    for number in 0..count {
        round(agent, appetite, number, &mut rounds)
            .with_context(|| format!("round {number}, {appetite:?}"))?;
        eprintln!("{appetite:?}, agent {}: {rounds:?}", agent.is_some());
    }
    Ok(rounds)
}

fn round(
    agent: Option<&Agent>,
    appetite: Appetite,
    number: usize,
    rounds: &mut Rounds,
) -> Result<()> {
    let group = Group::create(&format!("{MANAGED}{appetite:?}-{number}"))?;
    group.set_memory_limit(Some(LIMIT))?;
    if let Some(agent) = agent {
        adopted(agent, &group)?;
    }
    let mut kernel = KernelLog::open()?;
    let place = Group::create(&format!("eater-{number}"))?;
    let wants = match appetite {
        Appetite::Endless => 1 << 40,
        Appetite::Sated => available()?.saturating_sub(LEFT),
    };
    let mut eater = grow(&place, wants)?;
    // The managed one joins at another moment each time; a sated one has eaten by then.
    match appetite {
        Appetite::Endless => thread::sleep(Duration::from_millis(100) * u32::try_from(number % 8)?),
        Appetite::Sated => wait(PATIENCE, || {
            Ok(place.memory_usage()? >= wants || ended(&mut eater)?)
        })?,
    }
    let mut grower = grow(&group, GOAL)?;
    if appetite == Appetite::Endless {
        wait(PATIENCE, || ended(&mut eater))?;
    }
    let end = Instant::now() + PEACE;
    while Instant::now() < end && !ended(&mut grower)? {
        thread::sleep(Duration::from_millis(10));
    }
    let fed = grower.try_wait()?.is_some_and(|status| status.success());
    let killed = kernel.global_kills()?;
    rounds.number += 1;
    rounds.global_kills += killed.len();
    rounds.innocent_kills += killed.iter().filter(|pid| **pid != eater.id()).count();
    rounds.grown += usize::from(fed);
    if let Some(agent) = agent {
        let entries = agent.cli(&["explain", group.path(), "-n", "1000"])?;
        let entries = entries.as_array().cloned().unwrap_or_default();
        let count =
            |key: &str, value: &str| entries.iter().filter(|entry| entry[key] == value).count();
        rounds.refused += count("denial", "node-short");
        rounds.recalled += count("rule", "recall");
    }
    Ok(())
}

fn grow(group: &Group, to: u64) -> Result<Process> {
    let mut command = group.command(lab_bin()?)?;
    command.args(["grow", "--to", &to.to_string(), "--json"]);
    if to != GOAL {
        command.args(["--hold", "1h"]);
    }
    Process::spawn(&mut command)
}

fn ended(child: &mut Child) -> Result<bool> {
    Ok(child.try_wait()?.is_some())
}

fn wait(patience: Duration, mut done: impl FnMut() -> Result<bool>) -> Result<()> {
    let end = Instant::now() + patience;
    while !done()? {
        if Instant::now() > end {
            bail!("nothing has happened for {patience:?}");
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// `MemAvailable` in bytes.
fn available() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/meminfo")?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    let kib: u64 = number.context("no MemAvailable")?.parse()?;
    Ok(kib << 10)
}

/// The kernel's messages from now on: only they tell whether a group or the node ran out.
struct KernelLog(File);

impl KernelLog {
    fn open() -> Result<Self> {
        let mut options = File::options();
        let mut file = options
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open("/dev/kmsg")?;
        file.seek(SeekFrom::End(0))?;
        Ok(Self(file))
    }

    /// The processes killed for want of the node's memory since the last call.
    fn global_kills(&mut self) -> Result<Vec<u32>> {
        let mut killed = Vec::new();
        let mut record = [0; 8192];
        loop {
            match self.0.read(&mut record) {
                Ok(length) => {
                    let text = String::from_utf8_lossy(&record[..length]);
                    let pid = text.split_once(";Out of memory: Killed process ");
                    let pid = pid.and_then(|(_, rest)| rest.split(' ').next());
                    killed.extend(pid.and_then(|pid| pid.parse::<u32>().ok()));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(killed),
                // Messages were overwritten before they were read; those that follow are there.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
                Err(error) => return Err(error).context("/dev/kmsg"),
            }
        }
    }
}
