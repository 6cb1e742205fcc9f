//! Energy in the slow loop: what was drawn, and whose it was.

use trimtab_core::{
    model::energy::{Idle, divide, drawn, milliwatts},
    signal::Nanos,
    snapshot::Snapshot,
};

use super::{
    gpus::Gpus,
    workload::{Workload, Workloads},
};
use crate::{
    config,
    sense::{
        energy::{Drawn, Energy as Reader},
        file::Scratch,
    },
};

/// What is known of energy.
#[derive(Debug)]
pub(super) struct Energy {
    /// `None` where the configuration switches it off.
    pub(super) reader: Option<Reader>,
    idle: Idle,
    /// What was drawn, and what became of it, since the start, in microjoules.
    pub(super) sums: Sums,
    /// The same over the last tick, and how long that was; `None` where nothing told.
    pub(super) last: Option<(Sums, Nanos)>,
    /// By slot.
    shares: Vec<Share>,
    /// By slot: what each uses in a tick, for as long as that is worked out.
    used: Vec<u64>,
}

/// Amounts of energy in microjoules. What is drawn is idle, of workloads, or unattributed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    /// Drawn by packages; `None` where nothing tells.
    pub(super) packages: Option<u64>,
    pub(super) memory: Option<u64>,
    pub(super) gpus: Option<u64>,
    pub(super) idle: u64,
    pub(super) unattributed: u64,
}

impl Sums {
    /// All that was drawn.
    pub(super) fn drawn(&self) -> u64 {
        let parts = [self.packages, self.memory, self.gpus];
        parts.into_iter().flatten().sum()
    }

    fn add(&mut self, other: &Self) {
        let sum = |a: Option<u64>, b: Option<u64>| match (a, b) {
            (None, None) => None,
            (a, b) => Some(a.unwrap_or(0).saturating_add(b.unwrap_or(0))),
        };
        self.packages = sum(self.packages, other.packages);
        self.memory = sum(self.memory, other.memory);
        self.gpus = sum(self.gpus, other.gpus);
        self.idle = self.idle.saturating_add(other.idle);
        self.unattributed = self.unattributed.saturating_add(other.unattributed);
    }
}

/// A workload's, those of workloads below it left out, in microjoules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Share {
    epoch: u32,
    /// Since adoption, of packages and of GPUs.
    pub(super) cpu: u64,
    pub(super) gpu: u64,
    /// Over the last tick.
    pub(super) last: u64,
}

impl Energy {
    /// Opens the counters, unless the configuration says to leave them alone.
    pub(super) fn start(config: &config::Energy) -> Self {
        Self {
            reader: config.enabled.then(|| Reader::open(&config.powercap)),
            idle: Idle::default(),
            sums: Sums::default(),
            last: None,
            shares: Vec::new(),
            used: Vec::new(),
        }
    }

    /// Reads what was drawn and divides it. `busy`: what all of the node's CPUs did in this tick, in
    /// micro-CPUs.
    pub(super) fn tick(
        &mut self,
        snapshot: &Snapshot,
        busy: u64,
        workloads: &Workloads,
        gpus: &Gpus,
        scratch: &mut Scratch,
    ) {
        let Some(reader) = &mut self.reader else {
            return;
        };
        let read = reader.read(snapshot.time, scratch);
        if reader.has_changed() {
            self.idle = Idle::default();
        }
        self.begin(workloads);
        let mut tick = Sums::default();
        self.of_packages(read, snapshot, busy, workloads, &mut tick);
        self.of_gpus(snapshot.elapsed, gpus, &mut tick);
        self.sums.add(&tick);
        let told = tick.packages.or(tick.memory).or(tick.gpus).is_some();
        self.last = told.then_some((tick, snapshot.elapsed));
    }

    /// What a workload has drawn.
    pub(super) fn share(&self, workload: &Workload) -> Option<&Share> {
        let share = self.shares.get(workload.slot.0 as usize)?;
        (share.epoch == workload.epoch).then_some(share)
    }

    fn begin(&mut self, workloads: &Workloads) {
        for share in &mut self.shares {
            share.last = 0;
        }
        for workload in workloads.iter() {
            let slot = workload.slot.0 as usize;
            if slot >= self.shares.len() {
                self.shares.resize(slot + 1, Share::default());
            }
            if self.shares[slot].epoch != workload.epoch {
                self.shares[slot] = Share {
                    epoch: workload.epoch,
                    ..Share::default()
                };
            }
        }
        self.used.clear();
        self.used.resize(self.shares.len(), 0);
    }

    /// What packages drew beyond what they draw idle, by CPU time; what memory drew is nobody's,
    /// since nothing tells who moved how much.
    fn of_packages(
        &mut self,
        read: Drawn,
        snapshot: &Snapshot,
        busy: u64,
        workloads: &Workloads,
        tick: &mut Sums,
    ) {
        tick.memory = read.memory;
        tick.unattributed += read.memory.unwrap_or(0);
        let Some(packages) = read.packages else {
            return;
        };
        tick.packages = Some(packages);
        let idle = self.idle.push(packages, snapshot.elapsed);
        tick.idle += idle;
        own_use(snapshot, workloads, &mut self.used);
        let shares = &mut self.shares;
        tick.unattributed += divide(packages - idle, &self.used, busy, |slot, part| {
            shares[slot].cpu += part;
            shares[slot].last += part;
        });
    }

    /// What each GPU drew, by the part of the time in which a workload's processes used it.
    fn of_gpus(&mut self, elapsed: Nanos, gpus: &Gpus, tick: &mut Sums) {
        let Some(heard) = gpus.heard().filter(|heard| heard.silent.is_none()) else {
            return;
        };
        for device in &heard.reading.devices {
            let Some(power) = device.power_mw else {
                continue;
            };
            let energy = drawn(power.into(), elapsed);
            *tick.gpus.get_or_insert(0) += energy;
            self.used.fill(0);
            for (slot, percent) in gpus.users(device.index) {
                if let Some(used) = self.used.get_mut(slot.0 as usize) {
                    *used += u64::from(percent);
                }
            }
            let shares = &mut self.shares;
            tick.unattributed += divide(energy, &self.used, 100, |slot, part| {
                shares[slot].gpu += part;
                shares[slot].last += part;
            });
        }
    }
}

/// What each workload used itself: what those right below it used is theirs.
fn own_use(snapshot: &Snapshot, workloads: &Workloads, used: &mut [u64]) {
    let cpu =
        |signals: &trimtab_core::snapshot::WorkloadSignals| signals.cpu.map_or(0, |cpu| cpu.used.0);
    for signals in &snapshot.workloads {
        if let Some(used) = used.get_mut(signals.slot.0 as usize) {
            *used = cpu(signals);
        }
    }
    for signals in &snapshot.workloads {
        let workload = workloads.get(signals.slot);
        if let Some(parent) = workload.and_then(|workload| workload.parent)
            && let Some(used) = used.get_mut(parent.0 as usize)
        {
            *used = used.saturating_sub(cpu(signals));
        }
    }
}

/// Power over a tick in milliwatts.
pub(super) fn power(energy: u64, time: Nanos) -> u64 {
    milliwatts(energy, time)
}
