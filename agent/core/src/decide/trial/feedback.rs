//! From what has happened to trials, and from their verdicts to what is done differently.

use super::outcome::{Ground, Outcome, Verdict};
use super::signals::Seen;
use super::trials::{By, Change, Closed};
use crate::decide::control::Control;
use crate::decide::decision::{Notice, NoticeKind, Tick};
use crate::decide::engine::Engine;
use crate::decide::reason::Rule;
use crate::signal::{Amount, Cause, Nanos, Resource, Slot, Spend};

/// So many raises in a row without any difference are worth a word.
const IN_VAIN: u32 = 3;

impl Control {
    /// Takes a tick into the trial of the last change.
    pub(in crate::decide) fn watch(&mut self, now: Nanos, seen: &Seen) {
        if self.trials.push(now, seen) {
            self.memory.hurt(now);
        }
    }

    /// An order of the slow loop has been carried out; `seq`: as which of all changes, `None` for one
    /// that is only advised.
    pub(in crate::decide) fn ordered_change(
        &mut self,
        at: Nanos,
        seq: Option<u64>,
        (from, to): (Amount, Amount),
        rule: Option<Rule>,
    ) {
        self.changed(at, from, to, rule);
        self.trials.open(Change {
            at,
            seq,
            from,
            to,
            by: By::Order(rule),
        });
    }

    /// The fast loop has lifted: a trim just before was wrong. `seq`: as which of all changes, `None` for a lift that
    /// only would have been.
    pub(in crate::decide) fn lifted(&mut self, spend: &Spend, seq: Option<u64>) {
        let now = spend.event.time;
        let warned = matches!(spend.event.cause, Cause::QuotaNear | Cause::MemoryNear);
        self.changed(now, spend.from, spend.to, None);
        let trimmed = self.trials.cut(now).is_some();
        self.trials.open(Change {
            at: now,
            seq,
            from: spend.from,
            to: spend.to,
            by: By::Lift { warned },
        });
        if warned && trimmed {
            // Nobody was throttled, so there is nothing to undo.
            self.memory.hurt(now);
            if self.resource == Resource::Memory {
                self.memory.widen();
            }
            self.trials.answered();
        } else if trimmed && self.trials.blame(now) {
            self.memory.hurt(now);
        }
    }
}

impl Engine {
    /// Tells what came of one limit's changes, and what follows from it.
    pub(in crate::decide) fn tell_outcomes(
        &mut self,
        slot: Slot,
        resource: Resource,
        out: &mut Tick,
    ) {
        let workload = self.workloads.get_mut(slot.0 as usize);
        let Some(workload) = workload.and_then(Option::as_mut) else {
            return;
        };
        let Some(control) = &mut workload.controls[resource.index()] else {
            return;
        };
        for closed in std::mem::take(&mut control.trials.closed) {
            let epoch = workload.epoch;
            let outcome = outcome(slot, epoch, resource, &closed);
            let what = consequence(control, closed.trim, &outcome);
            out.outcomes.push(outcome);
            out.notices.extend(what.map(|what| Notice {
                time: closed.time,
                slot,
                resource,
                what,
            }));
        }
    }
}

/// What people should know of a verdict beyond the verdict.
fn consequence(control: &Control, trim: bool, outcome: &Outcome) -> Option<NoticeKind> {
    let taken_back = outcome.verdict == Verdict::Hurt || outcome.ground == Ground::Lifted;
    let (trims, patience) = control.backs_off();
    if trim && taken_back && trims > 1 {
        return Some(NoticeKind::BackedOff { trims, patience });
    }
    let raises = control.trials.in_vain;
    let vain = outcome.is_raise() && outcome.verdict == Verdict::NoDifference;
    (vain && raises == IN_VAIN).then_some(NoticeKind::InVain { raises })
}

fn outcome(slot: Slot, epoch: u32, resource: Resource, closed: &Closed) -> Outcome {
    Outcome {
        time: closed.time,
        slot,
        epoch,
        resource,
        seq: closed.seq,
        from: closed.from,
        to: closed.to,
        took: closed.time.since(closed.at),
        before: closed.before,
        after: closed.after,
        verdict: closed.verdict,
        ground: closed.ground,
    }
}
