//! The slow loop's state: everything that one tick, one report and one API call work on.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use rustix::time::{ClockId, clock_gettime};
use trimtab_core::{
    decide::{EnvelopeUpdate, Notice, NoticeKind, Thresholds, Tick},
    signal::{Amount, Nanos, Resource, Slot},
};

use super::{
    adoptions::Adoptions,
    cost::OwnCost,
    endpoint::Endpoint,
    energy::Energy,
    entry,
    gpus::Gpus,
    identities::Identities,
    owners::Owned,
    rest::Rest,
    room::Room,
    selection::Selection,
    snapshot::{self, NodeSample, Reading},
    workload::Workloads,
};
use crate::{
    api::view::Entry,
    fast::{Command, Priority, SlowEnd, Stats},
    journal::Journal,
    probe::{ProbeStatus, Probes},
    record::Recorder,
    report::Accounts,
    sense::{
        file::Scratch,
        hierarchy::Hierarchies,
        node::NodeReader,
        psi::PsiReader,
        tree::{Tree, TreeEvent},
        writes::LimitWrites,
    },
};

/// Groups are looked for afresh this often, in ticks, even if no event was lost; every tick when
/// no event tells of them.
const RESCAN_TICKS: u64 = 60;
/// What could not be restored is tried again this often, in ticks.
const LEFTOVER_TICKS: u64 = 10;

/// The running agent.
pub(super) struct Agent {
    pub(super) config_path: String,
    /// What is wrong with the configuration that was to replace the one in force.
    pub(super) config_error: Option<String>,
    pub(super) selection: Selection,
    pub(super) hierarchies: Hierarchies,
    pub(super) tree: Tree,
    pub(super) engine: Recorder,
    pub(super) workloads: Workloads,
    pub(super) adoptions: Adoptions,
    pub(super) owned: Owned,
    /// `None` where there is no `inotify`: the tick finds what others write.
    pub(super) limit_writes: Option<LimitWrites>,
    pub(super) probes: Option<Probes>,
    pub(super) probe_status: Vec<ProbeStatus>,
    pub(super) slow: SlowEnd,
    pub(super) stats: Arc<Stats>,
    pub(super) priority: Priority,
    pub(super) journal: Journal,
    /// What metrics have told of workloads; `None` where nobody can ask for any.
    pub(super) accounts: Option<Accounts>,
    /// How the endpoint for metrics stands; `None` where none is wanted.
    pub(super) endpoint: Option<Endpoint>,
    pub(super) scratch: Scratch,
    pub(super) node_reader: NodeReader,
    pub(super) node_psi: PsiReader,
    pub(super) node: NodeSample,
    pub(super) room: Room,
    /// What the last tick read.
    pub(super) reading: Reading,
    /// Whether the kernel told at the last tick who gets a CPU.
    pub(super) tells_who_runs: bool,
    pub(super) gpus: Gpus,
    pub(super) cost: OwnCost,
    pub(super) energy: Energy,
    pub(super) identities: Identities,
    /// Sizes of the pools, and of what they were made.
    pub(super) pools: [PoolView; 2],
    pub(super) paused: bool,
    pub(super) started: Nanos,
    pub(super) started_unix_ns: u64,
    pub(super) ticks: u64,
    /// Tree events since the tree was last looked at.
    pub(super) tree_events: Vec<TreeEvent>,
    /// Decisions handed to the fast thread whose result has not come back.
    pub(super) pending: HashMap<(Slot, Resource), Entry>,
    /// Events lost since the start, as of the last tick.
    pub(super) lost: u64,
    /// Lifts refused since the start.
    pub(super) denied: u64,
    /// Lifts made since the start.
    pub(super) lifts: u64,
}

/// One pool as the slow loop knows it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PoolView {
    pub(super) capacity: Amount,
    pub(super) unmanaged: Amount,
    pub(super) size: Amount,
    pub(super) lent: Amount,
}

/// Now, on the clock that the probes use.
pub(super) fn now() -> Nanos {
    let time = clock_gettime(ClockId::Monotonic);
    Nanos(time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned())
}

