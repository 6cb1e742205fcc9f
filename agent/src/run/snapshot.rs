//! Reads every counter once and makes the snapshot that the engine decides on.

use trimtab_core::{
    model::waiting::{Groups, Waits},
    signal::{Amount, Nanos, Resource, Slot},
    snapshot::{CpuSignals, LatencySignals, MemorySignals, NodeSignals, Snapshot, WorkloadSignals},
};

use super::{
    latency,
    rest::{Depth, Rest, resting, stirs},
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

/// What one tick reads; kept from tick to tick for its room.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub(super) snapshot: Snapshot,
    /// Workloads whose group is gone.
    pub(super) gone: Vec<Slot>,
    /// Memory that was lent and is not used yet, in bytes, of those to whom any was lent.
    pub(super) unused: Vec<(Slot, Amount)>,
    /// Workloads behind which more groups stood than the kernel can name.
    pub(super) crowded: Vec<Slot>,
    /// Groups that could not be read.
    pub(super) errors: Vec<(Slot, SenseError)>,
}

impl Reading {
    /// Reads all workloads, those that rest in brief, and the node, whose previous sample is `last`.
    /// Returns what the next tick compares the node with.
    pub(super) fn take(
        &mut self,
        now: Nanos,
        workloads: &mut Workloads,
        rest: Rest<'_>,
        probed: Option<Histograms<'_>>,
        (last, node): (NodeSample, Node),
        scratch: &mut Scratch,
    ) -> NodeSample {
        self.clear();
        let elapsed = now.since(last.time);
        (self.snapshot.time, self.snapshot.elapsed) = (now, elapsed);
        let unnamed = |workload: &Workload| Some(workload.waits.as_ref()?.behind.unnamed_ns);
        for workload in workloads.iter_mut() {
            let before = unnamed(workload);
            let read = match rest.depth(workload) {
                Depth::All => signals(now, workload, probed, scratch),
                depth => brief(now, workload, depth, probed, scratch),
            };
            match read {
                Ok(Sight::Here(signals)) => {
                    self.snapshot.workloads.push(signals);
                    if before.is_some() && unnamed(workload) > before {
                        self.crowded.push(workload.slot);
                    }
                }
                Ok(Sight::Gone) => self.gone.push(workload.slot),
                Err(error) => self.errors.push((workload.slot, error)),
            }
        }
        let managed = self.managed(workloads);
        let signals = node_signals(elapsed, &last.node, &node, managed);
        let (sample, unmanaged_cpu) = last.next(now, node, signals.unmanaged_cpu);
        self.snapshot.node = NodeSignals {
            unmanaged_cpu,
            ..signals
        };
        sample
    }

    fn clear(&mut self) {
        self.snapshot.workloads.clear();
        self.gone.clear();
        self.unused.clear();
        self.crowded.clear();
        self.errors.clear();
    }

    /// What the node's pools lend to uses, all together; notes what of it is not used yet.
    fn managed(&mut self, workloads: &Workloads) -> [Amount; 2] {
        // What is below an envelope is in that envelope's numbers already.
        let mut managed = [Amount::ZERO; 2];
        for signals in &self.snapshot.workloads {
            if let Some(cpu) = &signals.cpu
                && workloads.is_top(signals.slot, Resource::Cpu)
            {
                managed[0] = managed[0].plus(cpu.used);
            }
            if let Some(memory) = &signals.memory
                && workloads.is_top(signals.slot, Resource::Memory)
            {
                managed[1] = managed[1].plus(memory.anonymous);
                let unused = workloads.get(signals.slot).and_then(Workload::unused);
                self.unused
                    .extend(unused.map(|unused| (signals.slot, unused)));
            }
        }
        managed
    }
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

/// Reads of a workload that may rest whether it does, if that is not known; in full when it does not.
fn brief(
    now: Nanos,
    workload: &mut Workload,
    depth: Depth,
    probed: Option<Histograms<'_>>,
    scratch: &mut Scratch,
) -> Result<Sight<WorkloadSignals>, SenseError> {
    if depth != Depth::Nothing {
        let Some(reader) = &workload.group.cpu else {
            return signals(now, workload, probed, scratch);
        };
        let Sight::Here(usage) = reader.usage(scratch)? else {
            return Ok(Sight::Gone);
        };
        let unchanged = usage.is_some() && usage == workload.last.cpu.usage_ns;
        if !unchanged || (depth == Depth::Limits && !is_as_seen(workload, scratch)?) {
            return signals(now, workload, probed, scratch);
        }
    }
    // What has just been read for its limits, or was in the last tick.
    if std::mem::replace(&mut workload.depth, depth) == Depth::All || depth == Depth::Limits {
        workload.group.rest();
    }
    let since = std::mem::replace(&mut workload.last.time, now);
    workload.used[0] = Amount::ZERO;
    workload.requests_per_s = 0;
    if workload.waits.is_some() {
        workload
            .waiting
            .push(since, now, &Waits::default(), &Groups::default());
    }
    Ok(Sight::Here(resting(&workload.seen)))
}

/// Whether limits, and how much memory is held, are what was last seen.
fn is_as_seen(workload: &Workload, scratch: &mut Scratch) -> Result<bool, SenseError> {
    let (group, seen) = (&workload.group, &workload.seen);
    let quota = match &group.cpu {
        Some(reader) => reader.quota(scratch)?.here().flatten(),
        None => None,
    };
    let held = quota.map(|quota| (quota.amount(), quota.period_us));
    if held != seen.cpu.map(|cpu| (cpu.held, cpu.period_us)) {
        return Ok(false);
    }
    let (Some(reader), Some(memory)) = (&group.memory, &seen.memory) else {
        return Ok(true);
    };
    let limits = reader.limits(scratch)?.here();
    let current = reader.current(scratch)?.here();
    let limit = workload.limits[Resource::Memory.index()].as_ref();
    let held = |high: Amount, max| limit.map_or(high.min(max), |limit| limit.memory(high, max));
    Ok(current == Some(memory.used.0)
        && limits.is_some_and(|(high, max)| held(high, max) == memory.held && max == memory.hard))
}

/// Reads one workload in full and keeps its counters for the next deltas.
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
    let Sight::Here(mut cpu) = cpu(workload, &mut sample, scratch)? else {
        return Ok(Sight::Gone);
    };
    let Sight::Here(memory) = memory(workload, &mut sample, scratch)? else {
        return Ok(Sight::Gone);
    };
    let (waited, latency) = histograms(workload, &sample, probed);
    if let Some(cpu) = &mut cpu {
        cpu.wait_ns = waited;
        workload.used[0] = cpu.used;
    }
    if let Some(memory) = &memory {
        workload.used[1] = memory.used;
    }
    if stirs(&workload.last, &sample) {
        workload.active = now;
    }
    workload.depth = Depth::All;
    workload.last = sample;
    workload.seen = WorkloadSignals {
        slot: workload.slot,
        cpu,
        memory,
        latency,
    };
    Ok(Sight::Here(workload.seen))
}

