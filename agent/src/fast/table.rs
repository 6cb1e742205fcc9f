//! The fast thread's table: one entry per workload, reached by its slot.

use trimtab_core::{
    decide::{Envelope, EnvelopeUpdate},
    signal::{Amount, Event, Resource, Slot},
};

use trimtab_ebpf::MAX_LEVELS;

use crate::{
    act::lever::{Kind, Lever},
    sense::memory::MemoryReader,
};

/// How many workloads an agent manages at most; kernel maps and tables are sized by it.
pub const MAX_SLOTS: usize = 4096;

/// All that the fast thread needs to act for one workload.
#[derive(Debug)]
pub struct Entry {
    /// Bounds as they were at adoption, per resource; `None` for one that is not managed.
    pub adopted: [Option<EnvelopeUpdate>; 2],
    /// Bounds as they are: made of `adopted` by the fast thread, which alone has the pools.
    pub envelopes: [Option<Envelope>; 2],
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
    pub(super) fn new() -> Self {
        let mut entries = Vec::new();
        entries.resize_with(MAX_SLOTS, || None);
        Self(entries)
    }

    pub(super) fn get(&mut self, slot: Slot) -> Option<&mut Entry> {
        self.0.get_mut(slot.0 as usize)?.as_deref_mut()
    }

    /// Puts into an envelope what the limits around it allow: what is above, and, where lowering
    /// below a child is refused (CPU on v1), what is below.
    pub(super) fn surround(&mut self, slot: Slot, resource: Resource, lowering: bool) {
        let above = self.above(slot, resource);
        let below = if lowering
            && self
                .get(slot)
                .is_some_and(|entry| entry.is_v1_quota(resource))
        {
            self.below(slot, resource)
        } else {
            Amount::ZERO
        };
        if let Some((envelope, _)) = self.get(slot).and_then(|entry| entry.part(resource)) {
            (envelope.above, envelope.below) = (above, below);
        }
    }

    /// The smallest limit among the managed ancestors of a workload.
    fn above(&mut self, slot: Slot, resource: Resource) -> Amount {
        let mut above = Amount::UNLIMITED;
        let mut at = slot;
        for _ in 0..MAX_LEVELS {
            let envelope = |entry: &Entry| entry.envelope(resource).copied();
            let Some(parent) = self.get(at).and_then(|entry| envelope(entry)?.parent) else {
                break;
            };
            if let Some(parent) = self.get(parent).and_then(|entry| envelope(entry)) {
                above = above.min(parent.limit);
            }
            at = parent;
        }
        above
    }

    /// The largest limit among the children of a workload.
    fn below(&self, slot: Slot, resource: Resource) -> Amount {
        self.0
            .iter()
            .flatten()
            .filter_map(|entry| entry.envelope(resource))
            .filter(|child| child.parent == Some(slot) && !child.limit.is_unlimited())
            .map(|child| child.limit)
            .max()
            .unwrap_or_default()
    }

    /// Compares an event's period with the lever's. Equal shares of unequal periods are not the
    /// same limit: somebody else has set the period.
    pub(super) fn compare_period(&mut self, event: &Event, period_ns: u64) {
        let part = self
            .get(event.slot)
            .and_then(|entry| entry.part(event.resource));
        if let Some((envelope, Some(lever))) = part
            && lever
                .kind()
                .period_us()
                .is_some_and(|period_us| period_us * 1000 != period_ns)
        {
            envelope.foreign = Some(event.held);
        }
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
        if let Some((_, Some(old))) = self.get(slot).and_then(|entry| entry.part(resource)) {
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

impl Entry {
    /// The envelope and the lever of one resource; `None` when it is not managed.
    pub(super) fn part(
        &mut self,
        resource: Resource,
    ) -> Option<(&mut Envelope, Option<&mut Lever>)> {
        let index = resource.index();
        Some((
            self.envelopes.get_mut(index)?.as_mut()?,
            self.levers.get_mut(index)?.as_mut(),
        ))
    }

    fn is_v1_quota(&self, resource: Resource) -> bool {
        self.levers
            .get(resource.index())
            .and_then(Option::as_ref)
            .is_some_and(|lever| matches!(lever.kind(), Kind::CfsQuota { .. }))
    }

    fn envelope(&self, resource: Resource) -> Option<&Envelope> {
        self.envelopes.get(resource.index())?.as_ref()
    }
}
