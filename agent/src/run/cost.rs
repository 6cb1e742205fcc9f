//! What the agent itself costs, and what it does without where that is more than its budget.

use std::time::Duration;

use procfs::WithCurrentSystemInfo as _;
use rustix::time::{ClockId, clock_gettime};
use trimtab_core::{
    decide::{Budget, Change, Overdraft, Shedding, Standing},
    signal::{Amount, Nanos, Resource},
};

use super::{
    agent::{Agent, now},
    entry,
};
use crate::probe::{Costs, Counts, Probe, Probes, Statistics};

/// For how long the kernel's statistics are on at a time.
const SAMPLE: Duration = Duration::from_millis(100);
/// Bounds of the time from one sample to the next; three of them are the budget's patience.
const EVERY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));

/// What is known of the agent's own cost.
#[derive(Debug)]
pub(super) struct OwnCost {
    /// The sample that is being taken.
    taking: Option<Taking>,
    /// CPU that the agent's own threads use.
    pub(super) cpu: Option<Amount>,
    /// When the last sample ended, and the CPU time of the process then.
    pub(super) ended: (Nanos, Nanos),
    /// How long ticks take; `None` before the first.
    pub(super) tick: Option<Ticks>,
    /// What the probes cost; `None` before the first sample.
    pub(super) probes: Option<Costs>,
    /// Why it is not known what the probes cost.
    pub(super) why: String,
    pub(super) shedding: Shedding<{ Probe::ALL.len() }>,
    /// What is off for the budget's sake, since when, and why.
    pub(super) shed: Vec<(Probe, Nanos, String)>,
    pub(super) over_cpu: Overdraft,
    pub(super) over_memory: Overdraft,
}

/// How long ticks take.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ticks {
    pub(super) last: Nanos,
    pub(super) longest: Nanos,
}

/// A sample that has begun.
#[derive(Debug)]
struct Taking {
    since: Nanos,
    before: Counts,
    _statistics: Statistics,
}

impl OwnCost {
    pub(super) fn new(now: Nanos) -> Self {
        Self {
            taking: None,
            cpu: None,
            ended: (now, cpu_time()),
            tick: None,
            probes: None,
            why: String::new(),
            shedding: Shedding::default(),
            shed: Vec::new(),
            over_cpu: Overdraft::default(),
            over_memory: Overdraft::default(),
        }
    }

    /// Notes how long a tick took.
    pub(super) fn ticked(&mut self, took: Nanos) {
        let ticks = self.tick.get_or_insert_default();
        ticks.last = took;
        ticks.longest = ticks.longest.max(took);
    }

    /// Everything that is known of: the agent's own threads and the probes.
    fn used(&self) -> Amount {
        let probes = self.probes.as_ref().map_or(Amount::ZERO, Costs::total);
        self.cpu.unwrap_or_default().plus(probes)
    }
}

impl Agent {
    /// Begins or ends a sample; after what time to call again.
    pub(super) fn sample_costs(&mut self) -> Duration {
        if let Some(taking) = self.cost.taking.take() {
            self.end_sample(Some(taking));
        } else {
            match self.begin_sample() {
                Ok(taking) => {
                    self.cost.taking = Some(taking);
                    return SAMPLE;
                }
                Err(why) => {
                    self.cost.why = why;
                    self.end_sample(None);
                }
            }
        }
        let patience = Duration::from_nanos(self.selection.config().agent.budget.patience.0);
        (patience / 3)
            .clamp(EVERY.0, EVERY.1)
            .saturating_sub(SAMPLE)
    }

    fn begin_sample(&self) -> Result<Taking, String> {
        let probes = self.probes.as_ref().ok_or("no probe is loaded")?;
        let statistics = Statistics::on().map_err(|error| error.to_string())?;
        let before = probes.counts().map_err(|error| error.to_string())?;
        Ok(Taking {
            since: now(),
            before,
            _statistics: statistics,
        })
    }

    fn end_sample(&mut self, taking: Option<Taking>) {
        let now = now();
        if let (Some(taking), Some(probes)) = (&taking, &self.probes) {
            match probes.counts() {
                Ok(after) => {
                    let costs = self.cost.probes.get_or_insert_default();
                    costs.take_in(&taking.before, &after, now.since(taking.since));
                    self.cost.why.clear();
                }
                Err(error) => self.cost.why = error.to_string(),
            }
        }
        drop(taking);
        let (ended, before) = std::mem::replace(&mut self.cost.ended, (now, cpu_time()));
        let used = u128::from(self.cost.ended.1.since(before).0) * u128::from(Amount::CPU.0);
        let used = used / u128::from(now.since(ended).0.max(1));
        self.cost.cpu = Some(Amount(u64::try_from(used).unwrap_or(u64::MAX)));
        self.keep_budget(now);
    }

