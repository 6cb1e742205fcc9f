//! What the agent tells its users: plain types that serialise to the JSON of `--json`.
//!
//! Every number carries its unit in its name; a [`Quantity`] carries it in its variant.

mod anomaly;
mod compare;
mod cost;
mod energy;
mod feedback;
mod find;
mod gpu;
mod histogram;
mod identity;
mod process;
mod recording;
mod room;
mod runtime;
mod stalls;
mod tcp;
mod why;

use serde::{Deserialize, Serialize};
use trimtab_core::signal::{Amount, Mode, Resource};

pub use anomaly::{Anomaly, Beyond, Hint};
pub use compare::{Comparison, Course};
pub use cost::{Cost, ProgramCost, Shed};
pub use energy::{Energy, EnergyShare, EnergyState};
pub use feedback::{Bound, Feedback, HeldBack, Outcome, Stage, TrialSignals};
pub use find::find;
pub use gpu::{Gpu, GpuDriver, GpuInstance, GpuShare, GpuState, Gpus};
pub use histogram::Bin;
pub use identity::Identity;
pub use process::{Process, Processes, sort};
pub use recording::Recording;
pub use room::Room;
pub use runtime::Runtime;
pub use stalls::{Block, Lacks, Latency, Pressure, Pressures, Reclaim, Stalls};
pub use tcp::Tcp;
pub use why::{WaitCause, WaitKind, Why};

/// An amount of one resource that knows its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// 1,000,000 is one CPU.
    MicroCpus(u64),
    /// Memory.
    Bytes(u64),
    /// The kernel's 'max' or -1.
    Unlimited,
}

impl Quantity {
    /// The amount of a resource, in the unit that the resource is measured in.
    #[must_use]
    pub const fn new(resource: Resource, amount: Amount) -> Self {
        match resource {
            _ if amount.is_unlimited() => Self::Unlimited,
            Resource::Cpu => Self::MicroCpus(amount.0),
            Resource::Memory => Self::Bytes(amount.0),
        }
    }
}

/// The agent as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The agent's version.
    pub version: String,
    /// The agent's pid.
    pub pid: u32,
    /// When it started, in ns since the Unix epoch.
    pub started_unix_ns: u64,
    /// How long ago that was.
    pub uptime_ns: u64,
    /// Whether writing is suspended.
    pub paused: bool,
    /// The configuration file in force.
    pub config_path: String,
    /// What is wrong with the configuration that was to replace it at the last reload; `None` when
    /// nothing was.
    pub config_error: Option<String>,
    /// Workloads in mode `observe`.
    pub observed: u32,
    /// Workloads in mode `recommend`.
    pub recommended: u32,
    /// Workloads in mode `enforce`.
    pub enforced: u32,
    /// Workloads that are pinned, whatever their mode.
    pub pinned: u32,
    /// How many there may be.
    pub room: Room,
    /// What is out of the ordinary about workloads, the oldest first.
    pub anomalies: Vec<Anomaly>,
    /// One pool per resource.
    pub pools: Vec<Pool>,
    /// The thread that answers events.
    pub fast_loop: FastLoop,
    /// The node's pressure.
    pub pressure: Pressures,
    /// The node's GPUs.
    pub gpus: Gpus,
    /// What the node draws.
    pub energy: Energy,
    /// Who is asked about workloads, and how they stand.
    pub identity: Vec<Finding>,
    /// How the recording stands; `None` where nothing is recorded.
    pub recording: Option<Finding>,
    /// Probes that are attached.
    pub probes_on: u32,
    /// Probes that are not.
    pub probes_off: u32,
    /// Those that are off or degraded, and why.
    pub probes_lacking: Vec<Finding>,
    /// CPU time that the agent has used since it started.
    pub cpu_time_ns: u64,
    /// Memory that the agent holds.
    pub resident_bytes: u64,
    /// What it costs lately, and what it may.
    pub cost: Cost,
    /// `seq` of the newest journal entry, 0 when there is none.
    pub journal_seq: u64,
}

/// What the node can lend of one resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// Of what.
    pub resource: Resource,
    /// What the node has.
    pub capacity: Quantity,
    /// What is never lent.
    pub reserve: Quantity,
    /// What is set aside for top-level workloads: their floors, or what is needed of them.
    pub floors: Quantity,
    /// Measured use of groups that no policy selects.
    pub unmanaged: Quantity,
    /// What is left of the capacity after these.
    pub size: Quantity,
    /// What of it is lent now.
    pub lent: Quantity,
    /// What the whole node uses: of memory, what is not available.
    pub used: Quantity,
}

