//! What `explain` shows of each policy's decisions: made by the engine and the fast loop's desk, on a
//! small world that follows its limits, and told by the agent's own words.

use std::collections::HashMap;

use trimtab_core::{
    decide::{
        Bounds, Decision, Desk, Engine, Entitlement, Headroom, Levers, Policy, Predictive,
        Priority, Pulled, Record, Settings, Settled, Threshold, WorkloadSpec,
    },
    signal::{Amount, Cause, Event, Mode, Nanos, Resource, Slot, Spend},
    snapshot::{CpuSignals, NodeSignals, Snapshot, WorkloadSignals},
};

use super::{explain, goldens::golden};
use crate::{
    api::view::{Entry, EntryKind, Quantity},
    run::{entry, feedback},
};

const SECOND: u64 = Nanos::SECOND.0;
/// Noon of some day, in ns since 1970.
const NOON: u64 = 1_700_049_600 * SECOND;

/// The kernel's side: every write succeeds.
struct Hands {
    now: Nanos,
}

impl Levers for Hands {
    fn now(&self) -> Nanos {
        self.now
    }

    fn pull(
        &mut self,
        _slot: Slot,
        _resource: Resource,
        _step: (Amount, Amount),
        _seen: Option<Nanos>,
    ) -> Pulled {
        Pulled::Written
    }

    fn minds_children(&self, _slot: Slot, _resource: Resource) -> bool {
        false
    }
}

/// A node with workloads on it, both loops, and a journal of the first workload's decisions.
struct Host {
    engine: Engine,
    desk: Desk,
    cpus: u64,
    bounds: Bounds,
    second: u64,
    names: Vec<&'static str>,
    limits: Vec<u64>,
    records: Vec<Record>,
    decided: HashMap<Slot, Decision>,
    /// Entries by the change's place among all.
    entries: Vec<(u64, Entry)>,
}

impl Host {
    fn new(cpus: u64) -> Self {
        Self {
            engine: Engine::new(Settings::default()),
            desk: Desk::new(4),
            cpus,
            bounds: Bounds::of(Resource::Cpu),
            second: 0,
            names: Vec::new(),
            limits: Vec::new(),
            records: Vec::new(),
            decided: HashMap::new(),
            entries: Vec::new(),
        }
    }

    fn adopt(&mut self, name: &'static str, policy: Policy, limit: u64, priority: Priority) {
        let slot = Slot(u32::try_from(self.names.len()).unwrap());
        let limits = [Amount(limit), Amount::UNLIMITED];
        let spec = WorkloadSpec {
            name: name.into(),
            parent: None,
            mode: Mode::Enforce,
            policy,
            entitlement: Entitlement {
                priority,
                ..Entitlement::default()
            },
            born: Nanos(0),
            adopted: limits,
            held: limits,
            period_us: 100_000,
            bounds: [Some(self.bounds), None],
        };
        let updates = self.engine.adopt(slot, 1, spec);
        assert!(self.desk.adopt(slot, Box::default(), &updates).is_none());
        self.names.push(name);
        self.limits.push(limit);
    }

    fn now(&self) -> Nanos {
        Nanos(self.second * SECOND)
    }

    /// A second in which the workloads need so much each; those that are short raise an event first, if
    /// there is a probe.
    fn tick(&mut self, needs: &[u64], probe: Option<Cause>) {
        self.second += 1;
        for (index, need) in needs.iter().enumerate() {
            if let (Some(cause), true) = (probe, *need > self.limits[index]) {
                self.event(index, cause);
            }
        }
        let snapshot = self.snapshot(needs);
        for record in std::mem::take(&mut self.records) {
            self.engine.record(&record);
        }
        let tick = self.engine.tick(self.now(), &snapshot);
        for resource in Resource::ALL {
            self.desk.resize(resource, tick.pools[resource.index()]);
        }
        self.desk.set_payer(tick.payer);
        for update in &tick.updates {
            self.desk.refit(update);
        }
        for decision in tick.decisions {
            self.decided.insert(decision.slot, decision);
        }
        let mut hands = Hands { now: self.now() };
        for order in &tick.settles {
            let settled = self.desk.apply(&mut hands, order, &mut |_| {});
            self.settled(&settled.unwrap());
        }
        for outcome in &tick.outcomes {
            let mut entries = self.entries.iter_mut();
            let entry = entries.find(|(seq, _)| *seq == outcome.seq);
            if let Some((_, entry)) = entry.filter(|_| outcome.slot == Slot(0)) {
                entry.outcome = Some(feedback::shown(outcome));
            }
        }
    }

    fn snapshot(&self, needs: &[u64]) -> Snapshot {
        let workload = |(slot, (need, limit)): (u32, (&u64, &u64))| WorkloadSignals {
            slot: Slot(slot),
            cpu: Some(CpuSignals {
                used: Amount(*need.min(limit)),
                held: Amount(*limit),
                period_us: 100_000,
                periods: 10,
                throttled: if need > limit { 10 } else { 0 },
                throttled_ns: need.saturating_sub(*limit) * 1_000,
                wait_ns: 0,
            }),
            memory: None,
            latency: None,
        };
        Snapshot {
            time: self.now(),
            elapsed: Nanos::SECOND,
            node: NodeSignals {
                capacity: Amount(self.cpus * 1_000_000),
                ..NodeSignals::default()
            },
            workloads: (0..)
                .zip(needs.iter().zip(&self.limits))
                .map(workload)
                .collect(),
        }
    }

