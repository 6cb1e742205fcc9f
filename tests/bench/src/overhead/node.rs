//! The node: workloads that sleep, the one in which the loads run, and groups and processes that
//! come and go.

use std::{
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use trimtab_tests::{Group, Process, lab_bin};

use crate::{runq::Pipe, spread::number};

/// Far more than the loads use: what is measured is how the probes look at a group with limits, not
/// what they do when one is nearly reached.
const QUOTA_PERIODS: u64 = 4;
const PERIOD_US: u64 = 100_000;
const MEMORY: u64 = 1 << 30;

/// Groups that are made, and removed, in a minute; and processes, each of which ends at once.
const GROUPS: u32 = 100;
const PROCESSES: u32 = 1000;

/// The groups, with their sleeping processes.
pub(super) struct Node {
    _processes: Vec<Process>,
    sleeping: Vec<Group>,
    pub(super) load: Group,
    pub(super) root: Group,
}

#[derive(Deserialize)]
struct Turns {
    turns: u64,
    seconds: f64,
}

impl Node {
    /// So many workloads, the one for the loads among them, and so many processes in the others.
    pub(super) fn new(workloads: usize, processes: usize) -> Result<Self> {
        ensure!(workloads > 0, "--workloads must be above zero");
        let root = Group::create("overhead")?;
        let load = root.child("load")?;
        let cpus = u64::try_from(thread::available_parallelism()?.get())?;
        load.set_quota_us(Some(QUOTA_PERIODS * cpus * PERIOD_US), PERIOD_US)?;
        load.set_memory_limit(Some(MEMORY))?;
        let sleeping = (1..workloads)
            .map(|number| root.child(&format!("w{number}")))
            .collect::<Result<Vec<_>>>()?;
        let mut started = Vec::with_capacity(processes);
        for group in sleeping.iter().cycle().take(processes) {
            started.push(Process::spawn(group.command("sleep")?.arg("infinity"))?);
        }
        Ok(Self {
            _processes: started,
            sleeping,
            load,
            root,
        })
    }

    /// How many workloads there are.
    pub(super) fn workloads(&self) -> usize {
        self.sleeping.len() + 1
    }

    /// Operations a second of `perf bench sched pipe`.
    pub(super) fn pipe(&self, operations: u64) -> Result<f64> {
        Pipe::new(&self.load, operations, None)?.rate()
    }

    /// Requests and responses of one byte a second, over TCP on loopback.
    pub(super) fn turns(&self, turns: u64) -> Result<f64> {
        let mut command = self.load.command(lab_bin()?)?;
        let output = command
            .args(["turns", "--turns", &turns.to_string()])
            .stdin(Stdio::null())
            .output()?;
        ensure!(output.status.success(), "{command:?}: {output:?}");
        let report: Turns = serde_json::from_slice(&output.stdout)
            .with_context(|| format!("{command:?} said {output:?}"))?;
        Ok(number(report.turns) / report.seconds)
    }

    /// For so long: a group with processes of its own is made, and goes; `each` is called every second.
    pub(super) fn churn(
        &self,
        duration: Duration,
        mut each: impl FnMut() -> Result<()>,
    ) -> Result<()> {
        let begun = Instant::now();
        let pause = Duration::from_mins(1) / GROUPS;
        let mut next = Duration::from_secs(1);
        for number in 0.. {
            thread::sleep((pause * number).saturating_sub(begun.elapsed()));
            if begun.elapsed() >= duration {
                break;
            }
            let group = self.root.child(&format!("churn{number}"))?;
            for _ in 0..PROCESSES / GROUPS {
                let mut short = group.command("true")?;
                ensure!(silent(&mut short).status()?.success(), "{short:?} failed");
            }
            drop(group);
            if begun.elapsed() >= next {
                each()?;
                next += Duration::from_secs(1);
            }
        }
        Ok(())
    }
}

fn silent(command: &mut Command) -> &mut Command {
    command.stdin(Stdio::null()).stdout(Stdio::null())
}
