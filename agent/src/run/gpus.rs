//! GPUs in the slow loop: whose processes use them, and whether they wait for a CPU.

use std::{collections::BTreeMap, path::Path};

use trimtab_core::{
    model::{GpuTick, GpuWait},
    signal::{Nanos, Slot},
    snapshot::Snapshot,
};

use super::workload::{Workload, Workloads};
use crate::{
    config,
    sense::{
        gpu::{Heard, Pace, Process, Reading, Role, Watch},
        hierarchy::Hierarchies,
    },
};

/// What the slow loop knows of GPUs.
#[derive(Debug)]
pub(super) struct Gpus {
    /// `None` where the configuration switches it off.
    watch: Option<Watch>,
    /// By device, then workload.
    shares: BTreeMap<(u32, Slot), Share>,
}

/// What one workload has of one device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Share {
    epoch: u32,
    /// Bytes; `None` where a process's are not known.
    pub(super) memory: Option<u64>,
    /// Part of the last sample; `None` where a process's is not known.
    pub(super) used_percent: Option<u32>,
    wait: GpuWait,
    /// Whether any process was seen in this tick.
    seen: bool,
}

impl Share {
    const fn new(epoch: u32, wait: GpuWait) -> Self {
        Self {
            epoch,
            memory: Some(0),
            used_percent: Some(0),
            wait,
            seen: false,
        }
    }

    fn add(&mut self, process: &Process) {
        let memory = self.memory.zip(process.memory);
        self.memory = memory.map(|(all, one)| all.saturating_add(one));
        let used = self.used_percent.zip(process.used_percent);
        self.used_percent = used.map(|(all, one)| all.saturating_add(one));
        self.seen = true;
    }

    /// Whether the device idles while the workload waits for a CPU.
    pub(super) const fn waits_for_cpu(&self) -> bool {
        self.wait.waits()
    }
}

impl Gpus {
    /// Begins to ask the driver, unless the configuration says to leave it alone.
    pub(super) fn start(config: &config::Gpu, hierarchies: &Hierarchies) -> Self {
        let watch = config.enabled.then(|| watch(config, hierarchies)).flatten();
        Self {
            watch,
            shares: BTreeMap::new(),
        }
    }

    /// What was last heard; `None` where nothing is asked.
    pub(super) fn heard(&self) -> Option<Heard> {
        self.watch.as_ref().map(Watch::heard)
    }

    /// Joins what was last heard with one tick of the workloads.
    pub(super) fn tick(&mut self, snapshot: &Snapshot, workloads: &Workloads) {
        if let Some(heard) = self.heard() {
            self.join(&heard.reading, heard.silent.is_none(), snapshot, workloads);
        }
    }

    /// `fresh` says that the reading is of this tick: nothing is concluded from an old one.
    fn join(&mut self, reading: &Reading, fresh: bool, snapshot: &Snapshot, workloads: &Workloads) {
        for share in self.shares.values_mut() {
            *share = Share::new(share.epoch, share.wait);
        }
        for device in &reading.devices {
            for process in device.processes.iter().flatten() {
                let Some(workload) = owner(process, workloads) else {
                    continue;
                };
                let new = Share::new(workload.epoch, GpuWait::default());
                let key = (device.index, workload.slot);
                let share = self.shares.entry(key).or_insert(new);
                if share.epoch != workload.epoch {
                    *share = new;
                }
                share.add(process);
            }
        }
        self.shares.retain(|_, share| share.seen);
        for ((index, slot), share) in &mut self.shares {
            let mut devices = reading.devices.iter();
            let device = devices.find(|device| device.index == *index);
            let used_percent = device.and_then(|device| device.used_percent);
            share.wait.push(&GpuTick {
                time: snapshot.time,
                elapsed: snapshot.elapsed,
                used_percent: used_percent.filter(|_| fresh),
                waited: waited(snapshot, *slot),
            });
        }
    }

    /// What a workload has, by device.
    pub(super) fn shares_of(&self, workload: &Workload) -> impl Iterator<Item = (u32, &Share)> {
        let (slot, epoch) = (workload.slot, workload.epoch);
        self.shares
            .iter()
            .filter(move |((_, of), share)| *of == slot && share.epoch == epoch)
            .map(|((device, _), share)| (*device, share))
    }

    /// Who uses a device, and for which part of the time; in percent, where that is known.
    pub(super) fn users(&self, device: u32) -> impl Iterator<Item = (Slot, u32)> {
        let range = (device, Slot(0))..=(device, Slot(u32::MAX));
        let used = |((_, slot), share): (&(u32, Slot), &Share)| Some((*slot, share.used_percent?));
        self.shares.range(range).filter_map(used)
    }

    /// The workloads that wait for a CPU while a device idles.
    pub(super) fn waiting<'a>(
        &'a self,
        device: u32,
        workloads: &'a Workloads,
    ) -> impl Iterator<Item = &'a Workload> {
        let range = (device, Slot(0))..=(device, Slot(u32::MAX));
        self.shares
            .range(range)
            .filter(|(_, share)| share.waits_for_cpu())
            .filter_map(|((_, slot), share)| {
                let workload = workloads.get(*slot)?;
                (workload.epoch == share.epoch).then_some(workload)
            })
    }
}

/// A thread that asks the driver; without one, nothing is known of GPUs.
pub(super) fn watch(config: &config::Gpu, hierarchies: &Hierarchies) -> Option<Watch> {
    Watch::spawn(&config.library, hierarchies.clone(), Pace::default())
        .inspect_err(|error| tracing::warn!(%error, "no thread can be made to ask about GPUs"))
        .ok()
}

/// The deepest workload that a process is in; none for one that stands for others.
pub(super) fn owner<'a>(process: &Process, workloads: &'a Workloads) -> Option<&'a Workload> {
    if process.role == Role::MpsServer {
        return None;
    }
    let group = Path::new(process.group.as_ref()?);
    let slot = group
        .ancestors()
        .find_map(|path| workloads.at(path.to_str()?))?;
    workloads.get(slot)
}

/// For how long a workload waited for a CPU in a tick, behind others or throttled.
fn waited(snapshot: &Snapshot, slot: Slot) -> Nanos {
    let found = snapshot
        .workloads
        .binary_search_by_key(&slot, |signals| signals.slot);
    let signals = found.ok().and_then(|index| snapshot.workloads.get(index));
    let cpu = signals.and_then(|signals| signals.cpu).unwrap_or_default();
    Nanos(cpu.wait_ns.saturating_add(cpu.throttled_ns))
}