/// Takes in what the kernel has counted since the last sample; for how long tasks have waited for a
/// CPU, in ns, and what has become of the workload's latency objective.
fn histograms(
    workload: &mut Workload,
    sample: &Sample,
    probed: Option<Histograms<'_>>,
) -> (u64, Option<LatencySignals>) {
    let id = workload.group.ids.cpu;
    let (Some(probed), Some(id)) = (probed, id) else {
        (workload.waits, workload.tcp) = (None, None);
        return (0, None);
    };
    let since = workload.last.time;
    let mut waited = 0;
    let waits = probed.runq.read(id).ok().flatten();
    if let (Some(last), Some(now)) = (&workload.waits, &waits) {
        let ran = |sample: &Sample| sample.cpu.usage_ns.unwrap_or_default();
        let ran = ran(sample).saturating_sub(ran(&workload.last));
        let (waits, groups) = why::since(last, now, ran);
        workload.waiting.push(since, sample.time, &waits, &groups);
        waited = now.hist.waiting_ns.saturating_sub(last.hist.waiting_ns);
    }
    let hist = probed.tcp.read(id).ok().flatten();
    let latency = workload.objective.and_then(|objective| {
        let last = workload.waits.as_ref().map(|waits| &waits.hist);
        let waits = (last, waits.as_ref().map(|waits| &waits.hist));
        latency::since(objective, waits, (workload.tcp.as_deref(), hist.as_ref()))
    });
    keep(&mut workload.waits, waits);
    if let (Some(last), Some(now)) = (&workload.tcp, &hist) {
        workload.requests_per_s = tcp::per_second(last, now, sample.time.since(since));
    }
    keep(&mut workload.tcp, hist);
    (waited, latency)
}

/// Replaces what is kept, where it lies.
fn keep<T>(kept: &mut Option<Box<T>>, new: Option<T>) {
    match (kept.as_deref_mut(), new) {
        (Some(kept), Some(new)) => *kept = new,
        (_, new) => *kept = new.map(Box::new),
    }
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
    Ok(Sight::Here(Some(CpuSignals {
        used: rate(used, sample.time.since(last.time)),
        held: quota.amount(),
        period_us: quota.period_us,
        periods: stat.periods.saturating_sub(last.cpu.periods),
        throttled: stat
            .throttled_periods
            .saturating_sub(last.cpu.throttled_periods),
        throttled_ns: stat.throttled_ns.saturating_sub(last.cpu.throttled_ns),
        wait_ns: 0,
    })))
}

fn memory(
    workload: &mut Workload,
    sample: &mut Sample,
    scratch: &mut Scratch,
) -> Result<Sight<Option<MemorySignals>>, SenseError> {
    // Where memory is not managed nothing is decided by it, and its files are the dearest to read.
    let (Some(reader), Some(limit)) = (
        &workload.group.memory,
        &workload.limits[Resource::Memory.index()],
    ) else {
        return Ok(Sight::Here(None));
    };
    let Sight::Here(memory) = reader.read(scratch)? else {
        return Ok(Sight::Gone);
    };
    sample.memory = memory.events;
    sample.refaults = memory.stat.refaults;
    sample.memory_stalled_us = stalled(workload, scratch);
    let MemoryEvents {
        high,
        oom,
        oom_kill,
        max,
    } = memory.events;
    let Sample {
        memory: last,
        refaults,
        memory_stalled_us,
        ..
    } = &workload.last;
    // The first reading after trimming has begun tells nothing of the time since the last one.
    let stalled = sample.memory_stalled_us.zip(*memory_stalled_us);
    let stalled_us = stalled.map_or(0, |(now, last)| now.saturating_sub(last));
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
        held: limit.memory(memory.high, memory.max),
        hard: memory.max,
        high: moving,
        oom: oom.saturating_sub(last.oom),
        oom_kill: oom_kill.saturating_sub(last.oom_kill),
        refaults: sample.refaults.saturating_sub(*refaults),
        stalled_ns: stalled_us.saturating_mul(1_000),
    })))
}

/// For how long some task of a group whose memory is trimmed has stalled on it by now, in us.
fn stalled(workload: &Workload, scratch: &mut Scratch) -> Option<u64> {
    let limit = workload.limits[Resource::Memory.index()].as_ref()?;
    limit.bounds.give_back?;
    let stalls = workload.group.psi.as_ref()?.memory(scratch)?;
    Some(stalls.some_us)
}
