//! The fast threads' table: levers and memory of each workload, reached by its slot.

use trimtab_core::{
    decide::{EnvelopeUpdate, Levers, Pulled, Row},
    signal::{Amount, Nanos, Resource, Slot},
};

use super::thread::now;
use crate::{
    act::lever::{Kind, Lever, LeverError},
    sense::memory::MemoryReader,
};

/// All that the fast threads need to act for one workload.
#[derive(Debug)]
pub struct Entry {
    /// Bounds as they were at adoption, per resource; `None` for one that is not managed.
    pub adopted: [Option<EnvelopeUpdate>; 2],
    /// Room for its envelopes; `None` while it lies on the desk.
    pub row: Option<Box<Row>>,
    /// Where limits are written, per resource; `None` where the controller is absent.
    pub levers: [Option<Lever>; 2],
    /// What fills the group's memory; `None` where the controller is absent.
    pub memory: Option<MemoryReader>,
    /// Memory that was lent to it and that it does not use yet.
    pub unused: Amount,
}

/// Entries by slot.
#[derive(Debug)]
pub(super) struct Table(Vec<Option<Box<Entry>>>);

impl Table {
    /// Room for so many workloads.
    pub(super) fn new(workloads: usize) -> Self {
        let mut entries = Vec::new();
        entries.resize_with(workloads, || None);
        Self(entries)
    }

    /// Every slot, whether or not it is in use.
    pub(super) fn slots(&self) -> impl Iterator<Item = Slot> + use<> {
        (0..).map(Slot).take(self.0.len())
    }

    pub(super) fn get(&mut self, slot: Slot) -> Option<&mut Entry> {
        self.0.get_mut(slot.0 as usize)?.as_deref_mut()
    }

    pub(super) fn lever(&mut self, slot: Slot, resource: Resource) -> Option<&mut Lever> {
        self.get(slot)?.levers.get_mut(resource.index())?.as_mut()
    }

    /// Whether the kernel's period is not the lever's. Equal shares of unequal periods are not the
    /// same limit: somebody else has set the period.
    pub(super) fn is_other_period(
        &mut self,
        slot: Slot,
        resource: Resource,
        period_ns: u64,
    ) -> bool {
        self.lever(slot, resource)
            .and_then(|lever| lever.kind().period_us())
            .is_some_and(|period_us| period_us * 1000 != period_ns)
    }

    /// Takes another lever, and gives the old one back: nothing is closed or freed here.
    #[expect(
        clippy::unnecessary_box_returns,
        reason = "freeing the box is the slow loop's, too"
    )]
    pub(super) fn replace(
        &mut self,
        slot: Slot,
        resource: Resource,
        mut lever: Box<Lever>,
    ) -> Box<Lever> {
        if let Some(old) = self.lever(slot, resource) {
            std::mem::swap(old, &mut lever);
        }
        lever
    }

    pub(super) fn put(&mut self, slot: Slot, entry: Option<Box<Entry>>) -> Option<Box<Entry>> {
        match self.0.get_mut(slot.0 as usize) {
            Some(cell) => std::mem::replace(cell, entry),
            None => entry,
        }
    }
}

/// How old may be what the kernel said of a limit for us to believe it without reading again. A read takes
/// 2 us, and 18 where nothing of it is in the caches; somebody else's write can slip in before ours
/// either way, since these files know no compare-and-swap.
const FRESH: Nanos = Nanos(200_000);

impl Levers for Table {
    fn now(&self) -> Nanos {
        now()
    }

    fn pull(
        &mut self,
        slot: Slot,
        resource: Resource,
        (from, to): (Amount, Amount),
        seen: Option<Nanos>,
    ) -> Pulled {
        let Some(lever) = self.lever(slot, resource) else {
            return Pulled::Failed;
        };
        let fresh = seen.is_some_and(|seen| now().since(seen) <= FRESH);
        let held = if fresh { Ok(from) } else { lever.read() };
        match held {
            Ok(held) if held == from || lever.echoes(held) => match lever.write(to) {
                Ok(()) => Pulled::Written,
                Err(LeverError::Theirs { held, .. }) => Pulled::Foreign(held),
                Err(_) => Pulled::Failed,
            },
            Ok(held) | Err(LeverError::OtherPeriod { held, .. }) => Pulled::Foreign(held),
            Err(_) => Pulled::Failed,
        }
    }

    fn minds_children(&self, slot: Slot, resource: Resource) -> bool {
        let entry = self.0.get(slot.0 as usize).and_then(Option::as_ref);
        entry
            .and_then(|entry| entry.levers.get(resource.index())?.as_ref())
            .is_some_and(|lever| matches!(lever.kind(), Kind::CfsQuota { .. }))
    }
}
