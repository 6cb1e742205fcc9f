//! Our own two loops as the agent runs them, steering a simulated node: the very same engine, desk
//! and law.

use super::controller::{Controller, NodeSeen, Seen, Write};
use crate::decide::{
    Bounds, Desk, Engine, Entitlement, Levers, Objective, Policy, Pulled, Reason, Record, Settings,
    Tick, WorkloadSpec,
};
use crate::signal::{Amount, Event, Mode, Nanos, Resource, Slot};
use crate::snapshot::{
    CpuSignals, LatencySignals, MemorySignals, NodeSignals, Snapshot, WorkloadSignals,
};

/// How often the slow loop looks.
const TICK: Nanos = Nanos::SECOND;

/// From a look to the write: reading the counters of a few hundred workloads takes most of it.
const SLOW: Nanos = Nanos(2 * Nanos::MILLI.0);

/// From an event to the end of the write: the slowest median of `bench reaction` so far.
const FAST: Nanos = Nanos(110_000);

/// How a workload is to be steered.
#[derive(Clone, Copy, Debug)]
pub struct Own {
    /// How its limits follow its need.
    pub policy: Policy,
    /// How it stands among others when the node is full.
    pub entitlement: Entitlement,
    /// Between which values, per resource; `None` for one that is left alone.
    pub bounds: [Option<Bounds>; 2],
    /// Whether weight alone shares CPU out, without a quota.
    pub by_weight: bool,
}

/// The agent, but for the kernel.
#[derive(Debug)]
pub struct Trimtab {
    /// By slot; `None` for a workload that is left alone.
    own: Vec<Option<Own>>,
    /// Whether there is no `memory.high`, as on cgroup v1.
    hard: bool,
    reserve: [Amount; 2],
    engine: Engine,
    desk: Desk,
    workloads: Vec<Workload>,
    node: NodeSeen,
    looked: Nanos,
    /// From the fast loop to the slow one.
    records: Vec<Record>,
}

/// What is remembered of a workload.
#[derive(Clone, Debug, Default)]
struct Workload {
    epoch: u32,
    seen: Seen,
    usual: [u64; 2],
    /// Of the last decision of the slow loop.
    why: [Option<Reason>; 2],
    ended: bool,
}

/// Turns what the desk pulls into orders.
struct Orders<'a> {
    /// See [`Trimtab::hard`].
    hard: bool,
    /// When they will have taken effect: what is seen before is stale.
    effect: Nanos,
    out: &'a mut Vec<Write>,
}

impl Levers for Orders<'_> {
    fn now(&self) -> Nanos {
        self.effect
    }

    fn pull(
        &mut self,
        slot: Slot,
        resource: Resource,
        (_, to): (Amount, Amount),
        _seen: Option<Nanos>,
    ) -> Pulled {
        self.out.push(match resource {
            Resource::Memory if !self.hard => Write::High { slot, to },
            _ => Write::Limit { slot, resource, to },
        });
        Pulled::Written
    }

    fn minds_children(&self, _slot: Slot, _resource: Resource) -> bool {
        false
    }
}

impl Trimtab {
    /// With these settings of the node. `own` says by slot how workloads are to be steered; one for
    /// which it says nothing is left alone, as one that no policy selects.
    #[must_use]
    pub fn new(settings: Settings, own: Vec<Option<Own>>) -> Self {
        Self {
            own,
            hard: false,
            reserve: settings.reserve,
            engine: Engine::new(settings),
            desk: Desk::default(),
            workloads: Vec::new(),
            node: NodeSeen::default(),
            looked: Nanos(0),
            records: Vec::new(),
        }
    }

    /// The same on cgroup v1, where the limit of memory that moves is the hard one.
    #[must_use]
    pub fn on_v1(self) -> Self {
        Self { hard: true, ..self }
    }

    fn own(&self, slot: Slot) -> Option<Own> {
        self.own.get(slot.0 as usize).copied().flatten()
    }

    fn workload(&mut self, slot: Slot) -> &mut Workload {
        let index = slot.0 as usize;
        if self.workloads.len() <= index {
            self.workloads.resize_with(index + 1, Workload::default);
            self.desk.grow(index + 1);
        }
        &mut self.workloads[index]
    }

    /// What the slow loop reads: the counters since the last look.
    fn snapshot(&self, now: Nanos, node: &NodeSeen, seen: &[Seen]) -> Snapshot {
        let elapsed = now.since(self.looked);
        let workloads: Vec<_> = seen
            .iter()
            .filter_map(|seen| Some(self.signals(elapsed, seen, &self.own(seen.slot)?)))
            .collect();
        let used = |pick: fn(&WorkloadSignals) -> Option<Amount>| {
            let used = workloads.iter().filter_map(pick);
            used.fold(Amount::ZERO, Amount::plus)
        };
        let all_cpu = rate(node.cpu_used.since(self.node.cpu_used), elapsed);
        let unavailable = node.memory.minus(node.memory_available);
        Snapshot {
            time: now,
            elapsed,
            node: NodeSignals {
                capacity: node.cpus,
                unmanaged_cpu: all_cpu.minus(used(|one| Some(one.cpu?.used))),
                memory_total: node.memory,
                memory_available: node.memory_available,
                unmanaged_memory: unavailable.minus(used(|one| Some(one.memory?.anonymous))),
            },
            workloads,
        }
    }

