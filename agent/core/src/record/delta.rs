//! Snapshots as what has changed since the one before.
//!
//! A workload costs one byte, a mask, while nothing of it changes; a second one says which figures
//! of its memory have, and a third one those of its latencies, if it has any.

use super::bytes::{Bytes, put, put_change};
use super::mask::{get_masked, put_masked};
use crate::signal::{Amount, Nanos, Slot};
use crate::snapshot::{
    CpuSignals, LatencySignals, MemorySignals, NodeSignals, Snapshot, WorkloadSignals,
};

/// The workloads are those of the snapshot before, with the same resources.
const SAME: u8 = 1;
/// The snapshot's time is not that of the call, or it covers other than the time since the last.
const TIMES: u8 = 2;
/// Decisions follow.
pub(super) const DECISIONS: u8 = 4;

/// In the mask of CPU: some of memory has changed.
const MEMORY: u8 = 0x80;

/// In the mask of memory: some of what was lost for want of it has changed.
const WANT: u8 = 0x80;

/// The snapshot before, which encoder and decoder both keep.
#[derive(Clone, Debug, Default)]
pub(super) struct Last {
    now: Nanos,
    snapshot: Snapshot,
    /// Room for the next one.
    spare: Vec<WorkloadSignals>,
}

impl Last {
    /// Forgets the snapshot before, where a segment begins.
    pub(super) fn reset(&mut self) {
        self.now = Nanos(0);
        self.snapshot.time = Nanos(0);
        self.snapshot.node = NodeSignals::default();
        self.snapshot.workloads.clear();
    }

    /// Appends flags and a snapshot.
    pub(super) fn put(&mut self, out: &mut Vec<u8>, now: Nanos, snapshot: &Snapshot, flags: u8) {
        let last = &self.snapshot;
        let same = last.workloads.len() == snapshot.workloads.len()
            && last
                .workloads
                .iter()
                .zip(&snapshot.workloads)
                .all(|(last, next)| shape(last) == shape(next));
        let elapsed = snapshot.time.0.wrapping_sub(last.time.0);
        let plain = snapshot.time == now && snapshot.elapsed.0 == elapsed;
        out.push(flags | if same { SAME } else { 0 } | if plain { 0 } else { TIMES });
        put_change(out, self.now.0, now.0);
        if !plain {
            put_change(out, now.0, snapshot.time.0);
            put_change(out, elapsed, snapshot.elapsed.0);
        }
        put_masked(out, &node(&last.node), &node(&snapshot.node), NODE_PAGES, 0);
        if !same {
            put(out, snapshot.workloads.len() as u64);
            let mut before = 0;
            for next in &snapshot.workloads {
                let (slot, resources) = shape(next);
                put_change(out, before, u64::from(slot));
                out.push(resources);
                before = u64::from(slot);
            }
        }
        let mut finder = Finder::default();
        for next in &snapshot.workloads {
            put_workload(out, finder.find(&last.workloads, next.slot), next);
        }
        self.keep(now, snapshot);
    }

    fn keep(&mut self, now: Nanos, snapshot: &Snapshot) {
        self.now = now;
        self.snapshot.time = snapshot.time;
        self.snapshot.elapsed = snapshot.elapsed;
        self.snapshot.node = snapshot.node;
        self.snapshot.workloads.clear();
        self.snapshot
            .workloads
            .extend_from_slice(&snapshot.workloads);
    }

    /// Reads what [`Last::put`] has written; the flags, the time of the call, the snapshot.
    pub(super) fn get(&mut self, bytes: &mut Bytes<'_>) -> Option<(u8, Nanos, Snapshot)> {
        let flags = bytes.byte()?;
        let now = Nanos(bytes.change(self.now.0)?);
        let last = &self.snapshot;
        let (mut time, mut elapsed) = (now, Nanos(now.0.wrapping_sub(last.time.0)));
        if flags & TIMES != 0 {
            time = Nanos(bytes.change(now.0)?);
            elapsed = Nanos(bytes.change(time.0.wrapping_sub(last.time.0))?);
        }
        let mask = bytes.byte()?;
        let node = to_node(get_masked(bytes, mask, node(&last.node), NODE_PAGES)?);
        let mut workloads = std::mem::take(&mut self.spare);
        workloads.clear();
        if flags & SAME == 0 {
            let count = bytes.number()?;
            let mut before = 0;
            for _ in 0..count {
                before = bytes.change(before)?;
                let slot = Slot(u32::try_from(before).ok()?);
                let resources = bytes.byte()?;
                workloads.push(shaped(slot, resources));
            }
        } else {
            workloads.extend(last.workloads.iter().map(|workload| {
                let (slot, resources) = shape(workload);
                shaped(Slot(slot), resources)
            }));
        }
        let mut finder = Finder::default();
        for next in &mut workloads {
            get_workload(bytes, finder.find(&last.workloads, next.slot), next)?;
        }
        self.spare = std::mem::replace(&mut self.snapshot.workloads, workloads);
        self.now = now;
        self.snapshot.time = time;
        self.snapshot.elapsed = elapsed;
        self.snapshot.node = node;
        Some((flags, now, self.snapshot.clone()))
    }
}

/// Finds the workloads of one snapshot in the one before, mostly at the same place or the next.
#[derive(Default)]
struct Finder(usize);

impl Finder {
    fn find(&mut self, last: &[WorkloadSignals], slot: Slot) -> WorkloadSignals {
        let skipped = last
            .iter()
            .skip(self.0)
            .take_while(|other| other.slot < slot)
            .count();
        self.0 += skipped;
        let found = last.get(self.0).filter(|other| other.slot == slot);
        found.copied().unwrap_or_default()
    }
}

