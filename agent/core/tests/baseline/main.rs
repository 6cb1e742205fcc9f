//! The laws that we are compared with: what is published of them, or follows from it.

mod autopilot;
mod captain;
mod choose;
mod every;
mod histogram;
mod k8s_cpu;
mod koordinator;
mod senpai;
mod static_limits;
mod threshold;
mod vpa;

use trimtab_core::node::{Controller, NodeSeen, Seen, Write};
use trimtab_core::signal::{Amount, Nanos, Resource, Slot};

pub(crate) const SLOT: Slot = Slot(7);
pub(crate) const SECOND: u64 = Nanos::SECOND.0;
pub(crate) const MINUTE: u64 = Nanos::MINUTE.0;
pub(crate) const HOUR: u64 = 60 * MINUTE;
pub(crate) const DAY: u64 = 24 * HOUR;
pub(crate) const CPU: u64 = Amount::CPU.0;
pub(crate) const MIB: u64 = Amount::MIB.0;
pub(crate) const GIB: u64 = 1024 * MIB;
const PERIOD: u64 = 100 * Nanos::MILLI.0;

/// One workload of this size, limits and requests alike, on a node of 8 CPUs and 64 GiB.
pub(crate) fn workload(cpu: u64, memory: u64) -> Seen {
    let mut seen = Seen {
        slot: SLOT,
        ..Seen::default()
    };
    seen.cpu.limit = Amount(cpu);
    seen.cpu.request = Amount(cpu);
    seen.cpu.period = Nanos(PERIOD);
    seen.memory.limit = Amount(memory);
    seen.memory.request = Amount(memory);
    seen.memory.high = Amount::UNLIMITED;
    seen
}

/// What the workload wants for a stretch of time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Want {
    /// CPUs in millionths.
    pub(crate) cpu: u64,
    /// Memory in bytes, all of it working set.
    pub(crate) memory: u64,
    /// CPUs that the rest of the node uses, in millionths.
    pub(crate) others: u64,
    /// Stall on memory, in ns of each second.
    pub(crate) stall: u64,
}

/// A law, one workload, and what has been ordered but is not in effect yet.
pub(crate) struct Bench<C> {
    pub(crate) law: C,
    pub(crate) now: u64,
    pub(crate) node: NodeSeen,
    pub(crate) seen: Seen,
    pub(crate) restarts: u64,
    /// Every order, with the look that made it.
    pub(crate) orders: Vec<(u64, Write)>,
    declared: Seen,
    due: Vec<(u64, Write)>,
    look: u64,
}

impl<C: Controller> Bench<C> {
    pub(crate) fn new(law: C, seen: Seen) -> Self {
        let mut bench = Self {
            law,
            now: 0,
            node: NodeSeen {
                cpus: Amount(8 * CPU),
                memory: Amount(64 * GIB),
                memory_available: Amount(64 * GIB),
                ..NodeSeen::default()
            },
            seen,
            restarts: 0,
            orders: Vec::new(),
            declared: seen,
            due: Vec::new(),
            look: 0,
        };
        bench.begin();
        bench
    }

    /// The workload starts: with what was declared, until the law says otherwise.
    fn begin(&mut self) {
        self.seen.started = Nanos(self.now);
        self.seen.cpu.limit = self.declared.cpu.limit;
        self.seen.memory.limit = self.declared.memory.limit;
        self.seen.memory.high = self.declared.memory.high;
        let mut out = Vec::new();
        self.law.begin(Nanos(self.now), &self.seen, &mut out);
        for write in out {
            self.orders.push((self.now, write));
            self.apply(write);
        }
    }

    /// It ends by itself and starts again.
    pub(crate) fn restart(&mut self) {
        self.restarts += 1;
        self.begin();
    }

    /// It is killed at its memory limit and starts again.
    pub(crate) fn kill(&mut self) {
        self.seen.memory.oom_kills += 1;
        self.restart();
    }

    fn apply(&mut self, write: Write) {
        match write {
            Write::Limit { resource, to, .. } => match resource {
                Resource::Cpu => self.seen.cpu.limit = to,
                Resource::Memory => self.seen.memory.limit = to,
            },
            Write::High { to, .. } => self.seen.memory.high = to,
            Write::Restart { .. } => self.restart(),
            Write::Burst { .. } | Write::Weight { .. } | Write::Reclaim { .. } => {}
        }
    }

    /// The law looks until this moment while the workload wants that.
    pub(crate) fn run(&mut self, until: u64, want: Want) {
        while self.look <= until {
            self.pass(self.look, want);
            let mut out = Vec::new();
            let seen = [self.seen];
            self.law.look(Nanos(self.now), &self.node, &seen, &mut out);
            let effect = self.now + self.law.delay().0;
            self.orders
                .extend(out.iter().map(|write| (self.now, *write)));
            self.due
                .extend(out.into_iter().map(|write| (effect, write)));
            self.look += self.law.interval().0;
        }
        self.pass(until, want);
    }

    /// The same for so long.
    pub(crate) fn go(&mut self, during: u64, want: Want) {
        self.run(self.now + during, want);
    }

    /// Time passes, and orders take effect.
    fn pass(&mut self, until: u64, want: Want) {
        while let Some(&(effect, write)) = self.due.first()
            && effect <= until
        {
            self.due.remove(0);
            self.use_up(effect, want);
            self.apply(write);
        }
        self.use_up(until, want);
    }

    fn use_up(&mut self, until: u64, want: Want) {
        let during = until.saturating_sub(self.now);
        let used = want.cpu.min(self.seen.cpu.limit.0);
        let cpu = &mut self.seen.cpu;
        let periods = until / PERIOD - self.now / PERIOD;
        let time = u128::from(used) * u128::from(during) / 1_000_000;
        let time = u64::try_from(time).unwrap_or(u64::MAX);
        cpu.used = cpu.used.plus(Nanos(time));
        cpu.periods += periods;
        if want.cpu > used {
            cpu.throttled_periods += periods;
        }
        let others = want.others * (during / 1_000) / 1_000;
        self.node.cpu_used = self.node.cpu_used.plus(Nanos(time + others));
        let memory = &mut self.seen.memory;
        memory.used = Amount(want.memory.min(memory.limit.0));
        memory.working_set = memory.used;
        memory.peak = memory.peak.max(memory.used);
        memory.stalled = memory
            .stalled
            .plus(Nanos(want.stall * (during / 1_000) / 1_000_000));
        self.now = until.max(self.now);
    }

    /// The limit that stands.
    pub(crate) fn limit(&self, resource: Resource) -> u64 {
        match resource {
            Resource::Cpu => self.seen.cpu.limit.0,
            Resource::Memory => self.seen.memory.limit.0,
        }
    }

    /// What the law holds.
    pub(crate) fn held(&self, resource: Resource) -> u64 {
        self.law.held(SLOT, resource).0
    }

    /// When the limit was first ordered to stand at `to` or higher.
    pub(crate) fn reached(&self, resource: Resource, to: u64) -> Option<u64> {
        let hit = |write: &Write| {
            matches!(write, Write::Limit { resource: of, to: limit, .. }
                if *of == resource && limit.0 >= to)
        };
        let first = self.orders.iter().find(|(_, write)| hit(write));
        first.map(|(time, _)| *time)
    }
}