    fn signals(&self, elapsed: Nanos, seen: &Seen, own: &Own) -> WorkloadSignals {
        let last = self.workloads.get(seen.slot.0 as usize);
        let last = last.map(|last| last.seen).unwrap_or_default();
        let (cpu, memory) = (&seen.cpu, &seen.memory);
        WorkloadSignals {
            slot: seen.slot,
            cpu: own.bounds[0].map(|_| CpuSignals {
                used: rate(cpu.used.since(last.cpu.used), elapsed),
                held: cpu.limit,
                period_us: cpu.period.0 / 1_000,
                periods: cpu.periods - last.cpu.periods,
                throttled: cpu.throttled_periods - last.cpu.throttled_periods,
                throttled_ns: cpu.throttled.since(last.cpu.throttled).0,
                wait_ns: cpu.waited.since(last.cpu.waited).0,
            }),
            memory: own.bounds[1].map(|_| MemorySignals {
                used: memory.used,
                anonymous: memory.anonymous,
                inactive_file: memory.used.minus(memory.working_set),
                held: memory.high.min(memory.limit),
                hard: memory.limit,
                high: memory.high_events - last.memory.high_events,
                oom: memory.oom_kills - last.memory.oom_kills,
                oom_kill: memory.oom_kills - last.memory.oom_kills,
                refaults: memory.refaults - last.memory.refaults,
                stalled_ns: memory.stalled.since(last.memory.stalled).0,
            }),
            latency: requested(own).map(|_| LatencySignals {
                count: seen.requests.answered - last.requests.answered,
                late: seen.requests.late - last.requests.late,
            }),
        }
    }

    /// Passes on what a tick has brought, in the order that it asks for.
    fn pass_on(&mut self, now: Nanos, tick: &Tick, out: &mut Vec<Write>) {
        for (resource, size) in Resource::ALL.into_iter().zip(tick.pools) {
            self.desk.resize(resource, size);
        }
        self.desk.set_payer(tick.payer);
        for update in &tick.updates {
            self.desk.refit(update);
        }
        for decision in &tick.decisions {
            let why = &mut self.workload(decision.slot).why;
            why[decision.resource.index()] = Some(decision.reason.clone());
        }
        let mut orders = Orders {
            hard: self.hard,
            effect: now.plus(SLOW),
            out,
        };
        let (mut told, mut twins) = (Vec::new(), Vec::new());
        let mut tell = |record| told.push(record);
        for order in &tick.settles {
            let settled = self.desk.apply(&mut orders, order, &mut tell);
            settled.map(Record::Settled).into_iter().for_each(&mut tell);
        }
        for seen in &tick.audits {
            self.desk.audit(seen).into_iter().for_each(&mut tell);
        }
        for twin in &tick.twins {
            // As in the agent, a twin is news of this moment and of the limit that stands then.
            let envelope = self.desk.envelope(twin.slot, twin.resource);
            let event = Event {
                time: orders.effect,
                held: envelope.map_or(twin.held, |envelope| envelope.limit),
                ..*twin
            };
            self.desk.spend(&mut orders, &event, &mut tell);
            twins.push((twin.slot, twin.resource));
        }
        for (slot, resource) in twins {
            self.workload(slot).why[resource.index()] = None;
        }
        self.records = told;
        for thresholds in &tick.thresholds {
            self.workload(thresholds.slot).usual[thresholds.resource.index()] = thresholds.usual;
        }
    }
}

