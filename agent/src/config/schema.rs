//! What a configuration says, checked and in base units.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use trimtab_core::{
    decide::{Bounds, Entitlement, Policy as Kind, Settings},
    signal::{Amount, Mode, Nanos, Resource},
};

use super::{
    matching::{Match, Subject},
    select::Selector,
    units::Share,
};
use crate::{identity::watch::Address, probe::Probe};

/// The whole file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// `[agent]`.
    pub agent: Agent,
    /// `[fast]`.
    pub fast: Fast,
    /// `[probes]`.
    pub probes: Probes,
    /// `[gpu]`.
    pub gpu: Gpu,
    /// `[energy]`.
    pub energy: Energy,
    /// `[anomalies]`.
    pub anomalies: Anomalies,
    /// `[identity]`.
    pub identity: Identity,
    /// `[record]`.
    pub record: Record,
    /// `[report]`.
    pub report: Report,
    /// `[[policy]]`, in the file's order: the first that selects a cgroup has it.
    pub policies: Vec<Policy>,
}

impl Config {
    /// Where the file is looked for when nobody says otherwise.
    pub const DEFAULT_PATH: &str = "/etc/trimtab/trimtab.toml";

    /// The policy that has a cgroup: the first that selects it, unless the group is excluded.
    #[must_use]
    pub fn policy_for(&self, subject: &Subject<'_>) -> Option<&Policy> {
        if self.agent.exclude.matches(subject.path) {
            return None;
        }
        self.policies.iter().find(|policy| policy.has(subject))
    }

    /// The policy that is asked beside another one.
    #[must_use]
    pub fn shadow_of(&self, policy: &Policy) -> Option<&Policy> {
        let name = policy.shadow.as_ref()?;
        self.policies.iter().find(|other| other.name == *name)
    }

    /// Whether it depends on more than the path which policy has a cgroup.
    #[must_use]
    pub fn asks_about(&self, path: &str) -> bool {
        let asks = |policy: &Policy| policy.matching.is_some() && policy.selects(path);
        !self.agent.exclude.matches(path) && self.policies.iter().any(asks)
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
    /// Cgroups that no policy gets, whatever it selects.
    pub exclude: Selector,
    /// `[agent.reserve]` and `[agent.foreign]`.
    pub settings: Settings<Share>,
    /// `[agent.budget]`.
    pub budget: Budget,
    /// `[agent.room]`.
    pub room: Room,
}

impl Default for Agent {
    fn default() -> Self {
        Self {
            socket: PathBuf::from("/run/trimtab/trimtab.sock"),
            runtime_directory: PathBuf::from("/run/trimtab"),
            tick: Nanos::SECOND,
            exclude: Selector::default(),
            settings: Settings::default().map(|_, _| Share::percent(5)),
            budget: Budget::default(),
            room: Room::default(),
        }
    }
}

/// What the agent itself may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// CPU of the agent and its probes.
    pub cpu: Share,
    /// Memory of the agent and of the probes' maps.
    pub memory: Share,
    /// For how long it may be over that, and how long it must be within it again.
    pub patience: Nanos,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            cpu: Share::percent(3),
            memory: Share::Amount(Amount(64 << 20)),
            patience: Nanos(30 * Nanos::SECOND.0),
        }
    }
}

/// How much there is room for: the agent's memory and its maps in the kernel are sized by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Workloads; groups beyond are left alone until there is room. 1 to [`Room::WORKLOADS`].
    pub workloads: u32,
    /// Workloads with histograms of their own; the others share one. No more than workloads.
    pub histograms: u32,
}

impl Room {
    /// The most workloads for which there may be room.
    pub const WORKLOADS: u32 = 16_384;
}

impl Default for Room {
    fn default() -> Self {
        Self {
            workloads: 4096,
            histograms: 512,
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
    /// Whether each CPU has a thread of its own, so that none has to be woken for an event of another.
    pub per_cpu: bool,
    /// Size of the ring buffer between kernel and agent in bytes: a power of two, at least a page.
    pub ring_bytes: u32,
}

impl Default for Fast {
    fn default() -> Self {
        Self {
            scheduling: Scheduling::Fifo,
            priority: 1,
            lock_memory: true,
            per_cpu: true,
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

/// What is asked about GPUs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gpu {
    /// Whether anything is.
    pub enabled: bool,
    /// The driver's management library: a name that the loader looks for, or an absolute path.
    pub library: PathBuf,
}

impl Default for Gpu {
    fn default() -> Self {
        Self {
            enabled: true,
            library: PathBuf::from("libnvidia-ml.so.1"),
        }
    }
}

/// What is read of energy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Energy {
    /// Whether anything is.
    pub enabled: bool,
    /// Where the kernel shows counters.
    pub powercap: PathBuf,
}

impl Default for Energy {
    fn default() -> Self {
        Self {
            enabled: true,
            powercap: PathBuf::from("/sys/class/powercap"),
        }
    }
}

/// What is looked for that is out of the ordinary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anomalies {
    /// Whether anything is.
    pub enabled: bool,
}

impl Default for Anomalies {
    fn default() -> Self {
        Self { enabled: true }
    }
}

/// Who is asked about workloads, beyond what their paths tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Whether anybody is.
    pub enabled: bool,
    /// Whether systemd is.
    pub systemd: bool,
    /// The socket of the bus that systemd is on.
    pub bus: PathBuf,
    /// Sockets with the container runtime interface.
    pub cri: Vec<PathBuf>,
    /// Sockets with the API of Docker's engine.
    pub docker: Vec<PathBuf>,
}

impl Default for Identity {
    fn default() -> Self {
        let paths = |paths: &[&str]| paths.iter().map(PathBuf::from).collect();
        Self {
            enabled: true,
            systemd: true,
            bus: PathBuf::from("/run/dbus/system_bus_socket"),
            cri: paths(&[
                "/run/containerd/containerd.sock",
                "/run/crio/crio.sock",
                "/run/k3s/containerd/containerd.sock",
            ]),
            docker: paths(&["/run/docker.sock", "/run/podman/podman.sock"]),
        }
    }
}

impl Identity {
    /// Everybody who is to be asked.
    #[must_use]
    pub fn addresses(&self) -> Vec<Address> {
        if !self.enabled {
            return Vec::new();
        }
        let systemd = self.systemd.then(|| Address::Systemd(self.bus.clone()));
        let cri = self.cri.iter().cloned().map(Address::Cri);
        let docker = self.docker.iter().cloned().map(Address::Engine);
        systemd.into_iter().chain(cri).chain(docker).collect()
    }
}

/// What is kept of signals and decisions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Whether anything is.
    pub enabled: bool,
    /// Where.
    pub directory: PathBuf,
    /// How much at most, in bytes; the oldest goes first.
    pub limit: Amount,
}