/// The thread that answers events, and how well it does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FastLoop {
    /// How it is scheduled, in the kernel's words: `SCHED_FIFO 1`, `nice -20`, `nice 0`.
    pub scheduling: String,
    /// Whether its memory cannot be paged out.
    pub memory_locked: bool,
    /// Events received.
    pub events: u64,
    /// Events answered with a higher limit.
    pub lifts: u64,
    /// Events answered with a refusal.
    pub denied: u64,
    /// Events for which there was no room on the way from the kernel to the decision.
    pub lost: u64,
    /// From the event in the kernel to the limit written, median.
    pub reaction_p50_ns: Option<u64>,
    /// The same, 99th percentile.
    pub reaction_p99_ns: Option<u64>,
    /// How long the loop itself waited for a CPU, 99th percentile.
    pub own_wait_p99_ns: Option<u64>,
}

/// One workload.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workload {
    /// Its name: a unit, a container, or the path's last part.
    pub name: String,
    /// Path below the hierarchy's root, as in `/proc/PID/cgroup`.
    pub path: String,
    /// The policy that selected it.
    pub policy: String,
    /// What may be done with its decisions.
    pub mode: Mode,
    /// Whether its limits stay as they are.
    pub pinned: bool,
    /// Who owns its limits: `cgroupfs`, `systemd`, ...
    pub owner: String,
    /// Who it is, as far as is known.
    pub identity: Identity,
    /// Path of the nearest workload above.
    pub parent: Option<String>,
    /// How long it has been a workload.
    pub age_ns: u64,
    /// Whether it is still within its policy's `warm_up`, and so not trimmed.
    pub warming_up: bool,
    /// The kernel's `cpu.weight`, where that alone shares CPU out; `None` where there is a quota.
    pub cpu_weight: Option<u32>,
    /// Its CPU; `None` when its policy leaves CPU alone, or has no quota.
    pub cpu: Option<ResourceState>,
    /// Its memory; `None` when its policy leaves memory alone.
    pub memory: Option<ResourceState>,
    /// The GPUs that its processes hold memory on, those of workloads below it left out.
    pub gpus: Vec<GpuShare>,
    /// What it draws; `None` where nothing tells.
    pub energy: Option<EnergyShare>,
    /// How it fares.
    pub signals: Signals,
    /// What is out of the ordinary about it.
    pub anomalies: Vec<Anomaly>,
    /// What whoever scales and balances may want to know of it.
    pub beyond: Beyond,
}

/// One resource of one workload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceState {
    /// What it uses.
    pub used: Quantity,
    /// What the kernel holds now.
    pub limit: Quantity,
    /// What the kernel held at adoption; it goes back there when the agent goes.
    pub original: Quantity,
    /// What is guaranteed.
    pub floor: Quantity,
    /// What the slow loop thinks right.
    pub target: Quantity,
    /// What the fast loop may go up to.
    pub ceiling: Quantity,
    /// What of the limit is lent from the pool.
    pub lent: Quantity,
    /// Path of a level above that limits and is not ours.
    pub limited_by: Option<String>,
    /// Whether somebody else wrote the limit and it has not been adopted anew yet.
    pub foreign: bool,
    /// What the policy wants and a guardrail does not let it have now.
    pub held_back: Option<HeldBack>,
    /// What became of its changes.
    pub feedback: Feedback,
}

/// What the kernel says about how a workload fares; `None` where it cannot be known here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signals {
    /// Waiting behind other tasks for a CPU, median.
    pub waiting_p50_ns: Option<u64>,
    /// The same, 99th percentile.
    pub waiting_p99_ns: Option<u64>,
    /// For how long its tasks have waited behind others since adoption, summed over the tasks.
    pub waited_ns: Option<u64>,
    /// Time throttled since adoption.
    pub throttled_ns: Option<u64>,
    /// Periods throttled since adoption.
    pub throttled_periods: Option<u64>,
    /// OOM kills since adoption.
    pub oom_kills: Option<u64>,
    /// PSI `cpu some avg10`, in hundredths of a percent.
    pub cpu_pressure_bp: Option<u32>,
    /// PSI `memory some avg10`, in hundredths of a percent.
    pub memory_pressure_bp: Option<u32>,
    /// Requests to its TCP servers.
    pub tcp: Option<Tcp>,
}

/// What was done to a workload since adoption.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Limits raised.
    pub lifts: u64,
    /// Limits lowered.
    pub trims: u64,
    /// Lifts refused.
    pub denials: u64,
    /// Limits written by somebody else.
    pub foreign_writes: u64,
}

