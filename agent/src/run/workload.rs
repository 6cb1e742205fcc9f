//! The slow loop's side of a workload, and the table of all of them.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::Bound,
    sync::Arc,
};

use super::{feedback::Tried, rest::Depth, tcp};
use crate::{
    act::hard::HardLimit,
    api::view::{Counters, Signals},
    fast::quantile,
    probe::{TcpHist, Waits},
    sense::{
        cgroup::Group,
        cpu::CpuStat,
        faults::Faults,
        file::Scratch,
        memory::{MemoryEvents, MemoryReader},
        psi::{Psi, PsiReader},
    },
};
use trimtab_core::{
    anomaly::Watch,
    decide::{Bounds, Objective},
    model::Waiting,
    signal::{Amount, Mode, Nanos, Resource, Slot},
    snapshot::WorkloadSignals,
};

/// How long a slot rests after its workload has gone: events that the kernel raised for the old
/// one must not be taken for the new one's.
const REST: Nanos = Nanos(3 * Nanos::SECOND.0);

/// One workload as the slow loop knows it.
#[derive(Debug)]
pub(super) struct Workload {
    /// Its place in every table.
    pub(super) slot: Slot,
    /// Tells it apart from others in the same slot.
    pub(super) epoch: u32,
    /// Name for people.
    pub(super) name: String,
    /// The policy that selected it.
    pub(super) policy: Arc<str>,
    /// The policy that is asked beside that one.
    pub(super) shadow: Option<Arc<str>>,
    /// What its latencies are to meet, by one of these policies.
    pub(super) objective: Option<Objective>,
    /// What may be done with decisions about it.
    pub(super) mode: Mode,
    /// The mode that somebody has asked for, whatever the configuration says.
    pub(super) asked: Option<Mode>,
    /// Whether its limits stay where they are.
    pub(super) pinned: bool,
    /// Whether a `trimtab run` asked for it, whatever the configuration selects.
    pub(super) run: bool,
    /// Who owns its limits, for people.
    pub(super) owner: String,
    /// Open files, path and ids.
    pub(super) group: Group,
    /// The nearest managed ancestor.
    pub(super) parent: Option<Slot>,
    /// Whether there are groups below its own, whose tasks are its tasks, too.
    pub(super) is_parent: bool,
    /// When it was adopted.
    pub(super) since: Nanos,
    /// Per resource; `None` where it is not managed.
    pub(super) limits: [Option<LimitState>; 2],
    /// The kernel's `cpu.weight` that alone is to share CPU out, where its policy wants that.
    pub(super) cpu_weight: Option<u16>,
    /// Counters at adoption.
    pub(super) first: Sample,
    /// Counters at the last tick; those of memory only where it is managed.
    pub(super) last: Sample,
    /// What the files last said, when all were read.
    pub(super) seen: WorkloadSignals,
    /// When it last did anything, or something was done to it.
    pub(super) active: Nanos,
    /// How much of it was read in the last tick; the files of which nothing is read are closed.
    pub(super) depth: Depth,
    /// Run-queue waiting; `None` where the probe is off, or counts it together with others'.
    pub(super) waits: Option<Box<Waits>>,
    /// Requests to TCP servers; the same.
    pub(super) tcp: Option<Box<TcpHist>>,
    /// How many of them were answered a second in the last tick.
    pub(super) requests_per_s: u64,
    /// How its tasks waited for a CPU lately.
    pub(super) waiting: Waiting,
    /// What is out of the ordinary about it.
    pub(super) watch: Watch,
    /// Use at the last tick: micro-CPUs, bytes.
    pub(super) used: [Amount; 2],
    /// Path of the level above that limits and is not ours, per resource.
    pub(super) above: [Option<String>; 2],
    /// What was done to it.
    pub(super) counters: Counters,
    /// What of that was done before it was taken up anew.
    pub(super) inherited: Counters,
    /// Trims taken back because they hurt, since it was taken up.
    pub(super) undone: u64,
}

/// One limit of one workload.
#[derive(Clone, Copy, Debug)]
pub(super) struct LimitState {
    /// The configured bounds.
    pub(super) bounds: Bounds,
    /// What its owner had set.
    pub(super) adopted: Amount,
    /// What the kernel holds, as far as we know.
    pub(super) held: Amount,
    /// Where the slow loop last wanted it.
    pub(super) target: Amount,
    /// The hard limit that is moved along (memory on v2).
    pub(super) hard: Option<HardLimit>,
    /// Whether an owner's write was found and not adopted yet.
    pub(super) foreign: bool,
    /// What became of its changes.
    pub(super) tried: Tried,
}

impl LimitState {
    /// A limit as it is taken over.
    pub(super) fn new(bounds: Bounds, adopted: Amount, held: Amount) -> Self {
        Self {
            bounds,
            adopted,
            held,
            target: held,
            hard: None,
            foreign: false,
            tried: Tried::default(),
        }
    }

