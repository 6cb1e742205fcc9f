//! What a configuration says, checked and in base units.

use std::path::PathBuf;

use trimtab_core::signal::{Amount, Mode, Nanos, Resource};

use super::{select::Selector, units::Share};
use crate::probe::Probe;

/// The whole file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// `[agent]`.
    pub agent: Agent,
    /// `[fast]`.
    pub fast: Fast,
    /// `[probes]`.
    pub probes: Probes,
    /// `[[policy]]`, in the file's order: the first that selects a cgroup has it.
    pub policies: Vec<Policy>,
}

impl Config {
    /// Where the file is looked for when nobody says otherwise.
    pub const DEFAULT_PATH: &str = "/etc/trimtab/trimtab.toml";

    /// The policy that has a cgroup: the first that selects it, unless the group is excluded.
    #[must_use]
    pub fn policy_for(&self, path: &str) -> Option<&Policy> {
        if self.agent.exclude.matches(path) {
            return None;
        }
        self.policies
            .iter()
            .find(|policy| policy.select.matches(path))
    }
}

/// The agent as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// The local API's socket.
    pub socket: PathBuf,
    /// What outlives the agent but not a reboot: the ledger of original values.
    pub runtime_directory: PathBuf,
    /// Time between two rounds of the slow loop.
    pub tick: Nanos,
    /// What is never lent.
    pub reserve: Reserve,
    /// Cgroups that no policy gets, whatever it selects.
    pub exclude: Selector,
    /// What to do about limits that somebody else writes.
    pub foreign: Foreign,
}

impl Default for Agent {
    fn default() -> Self {
        Self {
            socket: PathBuf::from("/run/trimtab/trimtab.sock"),
            runtime_directory: PathBuf::from("/run/trimtab"),
            tick: Nanos::SECOND,
            reserve: Reserve::default(),
            exclude: Selector::default(),
            foreign: Foreign::default(),
        }
    }
}

/// What is kept back on the node and never lent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reserve {
    /// CPU.
    pub cpu: Share,
    /// Memory.
    pub memory: Share,
}

impl Default for Reserve {
    fn default() -> Self {
        Self {
            cpu: Share::percent(5),
            memory: Share::percent(5),
        }
    }
}

/// How a limit is treated that somebody else writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// How long after adoption a limit that has not been changed by us is simply followed when its
    /// owner writes it: owners set limits right after they have made a group.
    pub newborn: Nanos,
    /// How long the limit is left alone after that.
    pub backoff: Nanos,
    /// This many foreign writes ...
    pub writes: u32,
    /// ... within this time end the management of the limit.
    pub window: Nanos,
}

impl Default for Foreign {
    fn default() -> Self {
        Self {
            newborn: Nanos(5 * Nanos::SECOND.0),
            backoff: Nanos::MINUTE,
            writes: 3,
            window: Nanos(10 * Nanos::MINUTE.0),
        }
    }
}

/// The thread that answers events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fast {
    /// How it wishes to be scheduled; it takes the next lesser where that is not permitted.
    pub scheduling: Scheduling,
    /// Priority under [`Scheduling::Fifo`], 1 to 99.
    pub priority: u8,
    /// Whether its memory shall be locked.
    pub lock_memory: bool,
    /// Size of the ring buffer between kernel and agent in bytes: a power of two, at least a page.
    pub ring_bytes: u32,
}

impl Default for Fast {
    fn default() -> Self {
        Self {
            scheduling: Scheduling::Fifo,
            priority: 1,
            lock_memory: true,
            ring_bytes: 256 << 10,
        }
    }
}

/// The eBPF probes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probes {
    /// Those that are not loaded, whatever the kernel allows.
    pub off: Vec<Probe>,
}

/// How a thread may be scheduled, from the most to the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheduling {
    /// `SCHED_FIFO`.
    Fifo,
    /// `SCHED_OTHER`, nice -20.
    Nice,
    /// As the process is.
    Normal,
}

