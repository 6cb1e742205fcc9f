//! A world for the core: the kernel's rules, the fast loop and the slow loop, as the agent has
//! them, but with time and failures in the test's hand. It checks the invariants as it goes.

mod fast;
pub(crate) mod kernel;

use kernel::{Group, Kernel, Version};
use trimtab_core::decide::{
    Bounds, Desk, Engine, Entitlement, Envelope, Policy, Record, Settings, Settle, Shadow, Shadows,
    Tick, WorkloadSpec,
};
use trimtab_core::signal::{Amount, Event, Mode, Nanos, Resource, Slot};
use trimtab_core::snapshot::{
    CpuSignals, LatencySignals, MemorySignals, NodeSignals, Snapshot, WorkloadSignals,
};

/// More groups than any test has.
const SLOTS: usize = 1024;

/// The next writes that fail although the kernel would take them.
pub(crate) type Failures = u32;

/// Everything.
pub(crate) struct World {
    pub(crate) kernel: Kernel,
    pub(crate) engine: Engine,
    pub(crate) shadows: Shadows,
    /// What every workload is given that is adopted.
    pub(crate) shadow: Option<Shadow>,
    pub(crate) settings: Settings,
    pub(crate) desk: Desk,
    pub(crate) epochs: Vec<u32>,
    pub(crate) now: u64,
    pub(crate) last_tick: u64,
    pub(crate) node: NodeSignals,
    /// On their way to the slow loop.
    pub(crate) records: Vec<Record>,
    /// What the last snapshot said was used.
    pub(crate) seen_use: Vec<[Amount; 2]>,
    pub(crate) failures: Failures,
    pub(crate) lose_records: bool,
    pub(crate) writes: u64,
    pub(crate) denied: u64,
    pub(crate) einvals: u64,
}

impl World {
    pub(crate) fn new(version: Version, cpus: u64, settings: Settings) -> Self {
        let node = NodeSignals {
            capacity: Amount(cpus * 1_000_000),
            memory_total: Amount(64 << 30),
            memory_available: Amount(32 << 30),
            ..NodeSignals::default()
        };
        Self {
            kernel: Kernel {
                version,
                groups: Vec::new(),
            },
            engine: Engine::new(settings),
            shadows: Shadows::default(),
            shadow: None,
            settings,
            desk: Desk::new(SLOTS),
            epochs: Vec::new(),
            now: 1_000 * Nanos::SECOND.0,
            last_tick: 999 * Nanos::SECOND.0,
            node,
            records: Vec::new(),
            seen_use: Vec::new(),
            failures: 0,
            lose_records: false,
            writes: 0,
            denied: 0,
            einvals: 0,
        }
    }

    /// Creates a group in a slot and adopts it.
    pub(crate) fn adopt(
        &mut self,
        slot: usize,
        group: Group,
        mode: Mode,
        policy: Policy,
        bounds: [Option<Bounds>; 2],
    ) {
        self.adopt_as(slot, group, mode, policy, Entitlement::default(), bounds);
    }

    /// The same, with a standing among others.
    pub(crate) fn adopt_as(
        &mut self,
        slot: usize,
        group: Group,
        mode: Mode,
        policy: Policy,
        entitlement: Entitlement,
        bounds: [Option<Bounds>; 2],
    ) {
        if self.kernel.groups.len() <= slot {
            self.kernel.groups.resize(slot + 1, None);
            self.epochs.resize(slot + 1, 0);
            self.seen_use.resize(slot + 1, [Amount::ZERO; 2]);
        }
        self.kernel.groups[slot] = Some(group);
        self.epochs[slot] += 1;
        let spec = WorkloadSpec {
            name: format!("workload-{slot}"),
            parent: group.parent.map(to_slot),
            mode,
            policy,
            entitlement,
            born: Nanos(self.now),
            adopted: group.limits,
            held: group.limits,
            period_us: group.period_us,
            bounds,
        };
        let updates = self.engine.adopt(to_slot(slot), self.epochs[slot], spec);
        self.shadows
            .set(to_slot(slot), self.epochs[slot], self.shadow);
        let old = self.desk.adopt(to_slot(slot), Box::default(), &updates);
        assert!(old.is_none(), "the slot was not free");
    }