/// Slot and resources.
fn shape(workload: &WorkloadSignals) -> (u32, u8) {
    let there = [
        workload.cpu.is_some(),
        workload.memory.is_some(),
        workload.latency.is_some(),
    ];
    let [cpu, memory, latency] = there.map(u8::from);
    (workload.slot.0, cpu | memory << 1 | latency << 2)
}

fn shaped(slot: Slot, resources: u8) -> WorkloadSignals {
    WorkloadSignals {
        slot,
        cpu: (resources & 1 != 0).then(CpuSignals::default),
        memory: (resources & 2 != 0).then(MemorySignals::default),
        latency: (resources & 4 != 0).then(LatencySignals::default),
    }
}

fn put_workload(out: &mut Vec<u8>, last: WorkloadSignals, next: &WorkloadSignals) {
    let memories = next.memory.as_ref();
    let memories = memories.map(|next| (last.memory.unwrap_or_default(), next));
    let changed = memories.is_some_and(|(last, next)| last != *next);
    let next_cpu = &next.cpu;
    if let Some(next) = next_cpu {
        let last = last.cpu.unwrap_or_default();
        let flag = if changed { MEMORY } else { 0 };
        put_masked(out, &cpu(&last), &cpu(next), CPU_PAGES, flag);
    }
    if let Some((last, next)) = memories
        && (changed || next_cpu.is_none())
    {
        let wants = (want(&last), want(next));
        let flag = if wants.0 == wants.1 { 0 } else { WANT };
        put_masked(out, &memory(&last), &memory(next), MEMORY_PAGES, flag);
        if flag > 0 {
            put_masked(out, &wants.0, &wants.1, WANT_PAGES, 0);
        }
    }
    if let Some(next) = &next.latency {
        let last = last.latency.unwrap_or_default();
        put_masked(out, &latency(&last), &latency(next), LATENCY_PAGES, 0);
    }
}

fn get_workload(
    bytes: &mut Bytes<'_>,
    last: WorkloadSignals,
    next: &mut WorkloadSignals,
) -> Option<()> {
    let mut changed = next.cpu.is_none();
    if let Some(next) = &mut next.cpu {
        let mask = bytes.byte()?;
        changed = mask & MEMORY != 0;
        let last = cpu(&last.cpu.unwrap_or_default());
        *next = to_cpu(get_masked(bytes, mask, last, CPU_PAGES)?);
    }
    if let Some(next) = &mut next.memory {
        let mask = if changed { bytes.byte()? } else { 0 };
        let last = last.memory.unwrap_or_default();
        let figures = get_masked(bytes, mask, memory(&last), MEMORY_PAGES)?;
        let more = if mask & WANT != 0 { bytes.byte()? } else { 0 };
        *next = to_memory(figures, get_masked(bytes, more, want(&last), WANT_PAGES)?);
    }
    if let Some(next) = &mut next.latency {
        let mask = bytes.byte()?;
        let last = latency(&last.latency.unwrap_or_default());
        *next = to_latency(get_masked(bytes, mask, last, LATENCY_PAGES)?);
    }
    Some(())
}

const NODE_PAGES: u8 = 0b1_1100;

const fn node(node: &NodeSignals) -> [u64; 5] {
    [
        node.capacity.0,
        node.unmanaged_cpu.0,
        node.memory_total.0,
        node.memory_available.0,
        node.unmanaged_memory.0,
    ]
}

fn to_node(figures: [u64; 5]) -> NodeSignals {
    let [
        capacity,
        unmanaged_cpu,
        memory_total,
        memory_available,
        unmanaged_memory,
    ] = figures.map(Amount);
    NodeSignals {
        capacity,
        unmanaged_cpu,
        memory_total,
        memory_available,
        unmanaged_memory,
    }
}

const CPU_PAGES: u8 = 0;

const fn cpu(cpu: &CpuSignals) -> [u64; 7] {
    [
        cpu.used.0,
        cpu.held.0,
        cpu.period_us,
        cpu.periods,
        cpu.throttled,
        cpu.throttled_ns,
        cpu.wait_ns,
    ]
}

const fn to_cpu(figures: [u64; 7]) -> CpuSignals {
    let [
        used,
        held,
        period_us,
        periods,
        throttled,
        throttled_ns,
        wait_ns,
    ] = figures;
    CpuSignals {
        used: Amount(used),
        held: Amount(held),
        period_us,
        periods,
        throttled,
        throttled_ns,
        wait_ns,
    }
}

const MEMORY_PAGES: u8 = 0b1_1111;

const fn memory(memory: &MemorySignals) -> [u64; 6] {
    [
        memory.used.0,
        memory.anonymous.0,
        memory.inactive_file.0,
        memory.held.0,
        memory.hard.0,
        memory.high,
    ]
}

const WANT_PAGES: u8 = 0;

const fn want(memory: &MemorySignals) -> [u64; 4] {
    [
        memory.oom,
        memory.oom_kill,
        memory.refaults,
        memory.stalled_ns,
    ]
}

const fn to_memory(figures: [u64; 6], want: [u64; 4]) -> MemorySignals {
    let [used, anonymous, inactive_file, held, hard, high] = figures;
    let [oom, oom_kill, refaults, stalled_ns] = want;
    MemorySignals {
        used: Amount(used),
        anonymous: Amount(anonymous),
        inactive_file: Amount(inactive_file),
        held: Amount(held),
        hard: Amount(hard),
        high,
        oom,
        oom_kill,
        refaults,
        stalled_ns,
    }
}

const LATENCY_PAGES: u8 = 0;

const fn latency(latency: &LatencySignals) -> [u64; 2] {
    [latency.count, latency.late]
}

const fn to_latency([count, late]: [u64; 2]) -> LatencySignals {
    LatencySignals { count, late }
}
