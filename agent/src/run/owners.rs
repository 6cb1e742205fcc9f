//! Telling owners what the kernel holds of their groups.

use std::{collections::HashMap, sync::Arc};

use trimtab_core::{
    signal::{Amount, Mode, Resource, Slot},
    snapshot::Snapshot,
};

use super::{
    agent::{Agent, now},
    owned::{EVERY, OwnedUnit},
};
use crate::{
    act::{
        ledger::Key,
        owner::described,
        systemd::{
            asker::{Asker, Tell, Told},
            property::FILES,
        },
    },
    config,
    fast::Command,
    identity::path::Identity,
    sense::hierarchy::Version,
};

/// How many are told at a time, four times a second; those that have waited longest first. By that the words cost
/// systemd little more than a hundredth of a CPU however many units there are, and one that cannot wait comes soon.
const TOGETHER: usize = 4;

/// Workloads whose owners are to be told, by slot.
#[derive(Debug, Default)]
pub(super) struct Owned {
    units: HashMap<Slot, OwnedUnit>,
    /// Whether the last that was told failed.
    failing: bool,
    /// Whether a hard limit has been raised, of which systemd is to hear at once.
    pub(super) hurry: bool,
}

/// Somebody who talks to systemd, where the configuration has it asked.
pub(super) fn asker(config: &config::Identity) -> Option<Arc<Asker>> {
    if !(config.enabled && config.systemd) {
        return None;
    }
    Asker::spawn(&config.bus)
        .inspect_err(|error| {
            tracing::warn!(%error, "no thread can be made to tell systemd of limits");
        })
        .ok()
        .map(Arc::new)
}

impl Owned {
    /// A workload has been given up.
    pub(super) fn forget(&mut self, slot: Slot) {
        self.units.remove(&slot);
    }
}

impl Agent {
    /// Who owns the group at a path, for people.
    pub(super) fn owner(&self, path: &str, identity: &Identity) -> String {
        let known = self.identities.known(path);
        let v2 = |resource| {
            let root = self.hierarchies.of(resource);
            root.is_none_or(|root| root.version == Version::V2)
        };
        let hears = self.adoptions.backend.systemd().is_some() && Resource::ALL.into_iter().all(v2);
        described(identity, &known, hears)
    }

    /// A workload's limits have been taken over: if it is a unit, systemd is to be told of them from now on.
    pub(super) fn own(&mut self, slot: Slot) {
        let Some(workload) = self.workloads.get(slot) else {
            return;
        };
        let ledger = &self.adoptions.ledger;
        let mut found: Option<OwnedUnit> = None;
        for file in FILES {
            let (resource, group) = (file.resource(), &workload.group);
            let root = self.hierarchies.of(resource);
            let (Some(root), Some(inode)) = (root, group.ids.of(resource)) else {
                continue;
            };
            let key = Key {
                dir: root.group(&group.path),
                inode,
                file,
            };
            let Some(entry) = ledger.get(&key) else {
                continue;
            };
            let Some(value) = &entry.unit else {
                continue;
            };
            let unit = found.get_or_insert_with(|| OwnedUnit::new(workload.epoch, &value.unit));
            let told = ledger.told(entry);
            let told = told.is_none_or(|told| told.iter().any(|told| *told != value.value));
            unit.unsure |= told;
            unit.told.insert(file, value.value);
            unit.keys.push(key);
        }
        let Some(mut unit) = found.filter(|_| workload.mode == Mode::Enforce) else {
            self.owned.forget(slot);
            return;
        };
        let known = self.owned.units.get(&slot);
        if let Some(known) = known.filter(|known| known.epoch == unit.epoch) {
            // Somebody else has had systemd write other values since.
            unit.unsure = true;
            (unit.due, unit.under_way) = (known.due, known.under_way);
        }
        self.owned.units.insert(slot, unit);
    }

    /// Tells systemd of limits that have moved.
    pub(super) fn tell_owners(&mut self) {
        self.owners_told();
        self.tell(TOGETHER);
    }

    /// Hears what came of telling, puts our limits back where that was late, and tells at once of a hard limit that has
    /// been raised meanwhile.
    pub(super) fn owners_told(&mut self) {
        let Some(asker) = self.adoptions.backend.systemd() else {
            return;
        };
        for outcome in asker.told() {
            self.was_told(outcome);
        }
        if std::mem::take(&mut self.owned.hurry) {
            self.tell(0);
        }
        self.slow.flush();
    }

