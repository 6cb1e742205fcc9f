//! Loans on their way back, without waiting for the slow loop.

use trimtab_core::{
    decide::Record,
    signal::{Amount, Delay, Nanos, Resource, Slot},
};
use trimtab_ebpf::{Event as KernelRecord, NO_SLOT};

use super::{
    memory::recall,
    thread::{State, now, tell},
};
use crate::sense::cpu::cpu_amount;

impl State {
    /// Ends a loan that keeps others waiting.
    pub(super) fn delay(&mut self, record: &KernelRecord) {
        let delay = Delay {
            time: Nanos(record.time),
            slot: Slot(record.lowest.slot),
            held: cpu_amount(record.lowest.limit, record.lowest.period),
            waiting: (record.highest.slot != NO_SLOT).then_some(Slot(record.highest.slot)),
            waited: Nanos(record.used),
        };
        self.stats.saw(now().since(delay.time).0);
        let mut tell = |record| tell(&mut self.end, &self.stats, record);
        self.desk.delay(&mut self.table, &delay, &mut tell);
    }

    /// Takes back what was lent of memory and is not used: the node has run short.
    pub(super) fn recall(&mut self) {
        for slot in self.table.slots() {
            let (Some(entry), Some(envelope)) = (
                self.table.get(slot),
                self.desk.envelope(slot, Resource::Memory),
            ) else {
                continue;
            };
            let Some((order, used)) = recall(slot, entry, envelope, &mut self.scratch) else {
                continue;
            };
            let Some(settled) = self.apply(&order) else {
                continue;
            };
            if let Some(entry) = self.table.get(slot)
                && settled.refusal.is_none()
            {
                let unused = entry.unused.min(settled.to.minus(used));
                self.memory.replace(&mut entry.unused, unused, now());
            }
            tell(&mut self.end, &self.stats, Record::Recalled(settled));
        }
    }

    /// What of memory is lent to a workload.
    pub(super) fn lent(&self, slot: Slot) -> Amount {
        let envelope = self.desk.envelope(slot, Resource::Memory);
        envelope.map_or(Amount::ZERO, |envelope| envelope.lent)
    }

    /// Memory lent anew is unused at first, and no more can be unused than is lent.
    pub(super) fn promise(&mut self, slot: Slot, before: Amount) {
        let lent = self.lent(slot);
        if let Some(entry) = self.table.get(slot) {
            let unused = entry.unused.plus(lent.minus(before)).min(lent);
            self.memory.replace(&mut entry.unused, unused, now());
        }
    }
}