    /// A group without children goes away.
    pub(crate) fn remove(&mut self, slot: usize) {
        self.kernel.groups[slot] = None;
        self.engine.remove(to_slot(slot));
        self.shadows.remove(to_slot(slot));
        let row = self.desk.release(to_slot(slot));
        assert!(row.is_some(), "nothing was there");
    }

    /// Somebody else writes a limit.
    pub(crate) fn foreign(&mut self, slot: usize, resource: Resource, amount: Amount) -> bool {
        let changed = self.kernel.group(slot).limits[resource.index()] != amount;
        let done = changed && self.kernel.write(slot, resource, amount).is_ok();
        if done {
            self.kernel.group_mut(slot).foreign[resource.index()] = true;
        }
        done
    }

    /// Whether a group above or below is not managed, or holds a value that we cannot know of
    /// yet: then EINVAL is nobody's fault, and the write is simply refunded.
    fn somebody_else_nearby(&self, slot: usize, resource: Resource) -> bool {
        let index = resource.index();
        let there = |slot: &usize| self.kernel.groups[*slot].is_some();
        (0..self.kernel.groups.len()).filter(there).any(|other| {
            let related = self.is_above(other, slot) || self.is_above(slot, other);
            related
                && self
                    .envelope(other, resource)
                    .is_none_or(|envelope| self.kernel.group(other).limits[index] != envelope.limit)
        })
    }

    fn is_above(&self, upper: usize, lower: usize) -> bool {
        let mut above = self.kernel.groups[lower].and_then(|group| group.parent);
        while let Some(parent) = above {
            if parent == upper {
                return true;
            }
            above = self.kernel.group(parent).parent;
        }
        false
    }

    pub(crate) fn envelope(&self, slot: usize, resource: Resource) -> Option<&Envelope> {
        self.desk.envelope(to_slot(slot), resource)
    }

    /// What the slow loop would read now.
    pub(crate) fn snapshot(&mut self) -> Snapshot {
        let elapsed = Nanos(self.now - self.last_tick);
        self.last_tick = self.now;
        let slots =
            (0..self.kernel.groups.len()).filter(|slot| self.kernel.groups[*slot].is_some());
        let workloads: Vec<_> = slots.map(|slot| self.signals(slot, elapsed)).collect();
        for signals in &workloads {
            let used = [
                signals.cpu.map(|cpu| cpu.used),
                signals.memory.map(|memory| memory.anonymous),
            ];
            self.seen_use[signals.slot.0 as usize] = used.map(Option::unwrap_or_default);
        }
        Snapshot {
            time: Nanos(self.now),
            elapsed,
            node: self.node,
            workloads,
        }
    }

    fn signals(&self, slot: usize, elapsed: Nanos) -> WorkloadSignals {
        let group = self.kernel.group(slot);
        let periods = elapsed.0 / 1_000 / group.period_us;
        let throttled = if self.kernel.short(slot, Resource::Cpu) {
            periods
        } else {
            0
        };
        let memory = self.kernel.used(slot, Resource::Memory);
        WorkloadSignals {
            slot: to_slot(slot),
            cpu: Some(CpuSignals {
                used: self.kernel.used(slot, Resource::Cpu),
                held: group.limits[0],
                period_us: group.period_us,
                periods,
                throttled,
                throttled_ns: 0,
                wait_ns: 0,
            }),
            memory: Some(MemorySignals {
                used: memory,
                anonymous: memory,
                inactive_file: Amount::ZERO,
                held: group.limits[1],
                hard: group.limits[1],
                high: u64::from(self.kernel.short(slot, Resource::Memory)),
                ..MemorySignals::default()
            }),
            latency: Some(LatencySignals {
                count: 100 * u64::from(self.kernel.used(slot, Resource::Cpu) > Amount::ZERO),
                late: if self.kernel.short(slot, Resource::Cpu) {
                    10
                } else {
                    0
                },
            }),
        }
    }