    /// Tells systemd of what cannot wait, and of so many other units at most.
    fn tell(&mut self, most: usize) {
        let (now, ledger) = (now(), &self.adoptions.ledger);
        let Some(asker) = self.adoptions.backend.systemd() else {
            return;
        };
        let waiting = self.owned.units.iter();
        let waiting = waiting.filter(|(_, unit)| !unit.under_way);
        let mut turns: Vec<_> = waiting.map(|(slot, unit)| (unit.due, *slot)).collect();
        turns.sort_unstable();
        let mut left = most;
        for (due, slot) in turns {
            let unit = self.owned.units.get_mut(&slot);
            let (Some(unit), Some(workload)) = (unit, self.workloads.get(slot)) else {
                continue;
            };
            let hurries = unit.hurries(workload);
            if !hurries && (left == 0 || now < due) {
                continue;
            }
            let Some(word) = unit.word(workload, ledger, &mut self.scratch, now) else {
                continue;
            };
            if let Err(error) = unit.note(ledger, &word) {
                tracing::error!(%error, "what systemd is told cannot be kept, so it is not told");
                continue;
            }
            left -= usize::from(!hurries);
            (unit.under_way, unit.due) = (true, now.plus(EVERY));
            asker.tell(Tell {
                slot,
                epoch: unit.epoch,
                unit: unit.name.clone(),
                values: word,
            });
        }
    }

    /// Takes limits that systemd has only written again for ours, where nothing may be written that would put ours
    /// back, since the workload is pinned or the agent paused: nobody has changed his mind, and systemd is told of ours.
    pub(super) fn leave_out_echoes(&self, snapshot: &mut Snapshot) {
        for signals in &mut snapshot.workloads {
            let (slot, cpu, memory) = (signals.slot, &mut signals.cpu, &mut signals.memory);
            let cpu = cpu.as_mut().map(|cpu| (Resource::Cpu, &mut cpu.held));
            let memory = memory.as_mut();
            let memory = memory.map(|memory| (Resource::Memory, &mut memory.held));
            for (resource, held) in cpu.into_iter().chain(memory) {
                if let Some(ours) = self.ours_behind(slot, resource, *held) {
                    *held = ours;
                }
            }
        }
    }

    /// Our own limit, if `held` is an older one that systemd was told, and ours may not be put back.
    fn ours_behind(&self, slot: Slot, resource: Resource, held: Amount) -> Option<Amount> {
        let workload = self.workloads.get(slot)?;
        let bound = workload.pinned || self.paused;
        let limit = workload.limits[resource.index()].as_ref()?;
        (bound && self.is_written_again(slot, resource, held)).then_some(limit.held)
    }

    /// Whether systemd has only written again what the kernel was seen to hold.
    pub(super) fn is_written_again(&self, slot: Slot, resource: Resource, held: Amount) -> bool {
        let workload = self.workloads.get(slot);
        let limit = workload.and_then(|workload| workload.limits[resource.index()].as_ref());
        let Some(limit) = limit.filter(|limit| limit.held != held) else {
            return false;
        };
        let ledger = &self.adoptions.ledger;
        let unit = self.owned.units.get(&slot);
        unit.is_some_and(|unit| unit.wrote_again(ledger, resource, limit, held))
    }

    fn was_told(&mut self, Told { tell, result }: Told) {
        let unit = self.owned.units.get_mut(&tell.slot);
        let Some(unit) = unit.filter(|unit| unit.epoch == tell.epoch) else {
            return;
        };
        unit.under_way = false;
        match result {
            Ok(held) => {
                unit.told.extend(held);
                unit.unsure &= !tell.values.is_empty();
                let workload = self.workloads.get(tell.slot);
                self.owned.hurry |= workload.is_some_and(|workload| unit.hurries(workload));
                self.owned.failing = false;
                for resource in Resource::ALL {
                    self.send(Command::Echo(tell.slot, resource));
                }
            }
            Err(failure) => {
                // It may have heard.
                unit.unsure = true;
                if !std::mem::replace(&mut self.owned.failing, true) {
                    tracing::warn!(unit = unit.name, %failure, "systemd cannot be told of limits; it is told when that can be");
                }
            }
        }
    }
}