impl Agent {
    /// One tick of the slow loop.
    pub(super) fn tick(&mut self) {
        let begun = now();
        self.tick_once();
        self.cost.ticked(now().since(begun));
    }

    fn tick_once(&mut self) {
        self.reports();
        self.follow_tree();
        self.ticks += 1;
        let blind = !self.probe_on(crate::probe::Probe::CgroupLifecycle);
        let lost = self.lost_events();
        let missed = std::mem::replace(&mut self.lost, lost) != lost;
        if blind || missed || self.ticks.is_multiple_of(RESCAN_TICKS) {
            self.rescan();
        }
        let now = now();
        let node = match self.node_reader.read(&mut self.scratch) {
            Ok(node) => node,
            Err(error) => {
                tracing::error!(%error, "the node's totals cannot be read; this tick is left out");
                return;
            }
        };
        let mut reading = std::mem::take(&mut self.reading);
        let length = self.selection.config().agent.tick;
        let tells = self.probes.as_ref().is_some_and(Probes::tells_who_runs);
        let told = std::mem::replace(&mut self.tells_who_runs, tells) && tells;
        let runq = self.probes.as_ref().filter(|_| told);
        let runq = runq.map(|probes| probes.histograms().runq);
        let sample = reading.take(
            now,
            &mut self.workloads,
            Rest::new(now, self.engine.engine(), self.ticks, length, runq),
            self.probes.as_ref().map(Probes::histograms),
            (self.node, node),
            &mut self.scratch,
        );
        let busy = sample.node.cpu_busy_ns;
        let busy = busy.saturating_sub(self.node.node.cpu_busy_ns);
        let busy = snapshot::rate(busy, reading.snapshot.elapsed);
        self.node = sample;
        for slot in reading.gone.drain(..) {
            self.release(slot);
        }
        for (slot, error) in reading.errors.drain(..) {
            tracing::warn!(slot = slot.0, %error, "a workload cannot be read; this tick goes without it");
        }
        self.forget_names(&reading.crowded);
        self.leave_out_echoes(&mut reading.snapshot);
        self.observe(&reading.snapshot);
        self.gpus.tick(&reading.snapshot, &self.workloads);
        self.energy.tick(
            &reading.snapshot,
            busy.0,
            &self.workloads,
            &self.gpus,
            &mut self.scratch,
        );
        let tick = self.engine.tick(now, &reading.snapshot);
        self.find_anomalies(now, &reading.snapshot);
        for (slot, unused) in reading.unused.drain(..) {
            self.send(Command::Unused(slot, unused, now));
        }
        self.reading = reading;
        self.apply(tick);
        self.use_room();
        self.slow.flush();
        #[cfg(feature = "probe-log")]
        if let Some(probes) = &mut self.probes {
            probes.flush_log();
        }
    }

    /// Notes what the snapshot says about the limits that the kernel holds.
    fn observe(&mut self, snapshot: &trimtab_core::snapshot::Snapshot) {
        let node = &snapshot.node;
        self.pools[0].capacity = node.capacity;
        self.pools[0].unmanaged = node.unmanaged_cpu;
        self.pools[1].capacity = node.memory_total;
        self.pools[1].unmanaged = node.unmanaged_memory;
        for signals in &snapshot.workloads {
            let held = [
                signals.cpu.map(|cpu| cpu.held),
                signals.memory.map(|memory| memory.held),
            ];
            for (resource, held) in Resource::ALL.into_iter().zip(held) {
                let held =
                    held.filter(|held| !self.is_written_again(signals.slot, resource, *held));
                let workload = self.workloads.get_mut(signals.slot);
                let limit = workload.and_then(|workload| workload.limit(resource));
                if let (Some(limit), Some(held)) = (limit, held) {
                    limit.held = held;
                }
            }
        }
    }

