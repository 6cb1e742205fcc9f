//! All shadows, by slot.

use super::beside::Beside;
use super::limit::{Limit, Shadow};
use super::sight::Sight;
use crate::decide::engine::Engine;
use crate::decide::record::Record;
use crate::decide::settings::{Bounds, Policy};
use crate::signal::{Cause, Denial, Nanos, Resource, Slot, Spend};
use crate::snapshot::{Snapshot, WorkloadSignals};
use serde::{Deserialize, Serialize};

/// The shadows of all workloads that have one. Same calls in the same order, same results, as with the
/// engine.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Shadows {
    rows: Vec<Option<Box<Row>>>,
    /// How many there are: without any, nothing is looked at.
    count: usize,
}

/// The shadow of one workload.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Row {
    epoch: u32,
    shadow: Shadow,
    /// What has come of it so far.
    limit: Option<Followed>,
}

/// A shadow that is followed.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Followed {
    /// What the workload's own policy was when that began.
    active: (Policy, Bounds),
    limit: Limit,
}

impl Shadows {
    /// Gives a workload a shadow, or takes it away. One that is the same as before goes on.
    pub fn set(&mut self, slot: Slot, epoch: u32, shadow: Option<Shadow>) {
        let Some(shadow) = shadow else {
            self.remove(slot);
            return;
        };
        let index = slot.0 as usize;
        if self.rows.len() <= index {
            self.rows.resize_with(index + 1, || None);
        }
        let cell = &mut self.rows[index];
        let same = |row: &Row| row.epoch == epoch && row.shadow == shadow;
        if cell.as_deref().is_some_and(same) {
            return;
        }
        let new = Box::new(Row {
            epoch,
            shadow,
            limit: None,
        });
        self.count += usize::from(cell.replace(new).is_none());
    }

    /// Forgets the shadow of a workload, if it has one.
    pub fn remove(&mut self, slot: Slot) {
        let cell = self.rows.get_mut(slot.0 as usize);
        let gone = cell.and_then(Option::take);
        self.count -= usize::from(gone.is_some());
    }

    /// Takes note of what the fast loop did; with every record, in order, before the tick.
    pub fn hear(&mut self, record: &Record) {
        if self.count == 0 {
            return;
        }
        let Record::Spend(spend) = record else { return };
        // A twin repeats what a tick has shown before.
        let twin = spend.event.cause == Cause::Twin;
        let other = matches!(
            spend.denial,
            Some(Denial::Stale | Denial::Foreign | Denial::LimitedAbove)
        );
        if spend.event.resource == Resource::Cpu && !twin && !other {
            self.hear_spend(spend);
        }
    }

    fn hear_spend(&mut self, spend: &Spend) {
        let row = self.row(spend.event.slot);
        let row = row.filter(|row| row.epoch == spend.epoch);
        if let Some(followed) = row.and_then(|row| row.limit.as_mut()) {
            followed.limit.hear(spend);
        }
    }

    /// Asks all shadows; after the engine has ticked on the same snapshot.
    pub fn tick(&mut self, now: Nanos, engine: &Engine, snapshot: &Snapshot) {
        if self.count == 0 {
            return;
        }
        for signals in &snapshot.workloads {
            if let Some(row) = self.row(signals.slot) {
                row.tick(now, engine, snapshot, signals);
            }
        }
    }

    /// What a workload's policy and its shadow have made of the same time; `None` for one that has none,
    /// or that has not been looked at yet.
    #[must_use]
    pub fn beside(&self, slot: Slot) -> Option<&Beside> {
        let row = self.rows.get(slot.0 as usize)?.as_ref()?;
        row.limit.as_ref().map(|followed| followed.limit.beside())
    }

    fn row(&mut self, slot: Slot) -> Option<&mut Row> {
        self.rows.get_mut(slot.0 as usize)?.as_deref_mut()
    }
}

impl Row {
    fn tick(
        &mut self,
        now: Nanos,
        engine: &Engine,
        snapshot: &Snapshot,
        signals: &WorkloadSignals,
    ) {
        let slot = signals.slot;
        let workload = engine.workload(slot);
        let Some(workload) = workload.filter(|workload| workload.epoch == self.epoch) else {
            return;
        };
        let Some(active) = &workload.controls[Resource::Cpu.index()] else {
            self.limit = None;
            return;
        };
        let (Some(update), Some(cpu)) = (active.sent, &signals.cpu) else {
            return;
        };
        let sight = Sight {
            now,
            slot,
            engine,
            workload,
            active,
            update,
        };
        let law = (workload.policy, active.bounds);
        if self.limit.as_ref().is_some_and(|one| one.active != law) {
            self.limit = None;
        }
        let followed = self.limit.get_or_insert_with(|| Followed {
            active: law,
            limit: Limit::new(&sight, &self.shadow),
        });
        followed.limit.tick(&sight, snapshot, cpu, signals.latency);
    }
}