    /// What the agent may use: CPU, and memory in bytes.
    pub(super) fn budget(&self) -> (Budget, Amount) {
        let budget = self.selection.config().agent.budget;
        let [cpu, memory] = self.capacity();
        let cpu = Budget {
            cpu: budget.cpu.of(cpu),
            patience: budget.patience,
        };
        (cpu, budget.memory.of(memory))
    }

    fn keep_budget(&mut self, now: Nanos) {
        let (budget, memory) = self.budget();
        let used = self.cost.used();
        let change = self
            .cost
            .shedding
            .judge(now, &budget, used, &self.standing());
        if let Some(change) = change {
            self.change(now, &budget, used, change);
        }
        let over = self
            .cost
            .over_cpu
            .push(now, budget.cpu, used, budget.patience);
        self.say_over(now, Resource::Cpu, over, used, budget.cpu);
        let held = Amount(self.map_bytes()).plus(Amount(resident_bytes()));
        let over = self
            .cost
            .over_memory
            .push(now, memory, held, budget.patience);
        self.say_over(now, Resource::Memory, over, held, memory);
    }

    /// How each probe stands towards the budget.
    fn standing(&self) -> [Standing; Probe::ALL.len()] {
        let (Some(probes), Some(costs)) = (&self.probes, &self.cost.probes) else {
            return [Standing::Kept; Probe::ALL.len()];
        };
        let on = probes.on();
        Probe::ALL.map(|probe| {
            if self.cost.shed.iter().any(|(shed, ..)| *shed == probe) {
                Standing::Shed(costs.more_with(probe, on))
            } else if on.has(probe) && probe.is_optional(on) {
                Standing::Optional(costs.of(probe, on))
            } else {
                Standing::Kept
            }
        })
    }

    /// Does without a probe, or takes it back, and says so.
    fn change(&mut self, now: Nanos, budget: &Budget, used: Amount, change: Change) {
        let shown = |amount| entry::shown(Resource::Cpu, amount);
        let (Change::Shed(place) | Change::TakeBack(place)) = change;
        let probe = Probe::ALL[place];
        let mut shed = self.cost.shed.clone();
        let text = if matches!(change, Change::Shed(_)) {
            let why = format!(
                "left out for now: the agent and its probes took {} of a budget of {}",
                shown(used),
                shown(budget.cpu)
            );
            let text = format!("probe {probe} is {why}");
            shed.push((probe, now, why));
            text
        } else {
            shed.retain(|(shed, ..)| *shed != probe);
            format!(
                "probe {probe} is back: the agent and its probes take {} of a budget of {}",
                shown(used),
                shown(budget.cpu)
            )
        };
        let Some(probes) = &mut self.probes else {
            return;
        };
        if let Err(error) = probes.shed(shed.iter().map(|(probe, _, why)| (*probe, &**why))) {
            tracing::error!(%error, "{text}: that failed");
            self.cost.shedding.undo(now, budget, change);
            return;
        }
        self.probe_status = probes.status().to_vec();
        self.cost.shed = shed;
        tracing::warn!("{text}");
        self.journal.push(entry::about_node(now, "budget", text));
    }

    fn say_over(
        &mut self,
        now: Nanos,
        resource: Resource,
        over: Option<bool>,
        used: Amount,
        budget: Amount,
    ) {
        let Some(over) = over else { return };
        let text = format!(
            "the agent {} its budget: {} of {}",
            if over { "is over" } else { "is within" },
            entry::shown(resource, used),
            entry::shown(resource, budget),
        );
        tracing::warn!("{text}");
        self.journal.push(entry::about_node(now, "budget", text));
    }

    /// Kernel memory that the probes' maps take.
    pub(super) fn map_bytes(&self) -> u64 {
        self.probes.as_ref().map_or(0, Probes::map_bytes)
    }
}

/// CPU time of this process.
pub(super) fn cpu_time() -> Nanos {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Nanos(time.tv_sec.cast_unsigned() * Nanos::SECOND.0 + time.tv_nsec.cast_unsigned())
}

/// Memory of this process.
pub(super) fn resident_bytes() -> u64 {
    resident(procfs::process::Process::myself())
}

/// Memory of its parent, the guardian.
pub(super) fn guardian_bytes() -> u64 {
    let parent = rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get());
    resident(procfs::process::Process::new(parent))
}

fn resident(process: procfs::ProcResult<procfs::process::Process>) -> u64 {
    let stat = process.and_then(|process| process.stat());
    stat.map_or(0, |stat| stat.rss_bytes().get())
}
