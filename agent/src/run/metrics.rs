//! What metrics are made of: the slow loop's state. Of workloads nothing is read for it but the pressure on
//! the few that are told by name.

use trimtab_core::signal::{Amount, Mode, Resource};

use super::{
    agent::{Agent, now},
    backend::Shared,
    workload::Workload,
};
use crate::{
    api::view::Counters,
    report::{Candidate, Count, Gauge, Histogram, Sample, Source, Subject, Totals, Waits, Who},
    sense::file::Scratch,
};

impl Source for Shared {
    fn sample(&self) -> Option<Sample> {
        let mut agent = self.lock();
        let begun = now();
        agent.reports();
        let mut sample = agent.sample()?;
        sample.held_ns = now().since(begun).0;
        Some(sample)
    }
}

impl Agent {
    /// What metrics tell now; asking moves the accounts on. `None` while nothing is counted.
    fn sample(&mut self) -> Option<Sample> {
        let named = self.collect()?;
        let (subjects, others) = self.subjects(named)?;
        let probes = self.probes.as_ref();
        let (reactions, reaction_ns) = self.stats.reaction();
        Some(Sample {
            status: self.status(),
            host: rustix::system::uname()
                .nodename()
                .to_string_lossy()
                .into_owned(),
            probes: self.probe_status.clone(),
            losses: probes
                .map(|probes| probes.lost().read())
                .unwrap_or_default(),
            unheard: self
                .stats
                .dropped
                .load(std::sync::atomic::Ordering::Relaxed),
            reaction: Histogram::of(&reactions, reaction_ns),
            subjects,
            others,
            held_ns: 0,
        })
    }

    /// Takes in what was counted by now, and says which workloads are told by name, as places among all of them.
    fn collect(&mut self) -> Option<Vec<usize>> {
        let capacity = self.capacity();
        // They stay where they are: were they taken out, a panic on the way would leave none behind.
        let accounts = self.accounts.as_mut()?;
        let candidates: Vec<_> = self
            .workloads
            .iter()
            .map(|workload| Candidate {
                path: workload.group.path.clone(),
                name: &workload.name,
                totals: totals(workload),
                memory: workload.used[Resource::Memory.index()].0,
            })
            .collect();
        Some(accounts.collect(now(), capacity, &candidates))
    }

    /// The workloads that are told by name, then the others together; and how many these are.
    fn subjects(&self, named: Vec<usize>) -> Option<(Vec<Subject>, u64)> {
        let accounts = self.accounts.as_ref()?;
        let mut scratch = Scratch::new();
        let mut subjects = Vec::with_capacity(named.len() + 1);
        let mut others = Subject {
            totals: accounts.others().clone(),
            ..Subject::default()
        };
        let mut unnamed = 0;
        let mut next = named.into_iter().peekable();
        for (place, workload) in self.workloads.iter().enumerate() {
            if next.next_if_eq(&place).is_none() {
                others.add(&self.gauges(workload));
                unnamed += 1;
                continue;
            }
            let stalls = workload.pressure(&mut scratch);
            subjects.push(Subject {
                who: Some(Box::new(self.who(workload))),
                totals: accounts
                    .own(&workload.group.path)
                    .cloned()
                    .unwrap_or_default(),
                gauges: self.gauges(workload),
                stalls: super::stalls::pressures(&stalls),
            });
        }
        if unnamed > 0 || others.totals != Totals::default() {
            subjects.push(others);
        }
        Some((subjects, unnamed))
    }

    fn gauges(&self, workload: &Workload) -> [[Option<u64>; Gauge::ALL.len()]; 2] {
        Resource::ALL.map(|resource| {
            let mut gauges = [None; Gauge::ALL.len()];
            let mut set = |gauge: Gauge, amount: Amount| {
                gauges[gauge as usize] = (!amount.is_unlimited()).then_some(amount.0);
            };
            let Some(limit) = &workload.limits[resource.index()] else {
                return gauges;
            };
            set(Gauge::Used, workload.used[resource.index()]);
            set(Gauge::Limit, limit.held);
            set(Gauge::Original, limit.adopted);
            set(Gauge::Floor, limit.bounds.floor);
            set(Gauge::Target, limit.target);
            set(Gauge::Ceiling, self.ceiling(limit, resource));
            set(Gauge::Lent, self.lent(workload, limit, resource));
            gauges
        })
    }

