//! Reads every counter once and makes the snapshot that the engine decides on.

use trimtab_core::{
    signal::{Amount, Nanos, Resource, Slot},
    snapshot::{CpuSignals, MemorySignals, NodeSignals, Snapshot, WorkloadSignals},
};

use super::{
    tcp, why,
    workload::{Sample, Workload, Workloads},
};
use crate::{
    probe::Histograms,
    sense::{
        file::{Scratch, SenseError, Sight},
        memory::MemoryEvents,
        node::Node,
    },
};

/// The node at the last tick.
#[derive(Clone, Copy, Debug)]
pub(super) struct NodeSample {
    pub(super) time: Nanos,
    pub(super) node: Node,
    /// CPU use outside the managed workloads in the last three ticks. The middle one counts: what
    /// a group used in the tick in which it went away looks like somebody else's use, once.
    unmanaged_cpu: [Amount; 3],
}

impl NodeSample {
    pub(super) const fn new(time: Nanos, node: Node) -> Self {
        Self {
            time,
            node,
            unmanaged_cpu: [Amount::ZERO; 3],
        }
    }

    /// The next sample, and the unmanaged CPU use to go by.
    fn next(&self, time: Nanos, node: Node, unmanaged_cpu: Amount) -> (Self, Amount) {
        let [_, second, third] = self.unmanaged_cpu;
        let last = [second, third, unmanaged_cpu];
        let mut sorted = last;
        sorted.sort_unstable();
        (
            Self {
                time,
                node,
                unmanaged_cpu: last,
            },
            sorted[1],
        )
    }
}

/// What one tick read.
pub(super) struct Reading {
    pub(super) snapshot: Snapshot,
    /// What the next tick compares the node with.
    pub(super) node: NodeSample,
    /// Workloads whose group is gone.
    pub(super) gone: Vec<Slot>,
    /// Memory that was lent and is not used yet, in bytes, of those to whom any was lent.
    pub(super) unused: Vec<(Slot, Amount)>,
    /// Workloads behind which more groups stood than the kernel can name.
    pub(super) crowded: Vec<Slot>,
    /// Groups that could not be read.
    pub(super) errors: Vec<(Slot, SenseError)>,
}

/// Reads all workloads and the node. `last` is the node's previous sample.
pub(super) fn take(
    now: Nanos,
    workloads: &mut Workloads,
    probed: Option<Histograms<'_>>,
    last: NodeSample,
    node: Node,
    scratch: &mut Scratch,
) -> Reading {
    let elapsed = now.since(last.time);
    let mut reading = Reading {
        snapshot: Snapshot {
            time: now,
            elapsed,
            ..Snapshot::default()
        },
        node: last,
        gone: Vec::new(),
        unused: Vec::new(),
        crowded: Vec::new(),
        errors: Vec::new(),
    };
    let unnamed = |workload: &Workload| Some(workload.last.runq.as_ref()?.behind.unnamed_ns);
    for workload in workloads.iter_mut() {
        let before = unnamed(workload);
        match signals(now, workload, probed, scratch) {
            Ok(Sight::Here(signals)) => {
                reading.snapshot.workloads.push(signals);
                if before.is_some() && unnamed(workload) > before {
                    reading.crowded.push(workload.slot);
                }
            }
            Ok(Sight::Gone) => reading.gone.push(workload.slot),
            Err(error) => reading.errors.push((workload.slot, error)),
        }
    }
    // What is below an envelope is in that envelope's numbers already.
    let mut managed = [Amount::ZERO; 2];
    for signals in &reading.snapshot.workloads {
        if let Some(cpu) = &signals.cpu
            && workloads.is_top(signals.slot, Resource::Cpu)
        {
            managed[0] = managed[0].plus(cpu.used);
        }
        if let Some(memory) = &signals.memory
            && workloads.is_top(signals.slot, Resource::Memory)
        {
            managed[1] = managed[1].plus(memory.anonymous);
            let unused = workloads
                .get(signals.slot)
                .and_then(|workload| unused(workload, memory));
            reading
                .unused
                .extend(unused.map(|unused| (signals.slot, unused)));
        }
    }
    let signals = node_signals(elapsed, &last.node, &node, managed);
    let (sample, unmanaged_cpu) = last.next(now, node, signals.unmanaged_cpu);
    reading.snapshot.node = NodeSignals {
        unmanaged_cpu,
        ..signals
    };
    reading.node = sample;
    reading
}

/// What a workload was lent beyond its owner's limit and has not touched; `None` when nothing was
/// lent.
fn unused(workload: &Workload, memory: &MemorySignals) -> Option<Amount> {
    let limit = workload.limits[Resource::Memory.index()].as_ref()?;
    let base = limit.adopted.max(limit.bounds.floor);
    let lent = !memory.held.is_unlimited() && memory.held > base;
    lent.then(|| memory.held.minus(memory.used.max(base)))
}

fn node_signals(elapsed: Nanos, last: &Node, node: &Node, managed: [Amount; 2]) -> NodeSignals {
    let busy = rate(node.cpu_busy_ns.saturating_sub(last.cpu_busy_ns), elapsed);
    let held = Amount(node.memory_total.saturating_sub(node.memory_available));
    NodeSignals {
        capacity: node.cpu_capacity,
        unmanaged_cpu: busy.minus(managed[0]),
        memory_total: Amount(node.memory_total),
        memory_available: Amount(node.memory_available),
        unmanaged_memory: held.minus(managed[1]),
    }
}

