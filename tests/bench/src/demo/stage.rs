//! The three workloads, each in a group of its own.

use std::{fs, thread};

use anyhow::{Context, Result};
use trimtab_tests::{CpuStat, Group, Process, Version, lab_bin};

use super::grower::Grower;
use crate::{server::Server, tie::tie};

/// The bursty server's quota, in microseconds of each [`PERIOD_US`].
pub(super) const QUOTA_US: u64 = 10_000;
/// The kernel's usual period.
pub(super) const PERIOD_US: u64 = 100_000;
/// CPU time of a request.
const REQUEST: &str = "2ms";
/// The neighbour's weight, where 100 is everybody's: it may have what others leave.
pub(super) const WEIGHT: u64 = 10;

/// The workloads; dropping it kills them and removes their groups.
#[derive(Debug)]
pub(super) struct Stage {
    /// Answers requests under a tight CPU quota.
    pub(super) bursty: Group,
    /// Spins on every CPU, without a quota and with little weight.
    pub(super) greedy: Group,
    /// Outgrows its memory limit.
    pub(super) grower: Grower,
    /// What answers in the bursty one.
    pub(super) server: Server,
    _spinner: Process,
}

impl Stage {
    /// Makes the groups and starts what runs in the first two.
    pub(super) fn set() -> Result<Self> {
        let bursty = Group::create("bursty")?;
        bursty.set_quota_us(Some(QUOTA_US), PERIOD_US)?;
        let greedy = Group::create("greedy")?;
        set_weight(&greedy)?;
        let server = Server::start(tie(&mut Server::command(&bursty, REQUEST)?))?;
        let threads = thread::available_parallelism()?.to_string();
        let mut spin = greedy.command(lab_bin()?)?;
        spin.args(["burn", "--threads", &threads, "--for", "1day"]);
        let spinner = Process::spawn(tie(&mut spin))?;
        Ok(Self {
            bursty,
            greedy,
            grower: Grower::new(),
            server,
            _spinner: spinner,
        })
    }

    /// The policies under which they stand; `MODE` is for the agent to fill in.
    pub(super) fn policies(&self) -> Result<String> {
        let (parent, _) = self.bursty.path().rsplit_once('/').context("no parent")?;
        // A burst every few seconds shall show the whole way up and down, so nothing waits long here.
        Ok(format!(
            "[[policy]]\nname = \"demo\"\nselect = [\"{parent}/*\"]\nmode = \"MODE\"\n\
             window = \"5s\"\nwarm_up = \"0s\"\ncooldown = \"1s\"\ncut_interval = \"500ms\"\nlargest_cut = 90\n\
             changes_per_minute = 60\ncpu.floor = 0.1\nmemory.floor = \"64MiB\"\nmemory.ceiling = \"1GiB\"\n"
        ))
    }

    /// The path of one of the workloads.
    pub(super) fn path(&self, name: &str) -> String {
        let bursty = self.bursty.path();
        format!("{}{name}", bursty.trim_end_matches("bursty"))
    }

    /// CPU time and throttling of the bursty one and of its neighbour.
    pub(super) fn cpu_stats(&self) -> Result<[CpuStat; 2]> {
        Ok([self.bursty.cpu_stat()?, self.greedy.cpu_stat()?])
    }

    /// Which limits do not stand where they stood before the agent came, in words.
    pub(super) fn not_restored(&self) -> Result<Vec<String>> {
        let mut wrong = Vec::new();
        let quota = (self.bursty.quota_us()?, self.bursty.period_us()?);
        if quota != (Some(QUOTA_US), PERIOD_US) {
            wrong.push(format!("{}: quota {quota:?}", self.bursty.path()));
        }
        if self.greedy.quota_us()?.is_some() {
            wrong.push(format!("{}: a quota is left", self.greedy.path()));
        }
        if let Some(group) = self.grower.group()
            && group.memory_limit()? != Some(super::grower::LIMIT)
        {
            wrong.push(format!(
                "{}: {:?} bytes",
                group.path(),
                group.memory_limit()?
            ));
        }
        Ok(wrong)
    }
}

fn set_weight(group: &Group) -> Result<()> {
    let (name, value) = match group.version() {
        Version::V1 => ("cpu.shares", WEIGHT * 1024 / 100),
        Version::V2 => ("cpu.weight", WEIGHT),
    };
    let file = group.cpu_dir().join(name);
    fs::write(&file, value.to_string()).with_context(|| format!("cannot write {}", file.display()))
}