    fn who(&self, workload: &Workload) -> Who {
        let parent = workload.parent.and_then(|slot| self.workloads.get(slot));
        let beyond = self.beyond(workload);
        Who {
            path: workload.shown_path(),
            name: workload.name.clone(),
            policy: workload.policy.to_string(),
            mode: match workload.mode {
                Mode::Observe => "observe",
                Mode::Recommend => "recommend",
                Mode::Enforce => "enforce",
            },
            owner: workload.owner.clone(),
            parent: parent.map(Workload::shown_path),
            identity: self.identity(workload),
            anomalies: self.anomalies_of(workload),
            instances: beyond.hint.map_or(1, |hint| u64::from(hint.instances)),
            balancing_weight: beyond.balancing_weight.map(u64::from),
        }
    }

    /// A workload ends: metrics do not forget what it has counted.
    pub(super) fn close_account(&mut self, workload: &Workload) {
        if let Some(accounts) = &mut self.accounts {
            accounts.close(&workload.group.path, &totals(workload));
        }
    }
}

/// What was counted of a workload since its adoption, as of the last tick.
fn totals(workload: &Workload) -> Totals {
    let mut totals = Totals::default();
    let (first, last) = (&workload.first, &workload.last);
    if workload.group.cpu.is_some() {
        let cpu = [
            (
                Count::Throttled,
                last.cpu.throttled_ns,
                first.cpu.throttled_ns,
            ),
            (Count::Periods, last.cpu.periods, first.cpu.periods),
            (
                Count::ThrottledPeriods,
                last.cpu.throttled_periods,
                first.cpu.throttled_periods,
            ),
        ];
        for (count, last, first) in cpu {
            totals.set(count, last.saturating_sub(first));
        }
        if let (Some(last), Some(first)) = (last.cpu.usage_ns, first.cpu.usage_ns) {
            totals.set(Count::CpuTime, last.saturating_sub(first));
        }
    }
    // Only where memory is managed, ticks read it.
    if workload.limits[Resource::Memory.index()].is_some() {
        let (last, first) = (last.memory, first.memory);
        totals.set(
            Count::OomKills,
            last.oom_kill.saturating_sub(first.oom_kill),
        );
        totals.set(Count::OverHigh, last.high.saturating_sub(first.high));
        totals.set(Count::AtMax, last.max.saturating_sub(first.max));
    }
    if let Some(waits) = &workload.waits {
        let hist = &waits.hist;
        let behind = Histogram::of(&hist.waiting, hist.waiting_ns);
        let throttled = Histogram::of(&hist.throttled, hist.throttled_ns);
        totals.set_histogram(Waits::Behind, behind);
        totals.set_histogram(Waits::Throttled, throttled);
    }
    if let Some(tcp) = &workload.tcp {
        let answered = Histogram::of(&tcp.answered, tcp.answered_ns);
        totals.set_histogram(Waits::Requests, answered);
        totals.set(Count::BytesIn, tcp.bytes_in);
        totals.set(Count::BytesOut, tcp.bytes_out);
    }
    // What was done to it before it was taken up anew is in its old account.
    let (done, before) = (&workload.counters, &workload.inherited);
    let since = |of: fn(&Counters) -> u64| of(done).saturating_sub(of(before));
    totals.set(Count::Lifts, since(|counters| counters.lifts));
    totals.set(Count::Trims, since(|counters| counters.trims));
    totals.set(Count::Denials, since(|counters| counters.denials));
    totals.set(
        Count::ForeignWrites,
        since(|counters| counters.foreign_writes),
    );
    totals.set(Count::Undone, workload.undone);
    for resource in Resource::ALL {
        if let Some(limit) = &workload.limits[resource.index()] {
            totals.set_verdicts(resource.index(), limit.tried.verdicts());
        }
    }
    totals
}