impl Default for Record {
    fn default() -> Self {
        Self {
            enabled: false,
            directory: PathBuf::from("/var/lib/trimtab/record"),
            limit: Amount(256 << 20),
        }
    }
}

/// What monitoring systems are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// How many workloads are told by name, 0 to [`Report::WORKLOADS`]; the others are told together.
    pub workloads: u32,
    /// Whether Prometheus may ask.
    pub prometheus: bool,
    /// Where it asks.
    pub listen: SocketAddr,
}

impl Report {
    /// The most workloads that may be told by name: some 12 MB of text.
    pub const WORKLOADS: u32 = 500;

    /// Where Prometheus asks, if it may.
    #[must_use]
    pub fn prometheus(&self) -> Option<SocketAddr> {
        self.prometheus.then_some(self.listen)
    }
}

impl Default for Report {
    fn default() -> Self {
        Self {
            workloads: 50,
            prometheus: false,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9464)),
        }
    }
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
    /// Which cgroups it has, by their paths; any if there are no patterns.
    pub select: Selector,
    /// What else is asked of them.
    pub matching: Option<Match>,
    /// What may be done with its decisions.
    pub mode: Mode,
    /// The name of another policy that is asked beside it, for comparison only.
    pub shadow: Option<String>,
    /// The rule of its slow loop.
    pub kind: Kind,
    /// How its workloads stand among others when the node is full.
    pub entitlement: Entitlement,
    /// Whether CPU is shared out by the kernel's weight alone, without a quota; then `cpu` is `None`.
    pub by_weight: bool,
    /// How CPU limits may move; `None` leaves them alone.
    pub cpu: Option<Bounds<Share>>,
    /// How memory limits may move; `None` leaves memory alone.
    pub memory: Option<Bounds<Share>>,
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
            matching: None,
            mode: Mode::default(),
            shadow: None,
            kind: Kind::default(),
            entitlement: Entitlement::default(),
            by_weight: false,
            cpu: Some(default_bounds(Resource::Cpu)),
            memory: Some(default_bounds(Resource::Memory)),
        }
    }

    /// The policy of `trimtab run`: whoever starts a command that way wants it lifted, and its
    /// limits are of no use to anybody once it has ended, so they are not trimmed.
    #[must_use]
    pub fn run() -> Self {
        let policy = Self::new(Self::RUN, Selector::default());
        let untrimmed = |bounds| Bounds {
            trim: false,
            ..bounds
        };
        Self {
            mode: Mode::Enforce,
            cpu: policy.cpu.map(untrimmed),
            memory: policy.memory.map(untrimmed),
            ..policy
        }
    }

    /// Whether a path is one that it could have.
    fn selects(&self, path: &str) -> bool {
        let any = self.select.patterns().is_empty() && self.matching.is_some();
        any || self.select.matches(path)
    }

    /// Whether it selects a cgroup, as far as that is known.
    fn has(&self, subject: &Subject<'_>) -> bool {
        let holds = |wanted: &Match| wanted.matches(subject);
        self.selects(subject.path) && self.matching.as_ref().is_none_or(holds)
    }

    /// How limits of a resource may move; `None` leaves it alone.
    #[must_use]
    pub const fn bounds(&self, resource: Resource) -> Option<&Bounds<Share>> {
        match resource {
            Resource::Cpu => self.cpu.as_ref(),
            Resource::Memory => self.memory.as_ref(),
        }
    }
}

/// The defaults for a resource; here the ceiling can be said in full.
pub(super) fn default_bounds(resource: Resource) -> Bounds<Share> {
    Bounds {
        ceiling: Share::percent(100),
        ..Bounds::of(resource).map(Share::Amount)
    }
}
