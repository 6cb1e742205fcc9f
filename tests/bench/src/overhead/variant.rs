//! Who watches while the loads run.

use std::time::Duration;

use anyhow::{Result, ensure};
use tempfile::TempDir;
use trimtab::probe::{Baseline, Design, Options};
use trimtab_tests::{Agent, Process, eventually};

use super::node::Node;
use crate::runq::bpftrace;

/// How long an agent may take to take up all workloads.
const ADOPTION: Duration = Duration::from_mins(2);

/// Who watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Variant {
    /// Nobody.
    Nobody,
    /// An agent as it is by default: all probes, and a tick every second.
    Trimtab,
    /// bpftrace's `runqlat.bt`.
    Bpftrace,
    /// The start of a wait in a hash by pid.
    Hash,
    /// Nobody again: what differs is the machine's own noise.
    Again,
}

/// What watches as long as this lives.
#[expect(dead_code, reason = "they are there to be dropped")]
pub(super) enum Watching {
    Nobody,
    Trimtab(Agent),
    Bpftrace(Process, TempDir),
    Hash(Box<Baseline>),
}

impl Variant {
    pub(super) const ALL: [Self; 5] = [
        Self::Nobody,
        Self::Trimtab,
        Self::Bpftrace,
        Self::Hash,
        Self::Again,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::Trimtab => "Trimtab",
            Self::Bpftrace => "bpftrace runqlat.bt",
            Self::Hash => "hash by pid",
            Self::Again => "nobody again",
        }
    }

    pub(super) fn start(self, node: &Node) -> Result<Watching> {
        Ok(match self {
            Self::Nobody | Self::Again => Watching::Nobody,
            Self::Trimtab => Watching::Trimtab(agent(node)?),
            Self::Bpftrace => {
                let (process, include) = bpftrace()?;
                Watching::Bpftrace(process, include)
            }
            Self::Hash => {
                let mut hash = Baseline::load(Design::HashByPid, &Options::default())?;
                hash.runq().register(node.load.cpu_id()?)?;
                Watching::Hash(Box::new(hash))
            }
        })
    }
}

/// An agent that has every group of the node as a workload, and says what it would do about them.
pub(super) fn agent(node: &Node) -> Result<Agent> {
    let agent = Agent::start(&format!(
        "[[policy]]\nname = \"overhead\"\nselect = [\"{}/*\"]\nmode = \"recommend\"\n",
        node.root.path()
    ))?;
    let count = node.workloads();
    let managed = eventually(ADOPTION, || {
        agent
            .cli(&["workloads"])
            .is_ok_and(|list| list.as_array().is_some_and(|list| list.len() >= count))
    });
    ensure!(
        managed,
        "not every group became a workload\n{}",
        agent.log()
    );
    Ok(agent)
}