    /// The same with the hard limit that is moved along.
    pub(super) const fn below(self, hard: Option<HardLimit>) -> Self {
        Self { hard, ..self }
    }

    /// Whether the hard limit above stands higher than its owner had set it.
    pub(super) fn outgrows_owner(&self) -> bool {
        self.hard.is_some_and(|hard| self.held > hard.owner())
    }

    /// The memory limit that both files mean; on v1 `high` is none.
    pub(super) fn memory(&self, high: Amount, max: Amount) -> Amount {
        self.hard
            .map_or(high.min(max), |hard| hard.limit(high, max))
    }
}

/// The counters that deltas are taken of.
#[derive(Clone, Debug, Default)]
pub(super) struct Sample {
    /// When.
    pub(super) time: Nanos,
    /// `cpu.stat`.
    pub(super) cpu: CpuStat,
    /// `memory.events`.
    pub(super) memory: MemoryEvents,
    /// `memory.stat`, at adoption only; `None` where memory is not counted.
    pub(super) faults: Option<Faults>,
    /// Pages that came back to memory.
    pub(super) refaults: u64,
    /// For how long some task stalled on memory, in us, where that is trimmed and the kernel tells.
    pub(super) memory_stalled_us: Option<u64>,
}

impl Workload {
    /// Takes the counters of now for those at adoption.
    pub(super) fn begin(&mut self, scratch: &mut Scratch) {
        self.first = self.last.clone();
        self.first.memory = self.memory_events(scratch);
        self.first.faults = self.faults(scratch);
        self.used = [Amount::ZERO; 2];
    }

    /// The kernel's `cpu.weight` that alone shares CPU out here; `None` where nothing was written.
    pub(super) fn weighs(&self) -> Option<u16> {
        self.cpu_weight.filter(|_| self.mode == Mode::Enforce)
    }

    /// How it fares. Reads what only people ask for: the tick does not.
    pub(super) fn signals(&self) -> Signals {
        let (first, last) = (&self.first, &self.last);
        let mut scratch = Scratch::new();
        let pressure = self.pressure(&mut scratch);
        let oom_kills = self.memory_events(&mut scratch).oom_kill;
        let waiting = |per_mille| quantile(&self.waits.as_ref()?.hist.waiting, per_mille);
        let has_cpu = self.group.cpu.is_some();
        let has_memory = self.group.memory.is_some();
        Signals {
            waiting_p50_ns: waiting(500),
            waiting_p99_ns: waiting(990),
            waited_ns: self.waits.as_ref().map(|waits| waits.hist.waiting_ns),
            throttled_ns: has_cpu
                .then(|| last.cpu.throttled_ns.saturating_sub(first.cpu.throttled_ns)),
            throttled_periods: has_cpu.then(|| {
                last.cpu
                    .throttled_periods
                    .saturating_sub(first.cpu.throttled_periods)
            }),
            oom_kills: has_memory.then(|| oom_kills.saturating_sub(first.memory.oom_kill)),
            cpu_pressure_bp: pressure.cpu.map(|stalls| stalls.some_avg10_bp),
            memory_pressure_bp: pressure.memory.map(|stalls| stalls.some_avg10_bp),
            tcp: self
                .tcp
                .as_ref()
                .map(|hist| tcp::view(hist, self.requests_per_s)),
        }
    }

    /// What it stalls on; nothing where there are no such files.
    pub(super) fn pressure(&self, scratch: &mut Scratch) -> Psi {
        let read = |reader: &PsiReader| reader.read(scratch).ok()?.here();
        self.group.psi.as_ref().and_then(read).unwrap_or_default()
    }

    /// How often it has met its memory limits by now; what was last known once it is gone.
    pub(super) fn memory_events(&self, scratch: &mut Scratch) -> MemoryEvents {
        let read = |reader: &MemoryReader| reader.events(scratch).ok()?.here();
        let events = self.group.memory.as_ref().and_then(read);
        events.unwrap_or(self.last.memory)
    }

    /// Refaults and major faults by now.
    pub(super) fn faults(&self, scratch: &mut Scratch) -> Option<Faults> {
        let read = |reader: &MemoryReader| reader.faults(scratch).ok()?.here();
        self.group.memory.as_ref().and_then(read)
    }

    /// Memory that it was lent beyond its owner's limit and has not touched, in bytes; `None` when
    /// nothing was lent.
    pub(super) fn unused(&self) -> Option<Amount> {
        let limit = self.limits[Resource::Memory.index()].as_ref()?;
        let memory = self.seen.memory?;
        let base = limit.adopted.max(limit.bounds.floor);
        let lent = !memory.held.is_unlimited() && memory.held > base;
        lent.then(|| memory.held.minus(memory.used.max(base)))
    }

    /// The path as `/proc/PID/cgroup` shows it.
    pub(super) fn shown_path(&self) -> String {
        format!("/{}", self.group.path)
    }

    /// Which resources are managed.
    pub(super) fn manages(&self) -> [bool; 2] {
        self.limits.each_ref().map(Option::is_some)
    }