    fn apply(&mut self, tick: Tick) {
        for resource in Resource::ALL {
            let size = tick.pools[resource.index()];
            self.pools[resource.index()].size = size;
            self.send(Command::Pool(resource, size));
        }
        self.send(Command::Payer(tick.payer));
        self.refit(tick.updates);
        for decision in tick.decisions {
            let Some(workload) = self.workloads.get_mut(decision.slot) else {
                continue;
            };
            if let Some(limit) = workload.limit(decision.resource) {
                limit.target = decision.to;
            }
            let entry = entry::decision(workload, &decision);
            workload.active = now();
            if decision.mode == trimtab_core::signal::Mode::Enforce {
                self.pending
                    .insert((decision.slot, decision.resource), entry);
            } else {
                self.journal.push(entry);
            }
        }
        for order in tick.settles {
            self.send(Command::Settle(order));
        }
        for audit in tick.audits {
            self.send(Command::Audit(audit));
        }
        for event in tick.twins {
            self.send(Command::Twin(event));
        }
        for thresholds in tick.thresholds {
            self.set_thresholds(thresholds);
        }
        self.conclude(&tick.outcomes);
        self.notify(tick.notices);
        if self.ticks.is_multiple_of(LEFTOVER_TICKS) {
            self.restore_leftovers();
            self.ask_owners_again();
        }
    }

    /// Reports what the engine found, in the log and in the journal.
    pub(super) fn notify(&mut self, notices: Vec<Notice>) {
        for notice in notices {
            let Some(workload) = self.workloads.get_mut(notice.slot) else {
                continue;
            };
            let foreign = matches!(
                notice.what,
                NoticeKind::Foreign { .. }
                    | NoticeKind::WriteWar { .. }
                    | NoticeKind::OwnerChanged { .. }
            );
            workload.counters.foreign_writes += u64::from(foreign);
            let entry = entry::notice(workload, &notice);
            tracing::warn!(workload = workload.name, "{}", entry.reason.text);
            self.journal.push(entry);
        }
    }

    /// Passes new bounds on to the fast thread; new originals are kept before.
    pub(super) fn refit(&mut self, updates: Vec<EnvelopeUpdate>) {
        for mut update in updates {
            self.adopted_anew(&mut update);
            self.send(Command::Refit(update));
        }
    }

    pub(super) fn send(&mut self, command: Command) {
        if self.slow.send(command).is_err() {
            tracing::error!(
                "the fast thread has not kept up: a message is lost, the next tick repeats it"
            );
        }
    }

    pub(super) fn set_thresholds(&mut self, thresholds: Thresholds) {
        let Thresholds {
            slot,
            resource,
            usual,
            own,
        } = thresholds;
        let id = self
            .workloads
            .get(slot)
            .and_then(|workload| workload.group.ids.of(resource));
        if let (Some(id), Some(probes)) = (id, &mut self.probes)
            && let Err(error) = probes.watches().set_thresholds(resource, id, usual, own)
        {
            tracing::warn!(%error, "a threshold cannot be set");
        }
    }

    /// Events of the kernel that found no room on their way here since the start.
    pub(super) fn lost_events(&self) -> u64 {
        let probes = self.probes.as_ref();
        let ring_full = probes.map_or(0, |probes| probes.lost().ring_full());
        ring_full + self.stats.dropped.load(Relaxed)
    }

    /// Capacity of the node: micro-CPUs, bytes.
    pub(super) const fn capacity(&self) -> [Amount; 2] {
        [
            self.node.node.cpu_capacity,
            Amount(self.node.node.memory_total),
        ]
    }

    /// Reads one workload's counters out of turn.
    pub(super) fn read_counters(&mut self, slot: Slot) {
        let probed = self.probes.as_ref().map(Probes::histograms);
        if let Some(workload) = self.workloads.get_mut(slot)
            && let Err(error) = snapshot::signals(now(), workload, probed, &mut self.scratch)
        {
            tracing::warn!(workload = workload.name, %error, "a workload cannot be read");
        }
    }

    pub(super) fn probe_on(&self, probe: crate::probe::Probe) -> bool {
        self.probe_status
            .iter()
            .any(|status| status.probe == probe && status.state != crate::probe::State::Off)
    }
}