/// How the limits of some workloads are moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// What it is called in every explanation.
    pub name: String,
    /// Which cgroups it has.
    pub select: Selector,
    /// What may be done with its decisions.
    pub mode: Mode,
    /// The rule of its slow loop.
    pub kind: Kind,
    /// How far CPU limits may move; `None` leaves CPU alone.
    pub cpu: Option<Bounds>,
    /// How far memory limits may move; `None` leaves memory alone.
    pub memory: Option<Bounds>,
    /// Whether a limit may be trimmed below what its owner had set.
    pub trim: bool,
    /// No trimming in a workload's first minutes.
    pub warm_up: Nanos,
    /// Time from a raise to the next trim.
    pub cooldown: Nanos,
    /// Time from a trim to the next one.
    pub cut_interval: Nanos,
    /// The most that one trim takes, in percent of the limit.
    pub largest_cut: u32,
    /// A trim leaves at least this much above the present use, in percent of it.
    pub use_headroom: u32,
    /// Lifts per minute by the fast loop, in the long run.
    pub lifts_per_minute: u32,
    /// Changes per minute by the slow loop.
    pub changes_per_minute: u32,
}

impl Policy {
    /// The name of the policy under which `trimtab run` puts its group.
    pub const RUN: &str = "run";

    /// A policy with every default.
    #[must_use]
    pub fn new(name: impl Into<String>, select: Selector) -> Self {
        Self {
            name: name.into(),
            select,
            mode: Mode::default(),
            kind: Kind::default(),
            cpu: Some(Bounds::of(Resource::Cpu)),
            memory: Some(Bounds::of(Resource::Memory)),
            trim: true,
            warm_up: Nanos(3 * Nanos::MINUTE.0),
            cooldown: Nanos::MINUTE,
            cut_interval: Nanos(10 * Nanos::SECOND.0),
            largest_cut: 50,
            use_headroom: 10,
            lifts_per_minute: 60,
            changes_per_minute: 6,
        }
    }

    /// The policy of `trimtab run`: whoever starts a command that way wants it lifted, and its
    /// limits are of no use to anybody once it has ended, so they are not trimmed.
    #[must_use]
    pub fn run() -> Self {
        Self {
            mode: Mode::Enforce,
            trim: false,
            ..Self::new(Self::RUN, Selector::default())
        }
    }

    /// How far limits of a resource may move; `None` leaves it alone.
    #[must_use]
    pub const fn bounds(&self, resource: Resource) -> Option<&Bounds> {
        match resource {
            Resource::Cpu => self.cpu.as_ref(),
            Resource::Memory => self.memory.as_ref(),
        }
    }
}

/// The rule of the slow loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A high percentile of use and a margin on top.
    Headroom(Headroom),
    /// Grow by a factor when busy for a while, shrink by it when idle for a while.
    Threshold(Threshold),
}

impl Default for Kind {
    fn default() -> Self {
        Self::Headroom(Headroom::default())
    }
}

/// Parameters of [`Kind::Headroom`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Headroom {
    /// Which percentile of use.
    pub percentile: u32,
    /// Over how long.
    pub window: Nanos,
    /// How much on top, in percent of the percentile.
    pub margin: u32,
}

impl Default for Headroom {
    fn default() -> Self {
        Self {
            percentile: 95,
            window: Nanos::MINUTE,
            margin: 20,
        }
    }
}

/// Parameters of [`Kind::Threshold`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threshold {
    /// Grow when utilisation (use / limit) stays above this percentage.
    pub high: u32,
    /// Shrink when it stays below this percentage.
    pub low: u32,
    /// For how long.
    pub duration: Nanos,
    /// By which factor, in percent: 150 grows by half.
    pub factor: u32,
}

impl Default for Threshold {
    fn default() -> Self {
        Self {
            high: 90,
            low: 50,
            duration: Nanos(3 * Nanos::SECOND.0),
            factor: 150,
        }
    }
}

/// Between which values a limit may move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Never trimmed below this; also what is set aside on the node.
    pub floor: Share,
    /// Never lifted above this; the node's capacity caps it as well.
    pub ceiling: Share,
    /// The least that a first lift adds.
    pub step: Share,
}

impl Bounds {
    /// The defaults for a resource.
    #[must_use]
    pub const fn of(resource: Resource) -> Self {
        let (floor, step) = match resource {
            Resource::Cpu => (Amount(100_000), Amount(250_000)),
            Resource::Memory => (Amount(16 << 20), Amount(32 << 20)),
        };
        Self {
            floor: Share::Amount(floor),
            ceiling: Share::percent(100),
            step: Share::Amount(step),
        }
    }
}
