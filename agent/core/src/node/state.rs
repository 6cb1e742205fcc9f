//! One workload under way.

use crate::signal::{Amount, Cause, Event, Nanos, Resource, Slot};

use super::{
    controller::Write,
    controller::{CpuSeen, MemorySeen, RequestsSeen, Seen},
    cpu::Bandwidth,
    load::Load,
    memory::Memory,
    meter::Meter,
    setup::{Setup, Workload},
    work::{NEVER, done, nanos, within},
};

/// Whether it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// It starts at this moment, for the first time or again.
    Away(Nanos),
    Running,
    Gone,
}

/// One workload under way.
#[derive(Clone, Debug)]
pub(super) struct State {
    /// Without what it wants, which is in `load` and `memory`.
    pub(super) setup: Workload,
    pub(super) life: Life,
    pub(super) started: Nanos,
    /// Up to when everything below is true.
    pub(super) since: Nanos,
    /// The rate at which it wants to run and may, in micro-CPUs.
    pub(super) desire: u64,
    /// The rate at which it runs; of an inner node, what its leaves do.
    pub(super) rate: u64,
    /// Threads that want to run, below it as well.
    pub(super) runnable: u64,
    pub(super) cpu: Bandwidth,
    pub(super) load: Load,
    pub(super) memory: Memory,
    pub(super) memory_limits: [Amount; 2],
    pub(super) meter: Meter,
    /// Limits and what is held, as they go into the meter.
    pub(super) limits: [u64; 2],
    pub(super) held: [u64; 2],
    /// By when requests are to be answered, if the controller asks.
    pub(super) objective: Option<Nanos>,
    /// Of a root: whether a limit stands above some of its leaves.
    pub(super) shared: bool,
    /// Limits that were ordered with a restart.
    pub(super) kept: Vec<Write>,
}

impl State {
    pub(super) fn new(mut setup: Workload) -> Self {
        // Long demands are not kept twice.
        let (demand, memory) = (setup.demand.take(), setup.memory.take());
        Self {
            life: Life::Away(setup.start),
            started: setup.start,
            since: Nanos(0),
            desire: 0,
            rate: 0,
            runnable: 0,
            cpu: Bandwidth::new(setup.cpu_limit, setup.burst, setup.period, setup.phase),
            load: demand.map_or(Load::Nothing, |demand| Load::new(demand, setup.start)),
            memory: Memory::new(memory, setup.start),
            memory_limits: [setup.memory_limit, setup.memory_high],
            meter: Meter::default(),
            limits: [0; 2],
            held: [0; 2],
            objective: None,
            shared: false,
            kept: Vec::new(),
            setup,
        }
    }

    pub(super) fn is_running(&self) -> bool {
        self.life == Life::Running
    }

    /// Whether it has started once and not ended for good.
    fn is_known(&self) -> bool {
        self.life != Life::Gone && self.life != Life::Away(self.setup.start)
    }

    /// Goes on to a moment; returns the work done.
    pub(super) fn settle(&mut self, to: Nanos, cpus: u64) -> u128 {
        let time = to.since(self.since).0;
        if time == 0 || !self.is_known() {
            self.since = to;
            return 0;
        }
        let before = self.load.backlog();
        let inflow = self.load.inflow();
        let (did, wanted) = self.load.advance(time, self.rate_of_load());
        self.meter.used += did;
        self.meter.wanted += wanted;
        if !self.is_running() {
            // Nobody is there to do it, or to remember.
            self.meter.lost += self.load.drop_all().1;
        } else if before > 0 || inflow > self.rate {
            // Twice the mean of the backlog: a straight line, even where it ends within a nanosecond.
            let slope = i128::from(inflow) - i128::from(self.rate_of_load());
            let time = i128::from(time);
            self.meter.arrears += 2 * before.cast_signed() * time + slope * time * time;
        }
        if self.is_running() && self.cpu.is_throttled() {
            self.meter.throttled_wall += time;
            self.meter.throttled += done(self.runnable.clamp(1, cpus.max(1)), time);
        }
        self.meter.waited += done(self.desire.saturating_sub(self.rate), time);
        self.meter.hold(time, self.limits, self.held);
        self.cpu.advance(self.since, to, self.rate_of_load(), did);
        self.memory.advance(time);
        self.since = to;
        did
    }