    /// Whether the second limit of its memory, which was prepared for a ceiling at adoption, does not fit these bounds.
    pub(super) fn memory_outgrows(&self, bounds: &[Option<Bounds>; 2]) -> bool {
        let memory = Resource::Memory.index();
        let (Some(limit), Some(bounds)) = (&self.limits[memory], bounds[memory]) else {
            return false;
        };
        let ceiling = bounds.under(limit.adopted).ceiling;
        self.mode == Mode::Enforce && ceiling != limit.bounds.ceiling
    }

    /// The state of one limit.
    pub(super) fn limit(&mut self, resource: Resource) -> Option<&mut LimitState> {
        self.limits[resource.index()].as_mut()
    }
}

/// All workloads, by slot and by path.
#[derive(Debug)]
pub(super) struct Workloads {
    slots: Vec<Option<Workload>>,
    by_path: BTreeMap<Arc<str>, Slot>,
    /// Slots that have been used before, with the time from which on they may be used again.
    resting: VecDeque<(Nanos, Slot)>,
    epoch: u32,
    /// How many there may be.
    most: usize,
}

impl Workloads {
    pub(super) fn new(most: usize) -> Self {
        Self {
            slots: Vec::new(),
            by_path: BTreeMap::new(),
            resting: VecDeque::new(),
            epoch: 0,
            most,
        }
    }

    /// How many more could be taken in now.
    pub(super) fn room(&self, now: Nanos) -> usize {
        let rested = self.resting.partition_point(|(from, _)| *from <= now);
        rested + self.most.saturating_sub(self.slots.len())
    }

    /// A slot and an epoch for a new workload; `None` when all are taken.
    pub(super) fn reserve(&mut self, now: Nanos) -> Option<(Slot, u32)> {
        let slot = match self.resting.front() {
            Some((from, slot)) if *from <= now => {
                let slot = *slot;
                self.resting.pop_front();
                slot
            }
            _ if self.slots.len() < self.most => {
                self.slots.push(None);
                Slot(u32::try_from(self.slots.len() - 1).ok()?)
            }
            _ => return None,
        };
        self.epoch += 1;
        Some((slot, self.epoch))
    }

    /// Gives back a slot that was reserved or used.
    pub(super) fn rest(&mut self, now: Nanos, slot: Slot) {
        self.resting.push_back((now.plus(REST), slot));
    }

    /// Ends the rest of a slot whose workload is taken up again at once: what the kernel raised for it
    /// before is about the same group.
    pub(super) fn wake(&mut self, slot: Slot) {
        let rests = self.resting.iter().position(|(_, rests)| *rests == slot);
        if rests.is_some_and(|place| self.resting.remove(place).is_some()) {
            self.resting.push_front((Nanos(0), slot));
        }
    }

    pub(super) fn insert(&mut self, workload: Workload) {
        self.by_path
            .insert(Arc::clone(&workload.group.path), workload.slot);
        let slot = workload.slot.0 as usize;
        if let Some(cell) = self.slots.get_mut(slot) {
            *cell = Some(workload);
        }
    }

    pub(super) fn remove(&mut self, slot: Slot) -> Option<Workload> {
        let workload = self.slots.get_mut(slot.0 as usize)?.take()?;
        self.by_path.remove(&workload.group.path);
        Some(workload)
    }

    pub(super) fn get(&self, slot: Slot) -> Option<&Workload> {
        self.slots.get(slot.0 as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut Workload> {
        self.slots.get_mut(slot.0 as usize)?.as_mut()
    }

    /// Whether a workload's envelope of a resource is one that the node's pool lends to: it is
    /// managed, and none above it is.
    pub(super) fn is_top(&self, slot: Slot, resource: Resource) -> bool {
        let manages = |workload: &Workload| workload.limits[resource.index()].is_some();
        let parent = |workload: &Workload| workload.parent.and_then(|parent| self.get(parent));
        let Some(workload) = self.get(slot).filter(|workload| manages(workload)) else {
            return false;
        };
        // A parent's path is shorter than its child's, so this ends.
        let mut above = std::iter::successors(parent(workload), |child| parent(child));
        !above.any(manages)
    }

    /// The slot of the workload at a path, with or without a leading slash.
    pub(super) fn at(&self, path: &str) -> Option<Slot> {
        self.by_path.get(path.trim_matches('/')).copied()
    }

    /// Those below a path, in the order of theirs.
    pub(super) fn below(&self, path: &str) -> impl Iterator<Item = &Workload> {
        let prefix = format!("{path}/");
        let from = (Bound::Included(prefix.as_str()), Bound::Unbounded);
        let range = self.by_path.range::<str, _>(from);
        range
            .take_while(move |(below, _)| below.starts_with(&prefix))
            .filter_map(|(_, slot)| self.get(*slot))
    }

    /// Slots ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Workload> {
        self.slots.iter().flatten()
    }

    /// Slots ascending.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Workload> {
        self.slots.iter_mut().flatten()
    }
}
