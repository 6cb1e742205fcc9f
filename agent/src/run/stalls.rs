//! What a workload's tasks stalled on: read when somebody asks, since nothing is decided by it.

use super::{agent::Agent, workload::Workload};
use crate::{
    api::view::{Block, Lacks, Latency, Pressure, Pressures, Reclaim, Stalls},
    fast::quantile,
    probe::{HIST_BUCKETS, Probe},
    sense::{
        file::{Scratch, Sight},
        memory::MemoryReader,
        psi::{self, Psi},
    },
};

impl Agent {
    /// What a workload's tasks stalled on.
    pub(super) fn stalls(&self, workload: &Workload) -> Stalls {
        let mut scratch = Scratch::new();
        Stalls {
            reclaim: self.reclaim(workload),
            memory: lacks(workload, &mut scratch),
            block: self.block(workload),
            pressure: pressures(&workload.pressure(&mut scratch)),
        }
    }

    /// The node's pressure.
    pub(super) fn node_pressure(&self) -> Pressures {
        let psi = self.node_psi.read(&mut Scratch::new());
        pressures(&psi.ok().and_then(Sight::here).unwrap_or_default())
    }

    fn reclaim(&self, workload: &Workload) -> Option<Reclaim> {
        if !self.probe_on(Probe::ReclaimLatency) {
            return None;
        }
        let id = workload.group.ids.memory?;
        let hist = self.probes.as_ref()?.reclaim().read(id).ok()??;
        Some(Reclaim {
            limit: latency(&hist.group, hist.group_ns),
            node: latency(&hist.node, hist.node_ns),
        })
    }

    fn block(&self, workload: &Workload) -> Option<Block> {
        if !self.probe_on(Probe::BlockLatency) {
            return None;
        }
        let id = workload.group.ids.io?;
        let hist = self.probes.as_ref()?.block().read(id).ok()??;
        Some(Block {
            read: latency(&hist.read, hist.read_ns),
            read_bytes: hist.read_bytes,
            written: latency(&hist.written, hist.written_ns),
            written_bytes: hist.written_bytes,
            queued: latency(&hist.queued, hist.queued_ns),
        })
    }
}

fn latency(buckets: &[u64; HIST_BUCKETS], total_ns: u64) -> Latency {
    Latency {
        count: buckets.iter().sum(),
        total_ns,
        p50_ns: quantile(buckets, 500),
        p99_ns: quantile(buckets, 990),
    }
}

/// What memory it holds, and has lacked since it was adopted.
fn lacks(workload: &Workload, scratch: &mut Scratch) -> Option<Lacks> {
    let read = |reader: &MemoryReader| reader.read(scratch).ok()?.here();
    let memory = workload.group.memory.as_ref().and_then(read)?;
    let (events, first) = (memory.events, workload.first.memory);
    let faults = workload.faults(scratch).zip(workload.first.faults);
    Some(Lacks {
        working_set_bytes: memory.working_set(),
        refaults_anon: faults
            .map(|(now, first)| now.refaults_anon.saturating_sub(first.refaults_anon)),
        refaults_file: faults
            .map(|(now, first)| now.refaults_file.saturating_sub(first.refaults_file)),
        major_faults: faults.map(|(now, first)| now.major.saturating_sub(first.major)),
        high: events.high.saturating_sub(first.high),
        max: events.max.saturating_sub(first.max),
        oom: events.oom.saturating_sub(first.oom),
    })
}

/// Pressure as people are told of it.
pub(super) fn pressures(psi: &Psi) -> Pressures {
    let pressure = |stalls: psi::Stalls| Pressure {
        some_bp: stalls.some_avg10_bp,
        some_ns: stalls.some_us.saturating_mul(1_000),
        full_bp: stalls.full_avg10_bp,
        full_ns: stalls.full_us.saturating_mul(1_000),
    };
    Pressures {
        cpu: psi.cpu.map(pressure),
        memory: psi.memory.map(pressure),
        io: psi.io.map(pressure),
    }
}