    /// An inner node's pool is charged by its leaves.
    fn rate_of_load(&self) -> u64 {
        match self.load {
            Load::Nothing => 0,
            _ => self.rate,
        }
    }

    /// When something happens to it next.
    pub(super) fn next(&self, warns: bool, shared: bool) -> Nanos {
        let now = self.since;
        let end = self.setup.end.unwrap_or(NEVER);
        match self.life {
            Life::Gone => NEVER,
            Life::Away(until) => match &self.load {
                Load::Series(_) => until.min(end).min(self.load.next(now, 0)),
                _ => until.min(end),
            },
            Life::Running => {
                let inner = shared && matches!(self.load, Load::Nothing);
                end.min(self.load.next(now, self.rate))
                    .min(self.cpu.next(now, self.rate, warns, inner))
                    .min(self.memory.next(now, warns))
            }
        }
    }

    /// Puts back the limits that it has without a controller.
    pub(super) fn reset(&mut self, now: Nanos, node: &Setup) {
        self.memory_limits = [self.setup.memory_limit, self.setup.memory_high];
        self.cpu.begin(now, self.setup.cpu_limit, self.setup.burst);
        self.fit(node);
    }

    /// After a change of limits: what memory and meter know of them.
    pub(super) fn fit(&mut self, node: &Setup) {
        let [limit, high] = self.memory_limits;
        self.memory.set_limits(limit, high);
        self.limits = [
            within(self.cpu.limit(), node.cpus),
            within(limit, node.memory),
        ];
    }

    /// What the kernel would have counted.
    pub(super) fn seen(&self, slot: Slot) -> Seen {
        let [limit, high] = self.memory_limits;
        Seen {
            slot,
            started: self.started,
            cpu: CpuSeen {
                used: nanos(self.meter.used),
                periods: self.cpu.periods,
                throttled_periods: self.cpu.throttled_periods,
                throttled: self.meter.throttled(),
                waited: self.meter.waited(),
                limit: self.cpu.limit(),
                request: self.setup.cpu_request,
                weight: self.setup.weight,
                period: self.setup.period,
            },
            memory: MemorySeen {
                used: self.memory.charged(),
                anonymous: self.memory.anonymous(),
                working_set: self.memory.working_set(),
                peak: self.memory.peak(),
                limit,
                high,
                request: self.setup.memory_request,
                high_events: self.memory.high_events(),
                oom_kills: self.memory.oom_kills,
                stalled: self.memory.stalled(),
                refaults: self.memory.refaults(),
            },
            requests: RequestsSeen {
                answered: self.meter.answered(),
                late: self.meter.late,
            },
        }
    }

    /// An event about it.
    pub(super) fn event(&self, slot: Slot, resource: Resource, cause: Cause) -> Event {
        let [limit, high] = self.memory_limits;
        Event {
            time: self.since,
            slot,
            resource,
            cause,
            held: match resource {
                Resource::Cpu => self.cpu.limit(),
                Resource::Memory => limit.min(high),
            },
            used: match resource {
                Resource::Cpu => Amount::ZERO,
                Resource::Memory => self.memory.anonymous(),
            },
            headroom: Amount::UNLIMITED,
        }
    }

    /// Brings up to date what the meter shows of the rest.
    pub(super) fn read(&mut self) {
        let meter = &mut self.meter;
        meter.backlog = self.load.backlog();
        meter.periods = self.cpu.periods;
        meter.throttled_periods = self.cpu.throttled_periods;
        meter.memory = self.memory.integral();
        meter.oom_kills = self.memory.oom_kills;
        meter.refaults = self.memory.refaults();
        meter.stalled = self.memory.stalled().0;
    }
}