    /// One tick on a snapshot that may have been taken earlier.
    pub(crate) fn tick_on(&mut self, snapshot: &Snapshot) -> Tick {
        for record in std::mem::take(&mut self.records) {
            self.engine.record(&record);
            self.shadows.hear(&record);
        }
        let tick = self.engine.tick(Nanos(self.now), snapshot);
        self.shadows.tick(Nanos(self.now), &self.engine, snapshot);
        for (resource, size) in Resource::ALL.into_iter().zip(tick.pools) {
            self.desk.resize(resource, size);
        }
        self.desk.set_payer(tick.payer);
        for update in &tick.updates {
            self.desk.refit(update);
        }
        self.check_order(&tick);
        check_given_back(&tick, snapshot);
        self.check_visible(&tick);
        self.check_outcomes(&tick);
        for order in &tick.settles {
            self.settle(order);
        }
        for seen in &tick.audits {
            if let Some(record) = self.desk.audit(seen) {
                self.tell(record);
            }
        }
        for twin in &tick.twins {
            // Like a settlement, a twin may be old by now: the limit is read first.
            let held = self.kernel.group(twin.slot.0 as usize).limits[twin.resource.index()];
            self.spend(&Event { held, ..*twin });
        }
        tick
    }

    /// Parents first when growing, children first when shrinking.
    fn check_order(&self, tick: &Tick) {
        // Those that are superseded anyway do not count: the slow loop did not know the limit.
        let rises = |settle: &Settle| {
            let envelope = self.desk.envelope(settle.slot, settle.resource);
            let envelope = envelope.filter(|envelope| envelope.seq == settle.seen_seq);
            envelope.map(|envelope| settle.limit > envelope.limit)
        };
        for (position, later) in tick.settles.iter().enumerate() {
            for earlier in tick.settles[..position]
                .iter()
                .filter(|earlier| earlier.resource == later.resource)
            {
                let (one, two) = (earlier.slot.0 as usize, later.slot.0 as usize);
                match (rises(earlier), rises(later)) {
                    (Some(true), Some(true)) => {
                        assert!(!self.is_above(two, one), "a child before its parent");
                    }
                    (Some(false), Some(false)) => {
                        assert!(!self.is_above(one, two), "a parent before its child");
                    }
                    _ => {}
                }
            }
        }
    }

    /// Nothing is lowered below what applications are to see, here or by the fast loop, which lowers to the base.
    fn check_visible(&self, tick: &Tick) {
        let cuts = tick.decisions.iter();
        for cut in cuts.filter(|decision| decision.to < decision.from) {
            let view = self.engine.view(cut.slot, cut.resource);
            let view = view.expect("it is managed");
            assert!(cut.to >= view.visible.min(view.ceiling), "{view:?} {cut:?}");
        }
        for slot in 0..self.kernel.groups.len() {
            for envelope in Resource::ALL.map(|resource| self.envelope(slot, resource)) {
                let Some(envelope) = envelope else { continue };
                let view = self.engine.view(to_slot(slot), envelope.resource);
                let view = view.expect("it is managed");
                assert!(envelope.base() >= view.visible, "{view:?} {envelope:?}");
            }
        }
    }

    /// An outcome is one of a workload that is there, and of no other that had its slot before.
    fn check_outcomes(&self, tick: &Tick) {
        for outcome in &tick.outcomes {
            let slot = outcome.slot.0 as usize;
            assert!(self.kernel.groups[slot].is_some(), "{outcome:?}");
            assert_eq!(self.epochs[slot], outcome.epoch, "{outcome:?}");
            assert_ne!(outcome.from, outcome.to, "{outcome:?}");
        }
    }

    /// What must hold after every step.
    pub(crate) fn check(&self) {
        for resource in Resource::ALL {
            let envelopes =
                (0..self.kernel.groups.len()).filter_map(|slot| self.envelope(slot, resource));
            let lent = envelopes.fold(Amount::ZERO, |sum, envelope| sum.plus(envelope.lent));
            assert_eq!(self.desk.pool(resource).lent, lent, "the pool has drifted");
        }
    }
}

/// Memory is trimmed to no less than what cannot be dropped and a tenth, and above all that is charged.
fn check_given_back(tick: &Tick, snapshot: &Snapshot) {
    let trims = tick
        .decisions
        .iter()
        .filter(|decision| decision.resource == Resource::Memory && decision.to < decision.from);
    for trim in trims {
        let seen = &snapshot.workloads;
        let signals = seen.iter().find(|signals| signals.slot == trim.slot);
        let seen = signals.and_then(|signals| signals.memory);
        let seen = seen.expect("decided by what was seen");
        assert!(trim.to >= seen.anonymous.percent(110), "{seen:?} {trim:?}");
        assert!(
            trim.to >= seen.used.plus(Amount(4 << 20)),
            "{seen:?} {trim:?}"
        );
    }
}

pub(crate) fn to_slot(slot: usize) -> Slot {
    Slot(u32::try_from(slot).expect("few slots"))
}