    fn event(&mut self, index: usize, cause: Cause) {
        let event = Event {
            time: Nanos(self.now().0 - SECOND / 2),
            slot: Slot(u32::try_from(index).unwrap()),
            resource: Resource::Cpu,
            cause,
            held: Amount(self.limits[index]),
            used: Amount::ZERO,
            headroom: Amount::UNLIMITED,
        };
        let mut hands = Hands { now: event.time };
        let mut told = Vec::new();
        let spend = self
            .desk
            .spend(&mut hands, &event, &mut |record| told.push(record));
        self.records.append(&mut told);
        let spend = spend.unwrap();
        self.limits[index] = spend.to.0;
        if index == 0 {
            self.spent(&spend);
        }
    }

    fn spent(&mut self, spend: &Spend) {
        let reason = trimtab_core::decide::explain(spend);
        let entry = Entry {
            kind: EntryKind::Spend,
            monotonic_ns: spend.event.time.0,
            written: spend.denial.is_none(),
            cause: "quota-near".into(),
            latency_ns: Some(42_000),
            reason: entry::explain(&reason),
            ..self.entry(spend.from, spend.to)
        };
        self.entries.push((spend.seq, entry));
    }

    fn settled(&mut self, settled: &Settled) {
        self.records.push(Record::Settled(*settled));
        assert_eq!(settled.refusal, None);
        self.limits[settled.slot.0 as usize] = settled.to.0;
        let decision = self.decided.remove(&settled.slot).unwrap();
        if settled.slot != Slot(0) {
            return;
        }
        let rule = serde_json::to_value(decision.reason.rule).unwrap();
        let entry = Entry {
            kind: EntryKind::Decision,
            monotonic_ns: decision.time.0,
            written: true,
            cause: "tick".into(),
            rule: rule.as_str().unwrap().into(),
            reason: entry::explain(&decision.reason),
            ..self.entry(settled.from, settled.to)
        };
        self.entries.push((settled.seq, entry));
    }

    fn entry(&self, from: Amount, to: Amount) -> Entry {
        let quantity = |amount| Quantity::new(Resource::Cpu, amount);
        Entry {
            seq: self.entries.len() as u64 + 1,
            unix_ns: NOON + self.now().0,
            workload: self.names[0].into(),
            resource: Some(Resource::Cpu),
            from: Some(quantity(from)),
            to: Some(quantity(to)),
            ..Entry::default()
        }
    }

    /// The last entries, as `explain` shows them.
    fn explained(&self, last: usize) -> String {
        let entries: Vec<_> = self
            .entries
            .iter()
            .map(|(_, entry)| entry.clone())
            .collect();
        explain::render(&entries[entries.len().saturating_sub(last)..])
    }
}

#[test]
fn threshold() {
    let policy = Policy::Threshold(Threshold::default());
    let mut host = Host::new(8);
    host.adopt("web", policy, 1_000_000, Priority::Normal);
    // Its hooks are gone: only the tick sees that it is throttled.
    for _ in 0..20 {
        host.tick(&[1_300_000], None);
    }
    for _ in 0..240 {
        host.tick(&[430_000], None);
    }
    golden("explain_threshold", &host.explained(20));
}

#[test]
fn headroom() {
    let policy = Policy::Headroom(Headroom::default());
    let mut host = Host::new(8);
    host.adopt("web", policy, 1_000_000, Priority::Normal);
    for _ in 0..200 {
        host.tick(&[300_000], None);
    }
    host.tick(&[365_000], None);
    for _ in 0..30 {
        host.tick(&[300_000], None);
    }
    for _ in 0..30 {
        host.tick(&[900_000], Some(Cause::QuotaNear));
    }
    golden("explain_headroom", &host.explained(20));
}

#[test]
fn what_applications_are_to_see() {
    let mut host = Host::new(8);
    host.bounds.visible = Amount(800_000);
    host.adopt("web", Policy::default(), 2_000_000, Priority::Normal);
    for _ in 0..220 {
        host.tick(&[300_000], None);
    }
    golden("explain_visible", &host.explained(20));
}

/// 0.25 CPU, and 0.60 for five minutes from the 30th of each hour on.
fn reports(second: u64) -> u64 {
    if (30..35).contains(&(second / 60 % 60)) {
        600_000
    } else {
        250_000
    }
}

#[test]
fn predictive() {
    let policy = Policy::Predictive(Predictive::default());
    let mut host = Host::new(8);
    host.adopt("reports", policy, 2_000_000, Priority::Normal);
    for second in 0..3 * 3600 - 60 * 20 {
        host.tick(&[reports(second)], Some(Cause::QuotaNear));
    }
    golden("explain_predictive", &host.explained(4));
}
