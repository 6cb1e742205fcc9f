//! The node's invariant: floors, loans, unmanaged use and the reserve fit into what there is.

use super::engine::{Engine, Workload};
use crate::signal::{Amount, Resource, Slot};

impl Engine {
    /// Computes the effective floors: a parent's is at least the sum of its children's, and none
    /// exceeds its ceiling.
    pub(super) fn sum_floors(&mut self) {
        let mut floors = std::mem::take(&mut self.floors);
        floors.clear();
        floors.resize(self.workloads.len(), [Amount::ZERO; 2]);
        // Children first: what is in a parent's cell by then is the sum of theirs.
        for slot in self.order.iter().rev() {
            let brief = self.brief(*slot);
            for (index, figures) in brief.figures.iter().enumerate() {
                let cell = &mut floors[slot.0 as usize][index];
                let floor = figures.floor.max(*cell).min(figures.ceiling);
                *cell = floor;
                if let Some(parent) = brief.parent {
                    let cell = &mut floors[parent.0 as usize][index];
                    *cell = cell.plus(floor);
                }
            }
        }
        self.floors = floors;
    }

    /// Computes what applications are to see of every limit: those below a group see its limit, too.
    pub(super) fn show(&mut self) {
        if !self.shows {
            return;
        }
        for workload in self.workloads.iter_mut().flatten() {
            for control in workload.controls.iter_mut().flatten() {
                control.show_own();
            }
        }
        for position in (0..self.order.len()).rev() {
            let slot = self.order[position];
            for resource in Resource::ALL {
                let control = self.control(slot, resource);
                let below = control.map_or(Amount::ZERO, |control| control.visible);
                if below == Amount::ZERO {
                    continue;
                }
                if let Some(above) = self.managed_above(slot, resource)
                    && let Some(control) = self.control(above, resource)
                {
                    control.show(below);
                }
            }
        }
        // What is held for a workload is no less than what is shown.
        self.survey();
    }

    /// Computes what is set aside of CPU on the node: a parent's is at least the sum of its children's.
    pub(super) fn sum_set_aside(&mut self) {
        let mut set_aside = std::mem::take(&mut self.set_aside);
        set_aside.clear();
        set_aside.resize(self.workloads.len(), Amount::ZERO);
        let index = Resource::Cpu.index();
        for slot in self.order.iter().rev() {
            let brief = self.brief(*slot);
            let own = brief.figures[index].needed;
            let cell = &mut set_aside[slot.0 as usize];
            let sum = own.max(*cell).min(self.floors[slot.0 as usize][index]);
            *cell = sum;
            if let Some(parent) = brief.parent {
                let cell = &mut set_aside[parent.0 as usize];
                *cell = cell.plus(sum);
            }
        }
        self.set_aside = set_aside;
    }

    /// What is set aside on the node for a workload: its floor, but of a floor of CPU that nobody has asked for only
    /// what is needed.
    #[must_use]
    pub fn set_aside(&self, slot: Slot, resource: Resource) -> Amount {
        let slot = slot.0 as usize;
        let floor = self.floors.get(slot).map(|floors| floors[resource.index()]);
        match resource {
            Resource::Cpu => self.set_aside.get(slot).copied().or(floor),
            Resource::Memory => floor,
        }
        .unwrap_or_default()
    }

    /// The parent, if it is still there.
    pub(super) fn parent(&self, workload: &Workload) -> Option<Slot> {
        workload
            .parent
            .filter(|parent| self.workload(*parent).is_some())
    }

    /// What each pool may lend.
    pub(super) fn pool_sizes(&self) -> [Amount; 2] {
        let node = &self.node;
        let sources = [
            (node.capacity, node.unmanaged_cpu),
            (node.memory_total, node.unmanaged_memory),
        ];
        Resource::ALL.map(|resource| {
            let index = resource.index();
            let (capacity, unmanaged) = sources[index];
            let top_level = self.order.iter();
            let top_level = top_level.filter(|slot| self.brief(**slot).parent.is_none());
            let set_aside = top_level.fold(Amount::ZERO, |sum, slot| {
                sum.plus(self.set_aside(*slot, resource))
            });
            capacity
                .minus(self.settings.reserve[index])
                .minus(set_aside)
                .minus(unmanaged)
        })
    }
}
