//! What the fast loop tells, held against what is believed.

use super::control::Answer;
use super::decision::{Notice, NoticeKind};
use super::engine::Engine;
use super::reason::Rule;
use super::record::{CalledIn, Record, Refusal, Settled};
use crate::signal::{Amount, Denial, Nanos, Resource, Slot, Spend};

impl Engine {
    /// Takes note of what the fast loop did. To be called with every record, in order, before the
    /// tick.
    pub fn record(&mut self, record: &Record) {
        match record {
            Record::Spend(spend) => self.record_spend(spend),
            Record::Settled(settled) => self.record_settled(settled),
            Record::Recalled(settled) => self.record_recall(settled, Rule::Recall, None),
            Record::CalledIn(CalledIn {
                settled, barred, ..
            }) => self.record_recall(settled, Rule::CallIn, Some(*barred)),
            Record::Synced(synced) => {
                if let Some(control) = self.control_mut(synced.slot, synced.resource, synced.epoch)
                {
                    control.known = synced.limit;
                    control.seq = synced.envelope_seq;
                }
            }
        }
    }

    /// What people should know of the records so far, without waiting for the next tick, which
    /// would tell the same.
    pub fn notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    fn record_spend(&mut self, spend: &Spend) {
        let (slot, resource) = (spend.event.slot, spend.event.resource);
        if spend.denial == Some(Denial::Foreign) {
            self.foreign(
                spend.event.time,
                slot,
                resource,
                spend.epoch,
                spend.event.held,
            );
        }
        let Some(control) = self.control_mut(slot, resource, spend.epoch) else {
            return;
        };
        match spend.denial {
            Some(Denial::Stale) => {}
            Some(Denial::PoolEmpty) => control.answer = Answer::Refused,
            _ if control.answer == Answer::None => control.answer = Answer::Heard,
            _ => {}
        }
        match spend.denial {
            None => {
                control.known = spend.to;
                control.seq = spend.seq;
                control.lifted(spend, Some(spend.seq));
            }
            Some(Denial::WriteFailed) => {
                control.known = spend.from;
                control.seq = spend.seq;
            }
            Some(_) => {}
        }
    }

    /// The fast loop has ended a loan by itself.
    fn record_recall(&mut self, settled: &Settled, rule: Rule, barred: Option<Nanos>) {
        let control = self.control_mut(settled.slot, settled.resource, settled.epoch);
        if let Some(control) = control {
            control.ordered = Some(rule);
            control.barred = barred.unwrap_or(control.barred);
        }
        self.record_settled(settled);
    }

    fn record_settled(&mut self, settled: &Settled) {
        let (slot, resource) = (settled.slot, settled.resource);
        if settled.refusal == Some(Refusal::Foreign) {
            self.foreign(settled.time, slot, resource, settled.epoch, settled.to);
        }
        let Some(control) = self.control_mut(slot, resource, settled.epoch) else {
            return;
        };
        let rule = control.ordered.take();
        match settled.refusal {
            None => {
                control.known = settled.to;
                control.seq = settled.envelope_seq;
                let step = (settled.from, settled.to);
                control.ordered_change(settled.time, Some(settled.seq), step, rule);
            }
            Some(Refusal::Foreign) => {}
            Some(refusal) => {
                control.known = settled.to;
                control.seq = settled.envelope_seq;
                if matches!(
                    refusal,
                    Refusal::NoChange
                        | Refusal::LimitedAbove
                        | Refusal::Barred
                        | Refusal::WriteFailed
                ) {
                    // Not again at the next tick.
                    control.trimmed = settled.time;
                }
            }
        }
    }

    /// The fast loop has found a foreign limit. It refuses everything until the re-adoption
    /// arrives, and says so each time: once is enough.
    fn foreign(&mut self, time: Nanos, slot: Slot, resource: Resource, epoch: u32, theirs: Amount) {
        let settings = self.settings;
        let newborn = self
            .workload(slot)
            .is_some_and(|workload| time.since(workload.born) < settings.newborn);
        let Some(control) = self.control_mut(slot, resource, epoch) else {
            return;
        };
        if control.sent.is_some() && (!control.foreign.stands_back() || theirs != control.known) {
            let ours = control.known;
            let what = if newborn && control.seq == 0 {
                control.follow(theirs);
                NoticeKind::OwnerChanged {
                    from: ours,
                    to: theirs,
                }
            } else {
                control.found(time, theirs, &settings)
            };
            self.notices.push(Notice {
                time,
                slot,
                resource,
                what,
            });
        }
    }
}
