//! The workload that outgrows its memory limit, again and again, each time in a fresh group.

use std::{
    os::unix::process::ExitStatusExt,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use trimtab_tests::{Group, Process, lab_bin};

use crate::tie::tie;

/// The limit that it starts under.
pub(super) const LIMIT: u64 = 64 << 20;
/// How far it grows.
pub(super) const GROWS_TO: &str = "400MiB";
/// How long it keeps what it has got.
const HOLD: &str = "700ms";
/// From the end of one to the start of the next.
const REST: Duration = Duration::from_millis(1_300);
/// How long a new group waits for being taken up; it goes ahead in any case.
const PATIENCE: Duration = Duration::from_secs(3);
const SIGKILL: i32 = 9;

/// What has become of those that grew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Reached their size.
    pub(super) grown: u64,
    /// Were killed by the kernel for it.
    pub(super) killed: u64,
}

/// The one that is on, or the pause before the next.
#[derive(Debug)]
pub(super) struct Grower {
    state: State,
    tally: Tally,
}

#[derive(Debug)]
enum State {
    Resting(Instant),
    Waiting(Group, Instant),
    Growing(Group, Process),
}

impl Grower {
    pub(super) fn new() -> Self {
        Self {
            state: State::Resting(Instant::now()),
            tally: Tally::default(),
        }
    }

    /// Its present group.
    pub(super) fn group(&self) -> Option<&Group> {
        match &self.state {
            State::Resting(_) => None,
            State::Waiting(group, _) | State::Growing(group, _) => Some(group),
        }
    }

    /// Whether one is growing, or is about to.
    pub(super) fn is_busy(&self) -> bool {
        !matches!(self.state, State::Resting(_))
    }

    /// What has become of those so far.
    pub(super) fn tally(&self) -> Tally {
        self.tally
    }

    /// Goes on to the next state when it is time. `adopted` says whether the agent has taken up the present group,
    /// `more` whether another one may begin.
    pub(super) fn step(&mut self, adopted: bool, more: bool) -> Result<()> {
        let now = Instant::now();
        match &mut self.state {
            State::Resting(until) if now >= *until && more => {
                let group = Group::create("growing")?;
                group.set_memory_limit(Some(LIMIT))?;
                self.state = State::Waiting(group, now);
            }
            State::Waiting(group, since) if adopted || now.duration_since(*since) > PATIENCE => {
                let mut command = group.command(lab_bin()?)?;
                command.args(["grow", "--to", GROWS_TO, "--hold", HOLD, "--json"]);
                let process = Process::spawn(tie(&mut command))?;
                let State::Waiting(group, _) = self.rest() else {
                    return Ok(());
                };
                self.state = State::Growing(group, process);
            }
            State::Growing(group, process) => {
                let Some(status) = process.try_wait()? else {
                    return Ok(());
                };
                if status.success() {
                    self.tally.grown += 1;
                } else if status.signal() == Some(SIGKILL) && group.oom_kills()? > 0 {
                    self.tally.killed += 1;
                } else {
                    bail!("the growing process failed: {status}");
                }
                self.rest();
            }
            State::Resting(_) | State::Waiting(..) => {}
        }
        Ok(())
    }

    /// Ends the process that is growing; its group stays.
    pub(super) fn kill(&self) -> Result<()> {
        self.group().map_or(Ok(()), Group::kill_all)
    }

    fn rest(&mut self) -> State {
        std::mem::replace(&mut self.state, State::Resting(Instant::now() + REST))
    }
}