impl Controller for Trimtab {
    fn name(&self) -> &'static str {
        match self.own.iter().flatten().next().map(|own| own.policy) {
            Some(Policy::Threshold(_)) => "trimtab-threshold",
            Some(Policy::Headroom(_)) => "trimtab-headroom",
            Some(Policy::Predictive(_)) => "trimtab-predictive",
            Some(Policy::Slo(_)) => "trimtab-slo",
            None => "trimtab",
        }
    }

    fn interval(&self) -> Nanos {
        TICK
    }

    fn delay(&self) -> Nanos {
        SLOW
    }

    fn begin(&mut self, now: Nanos, seen: &Seen, out: &mut Vec<Write>) {
        let slot = seen.slot;
        let workload = self.workload(slot);
        workload.epoch += 1;
        workload.seen = *seen;
        let epoch = workload.epoch;
        let Some(Own {
            policy,
            entitlement,
            mut bounds,
            by_weight,
        }) = self.own(slot)
        else {
            return;
        };
        if by_weight {
            let (resource, to) = (Resource::Cpu, Amount::UNLIMITED);
            out.push(Write::Weight {
                slot,
                to: entitlement.cpu_weight().into(),
            });
            out.push(Write::Limit { slot, resource, to });
            bounds[0] = None;
        }
        let limits = [seen.cpu.limit, seen.memory.limit];
        for (bounds, adopted) in bounds.iter_mut().zip(limits) {
            *bounds = bounds.map(|bounds| bounds.under(adopted));
        }
        if bounds[1].is_some() && !seen.memory.limit.is_unlimited() && !self.hard {
            // The moving limit stands where the hard one stood, and that one at the ceiling.
            let high = limits[1];
            out.push(Write::High { slot, to: high });
            out.push(Write::Limit {
                slot,
                resource: Resource::Memory,
                to: bounds[1].map_or(Amount::UNLIMITED, |bounds| bounds.ceiling),
            });
        }
        drop(self.desk.release(slot));
        let updates = self.engine.adopt(
            slot,
            epoch,
            WorkloadSpec {
                name: String::new(),
                parent: None,
                mode: Mode::Enforce,
                policy,
                entitlement,
                born: now,
                adopted: limits,
                held: limits,
                period_us: seen.cpu.period.0 / 1_000,
                bounds,
            },
        );
        // There is room for it, and nobody in its place: nothing comes back.
        drop(self.desk.adopt(slot, Box::default(), &updates));
    }

    fn end(&mut self, slot: Slot) {
        self.engine.remove(slot);
        drop(self.desk.release(slot));
        self.workload(slot).ended = true;
    }

    fn look(&mut self, now: Nanos, node: &NodeSeen, seen: &[Seen], out: &mut Vec<Write>) {
        let snapshot = self.snapshot(now, node, seen);
        for record in std::mem::take(&mut self.records) {
            self.engine.record(&record);
        }
        let tick = self.engine.tick(now, &snapshot);
        self.pass_on(now, &tick, out);
        (self.node, self.looked) = (*node, now);
        for seen in seen {
            self.workload(seen.slot).seen = *seen;
        }
    }

    fn reaction(&self) -> Option<Nanos> {
        Some(FAST)
    }

    fn event(&mut self, event: &Event, out: &mut Vec<Write>) {
        let mut orders = Orders {
            hard: self.hard,
            effect: event.time.plus(FAST),
            out,
        };
        let mut tell = |record| self.records.push(record);
        self.desk.spend(&mut orders, event, &mut tell);
    }

    /// CPU: the limit without what is lent, which is taken back when somebody is entitled to it, and of a floor only
    /// what is set aside on the node. Memory: all of the limit, since what is in use cannot be taken back. Of what is
    /// left alone: its request.
    fn held(&self, slot: Slot, resource: Resource) -> Amount {
        let Some(envelope) = self.desk.envelope(slot, resource) else {
            let workload = self.workloads.get(slot.0 as usize);
            let request = workload.filter(|workload| !workload.ended);
            return request.map_or(Amount::ZERO, |workload| workload.seen.request(resource));
        };
        match resource {
            Resource::Cpu => {
                let own = envelope.limit.minus(envelope.lent);
                if own <= envelope.floor {
                    own.min(self.engine.set_aside(slot, resource))
                } else {
                    own
                }
            }
            Resource::Memory => envelope.limit,
        }
    }

    fn why(&self, slot: Slot, resource: Resource) -> Option<String> {
        let workload = self.workloads.get(slot.0 as usize)?;
        workload.why[resource.index()]
            .as_ref()
            .map(ToString::to_string)
    }

    fn shared(&self, resource: Resource) -> Amount {
        self.reserve[resource.index()]
    }

    fn objective(&self, slot: Slot) -> Option<Nanos> {
        requested(&self.own(slot)?)
    }

    fn usual(&self, slot: Slot, resource: Resource) -> u64 {
        let workload = self.workloads.get(slot.0 as usize);
        workload.map_or(0, |workload| workload.usual[resource.index()])
    }
}

/// By when requests are to be answered. Single waits for a CPU are not simulated.
fn requested(own: &Own) -> Option<Nanos> {
    match own.policy.objective()? {
        Objective::Requests(within) => Some(within),
        Objective::Waits(_) => None,
    }
}

/// So much CPU time in that time, in micro-CPUs.
fn rate(used: Nanos, elapsed: Nanos) -> Amount {
    let micro = u128::from(used.0) * u128::from(Amount::CPU.0) / u128::from(elapsed.0.max(1));
    Amount(u64::try_from(micro).unwrap_or(u64::MAX))
}