/// ns of CPU over a time as micro-CPUs.
pub(super) fn rate(ns: u64, elapsed: Nanos) -> Amount {
    let micro = u128::from(ns) * u128::from(Amount::CPU.0) / u128::from(elapsed.0.max(1));
    Amount(u64::try_from(micro).unwrap_or(u64::MAX))
}

/// Reads one workload and keeps its counters for the next deltas.
pub(super) fn signals(
    now: Nanos,
    workload: &mut Workload,
    probed: Option<Histograms<'_>>,
    scratch: &mut Scratch,
) -> Result<Sight<WorkloadSignals>, SenseError> {
    let mut sample = Sample {
        time: now,
        ..Sample::default()
    };
    if let (Some(probed), Some(id)) = (probed, workload.group.ids.cpu) {
        sample.runq = probed.runq.read(id).ok().flatten().map(Box::new);
        sample.tcp = probed.tcp.read(id).ok().flatten().map(Box::new);
    }
    let Sight::Here(cpu) = cpu(workload, &mut sample, scratch)? else {
        return Ok(Sight::Gone);
    };
    let Sight::Here(memory) = memory(workload, &mut sample, scratch)? else {
        return Ok(Sight::Gone);
    };
    if let Some(cpu) = &cpu {
        workload.used[0] = cpu.used;
    }
    if let Some(memory) = &memory {
        workload.used[1] = memory.used;
    }
    if let (Some(last), Some(now)) = (&workload.last.runq, &sample.runq) {
        let ran = |sample: &Sample| sample.cpu.usage_ns.unwrap_or_default();
        let ran = ran(&sample).saturating_sub(ran(&workload.last));
        let (waits, groups) = why::since(last, now, ran);
        workload
            .waiting
            .push(workload.last.time, sample.time, &waits, &groups);
    }
    if let (Some(last), Some(now)) = (&workload.last.tcp, &sample.tcp) {
        let elapsed = sample.time.since(workload.last.time);
        sample.requests_per_s = tcp::per_second(last, now, elapsed);
    }
    workload.last = sample;
    Ok(Sight::Here(WorkloadSignals {
        slot: workload.slot,
        cpu,
        memory,
    }))
}

fn cpu(
    workload: &mut Workload,
    sample: &mut Sample,
    scratch: &mut Scratch,
) -> Result<Sight<Option<CpuSignals>>, SenseError> {
    let Some(reader) = &workload.group.cpu else {
        return Ok(Sight::Here(None));
    };
    let (Sight::Here(stat), Sight::Here(quota)) = (reader.stat(scratch)?, reader.quota(scratch)?)
    else {
        return Ok(Sight::Gone);
    };
    sample.cpu = stat;
    let last = &workload.last;
    let Some(quota) = quota else {
        return Ok(Sight::Here(None));
    };
    let used = stat
        .usage_ns
        .unwrap_or_default()
        .saturating_sub(last.cpu.usage_ns.unwrap_or_default());
    let waited = |sample: &Sample| {
        sample
            .runq
            .as_ref()
            .map_or(0, |waits| waits.hist.waiting_ns)
    };
    Ok(Sight::Here(Some(CpuSignals {
        used: rate(used, sample.time.since(last.time)),
        held: quota.amount(),
        period_us: quota.period_us,
        periods: stat.periods.saturating_sub(last.cpu.periods),
        throttled: stat
            .throttled_periods
            .saturating_sub(last.cpu.throttled_periods),
        throttled_ns: stat.throttled_ns.saturating_sub(last.cpu.throttled_ns),
        wait_ns: waited(sample).saturating_sub(waited(last)),
    })))
}

fn memory(
    workload: &mut Workload,
    sample: &mut Sample,
    scratch: &mut Scratch,
) -> Result<Sight<Option<MemorySignals>>, SenseError> {
    // Where memory is not managed nothing is decided by it, and its files are the dearest to read.
    let (Some(reader), Some(_)) = (
        &workload.group.memory,
        &workload.limits[Resource::Memory.index()],
    ) else {
        return Ok(Sight::Here(None));
    };
    let Sight::Here(memory) = reader.read(scratch)? else {
        return Ok(Sight::Gone);
    };
    sample.memory = memory.events;
    let MemoryEvents {
        high,
        oom,
        oom_kill,
        max,
    } = memory.events;
    let last = &workload.last.memory;
    // v1 has no `high`: what failed against the hard limit is the nearest thing there.
    let moving = if memory.high.is_unlimited() {
        max.saturating_sub(last.max)
    } else {
        high.saturating_sub(last.high)
    };
    Ok(Sight::Here(Some(MemorySignals {
        used: Amount(memory.current),
        anonymous: Amount(memory.current.saturating_sub(memory.stat.droppable())),
        inactive_file: Amount(memory.stat.inactive_file),
        held: memory.effective_limit(),
        hard: memory.max,
        high: moving,
        oom: oom.saturating_sub(last.oom),
        oom_kill: oom_kill.saturating_sub(last.oom_kill),
    })))
}