/// One workload and what belongs to it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Detail {
    /// The workload.
    pub workload: Workload,
    /// Paths of the workloads right below.
    pub children: Vec<String>,
    /// What was done to it.
    pub counters: Counters,
    /// What its tasks stalled on.
    pub stalls: Stalls,
    /// Its last few journal entries, oldest first.
    pub recent: Vec<Entry>,
    /// The language runtimes that were recognised in it.
    pub runtimes: Vec<Runtime>,
    /// Waits behind other tasks for a CPU, since adoption; `None` where nothing tells.
    pub waits: Option<Vec<Bin>>,
    /// How long requests to its TCP servers waited for the answer, likewise.
    pub answers: Option<Vec<Bin>>,
}

/// What kind of thing a journal entry records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EntryKind {
    /// The fast loop answered an event.
    Spend,
    /// The slow loop decided.
    Decision,
    /// Something worth knowing that is neither.
    #[default]
    Notice,
}

/// One journal entry.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Order among all entries.
    pub seq: u64,
    /// When, on `CLOCK_MONOTONIC`.
    pub monotonic_ns: u64,
    /// When, in ns since the Unix epoch.
    pub unix_ns: u64,
    /// What it records.
    pub kind: EntryKind,
    /// The workload's name; empty when it is about the node.
    pub workload: String,
    /// The workload's path; empty when it is about the node.
    pub path: String,
    /// Which resource; `None` for most notices.
    pub resource: Option<Resource>,
    /// The limit before.
    pub from: Option<Quantity>,
    /// The limit after; equal to `from` when denied.
    pub to: Option<Quantity>,
    /// What raised it: an event's cause such as `quota-near`, or `tick`.
    pub cause: String,
    /// The rule that decided, such as `first-lift`.
    pub rule: String,
    /// Why nothing was lifted, such as `pool-empty`.
    pub denial: Option<String>,
    /// Whether the limit was written.
    pub written: bool,
    /// From the event in the kernel to the limit written.
    pub latency_ns: Option<u64>,
    /// Why, in inputs and in words.
    pub reason: Reason,
    /// What became of the change; `None` as long as that is not known, and where nothing was changed.
    pub outcome: Option<Outcome>,
}

/// Why a decision came out as it did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    /// One sentence.
    pub text: String,
    /// What went into it.
    pub inputs: Vec<Input>,
    /// What the policy proposed, before arbitration and guardrails; `None` where none was asked.
    pub proposed: Option<Quantity>,
    /// What arbitration and guardrails made of that, step by step.
    pub bounds: Vec<Bound>,
    /// Guardrails that changed the outcome, in the order they did.
    pub clamps: Vec<String>,
    /// What would have happened otherwise; empty when that is not known.
    pub otherwise: String,
}

/// One input of a decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Input {
    /// Its name, such as `p95` or `pool_left`.
    pub name: String,
    /// Its value.
    #[serde(flatten)]
    pub value: Value,
    /// To which part of the decision it belongs.
    pub stage: Stage,
}

/// The value of an input, with its unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// An amount of a resource.
    Quantity(Quantity),
    /// A duration.
    DurationNs(u64),
    /// A number without a unit.
    Number(f64),
    /// Words.
    Text(String),
}

/// How a probe or capability stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FindingState {
    /// Works.
    On,
    /// Works, but not as well as it could.
    Degraded,
    /// Does not work.
    Off,
    /// There is nothing here for it to work with.
    None,
}

/// One line of `trimtab doctor`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What it belongs to: `probes`, `cgroups`, `scheduling`, ...
    pub area: String,
    /// What was looked at.
    pub name: String,
    /// How it stands.
    pub state: FindingState,
    /// Why it stands so.
    pub why: String,
    /// What to do about it; empty when there is nothing to do.
    pub remedy: String,
}

/// The group that `trimtab run` wants managed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adoption {
    /// Path below each hierarchy's root.
    pub path: String,
    /// What to call the workload.
    pub name: String,
    /// The most CPU it may be given; `None` for the whole node.
    pub cpu_ceiling_micro_cpus: Option<u64>,
    /// The most memory it may be given; `None` for the whole node.
    pub memory_ceiling_bytes: Option<u64>,
}

/// What happened to an adopted group until it was released.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Released {
    /// What was done to it.
    pub counters: Counters,
    /// How it fared.
    pub signals: Signals,
    /// Time that its tasks waited behind others on run queues; `None` when the probe is off.
    pub waited_ns: Option<u64>,
}

/// One limit that `trimtab restore` looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// The group.
    pub path: String,
    /// The file, such as `cpu.max`.
    pub file: String,
    /// What it holds now.
    pub now: String,
    /// What the ledger says it held at adoption.
    pub original: String,
    /// Whether the original is back.
    pub done: bool,
    /// Why not, or what else there is to say.
    pub note: String,
}
