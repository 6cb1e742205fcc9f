//! Loans on their way back, without waiting for the slow loop.

use trimtab_core::{
    decide::{self, CalledIn},
    signal::{Amount, Delay, Event, Nanos, Resource, Slot},
};
use trimtab_ebpf::{Event as KernelRecord, NO_SLOT};

use super::{
    memory::recall,
    message::Report,
    table::{Entry, MAX_SLOTS},
    thread::{State, now},
};
use crate::sense::cpu::cpu_amount;

impl State {
    /// Takes from the largest borrower for one who uses no more than its own; `None` when there is
    /// nothing to take.
    pub(super) fn give_way(&mut self, event: &Event) -> Option<()> {
        let payer = self.payer.filter(|payer| *payer != event.slot)?;
        let (asking, _) = self.table.get(event.slot)?.part(event.resource)?;
        let asking = *asking;
        let (envelope, _) = self.table.get(payer)?.part(Resource::Cpu)?;
        let order = decide::give_way(payer, envelope, &asking)?;
        let settled = self.apply(&order)?;
        self.end.report(Report::Recalled(settled));
        settled.refusal.is_none().then_some(())
    }

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
        let Some((envelope, _)) = self
            .table
            .get(delay.slot)
            .and_then(|entry| entry.part(Resource::Cpu))
        else {
            return;
        };
        let Some(order) = decide::call_in(now(), envelope, &delay) else {
            return;
        };
        let barred = envelope.barred;
        if let Some(settled) = self.apply(&order) {
            self.end.report(Report::CalledIn(CalledIn {
                settled,
                delay,
                barred,
            }));
        }
    }

    /// Takes back what was lent of memory and is not used: the node has run short.
    pub(super) fn recall(&mut self) {
        for slot in (0..).map(Slot).take(MAX_SLOTS) {
            let order = |entry: &mut Entry| recall(slot, entry, &mut self.scratch);
            let Some((order, used)) = self.table.get(slot).and_then(order) else {
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
            self.end.report(Report::Recalled(settled));
        }
    }

    /// Memory lent anew is unused at first, and no more can be unused than is lent.
    pub(super) fn lent(&mut self, slot: Slot, before: Amount) {
        if let Some(entry) = self.table.get(slot)
            && let Some(envelope) = &entry.envelopes[Resource::Memory.index()]
        {
            let lent = envelope.lent;
            let unused = entry.unused.plus(lent.minus(before)).min(lent);
            self.memory.replace(&mut entry.unused, unused, now());
        }
    }
}
