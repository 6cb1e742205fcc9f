//! What became of changes, and what is held back: from the core's words to those of people.

use trimtab_core::{
    decide::{
        Outcome, Rivalry, Verdict, View,
        reason::{Clamp, Guard, Input},
        trial::Signals,
    },
    signal::{Amount, Nanos, Resource, Slot},
};

use super::{agent::Agent, entry::word, workload::Workload};
use crate::api::view::{self, Bound, Feedback, HeldBack, Quantity, Stage, TrialSignals};

/// So many changes of one limit between two ticks find their outcomes: more than a burst makes.
const CHANGES: usize = 8;

/// What became of the changes of one limit.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tried {
    /// The last changes: their places among all of the agent's, and those of their journal entries. What
    /// became of one that was superseded is told with the next tick, when others have followed.
    last: [(u64, u64); CHANGES],
    /// How many there have been.
    changes: usize,
    /// Verdicts, in the order of [`Verdict`].
    verdicts: [u64; 5],
    /// The last one.
    outcome: Option<Outcome>,
}

impl Tried {
    /// A change was made, and written down.
    pub(super) const fn begin(&mut self, seq: u64, entry: u64) {
        self.last[self.changes % CHANGES] = (seq, entry);
        self.changes += 1;
    }

    /// How often each verdict was given, in the order of [`Verdict`].
    pub(super) const fn verdicts(&self) -> [u64; 5] {
        self.verdicts
    }

    fn end(&mut self, outcome: &Outcome) -> Option<u64> {
        self.verdicts[place(outcome.verdict)] += 1;
        self.outcome = Some(*outcome);
        let mut last = self.last.iter().take(self.changes);
        let (_, entry) = last.find(|(seq, _)| *seq == outcome.seq)?;
        Some(*entry)
    }
}

const fn place(verdict: Verdict) -> usize {
    match verdict {
        Verdict::Helped => 0,
        Verdict::NoDifference => 1,
        Verdict::Hurt => 2,
        Verdict::CutShort => 3,
        Verdict::CannotTell => 4,
    }
}

impl Agent {
    /// Adds to the journal what became of changes.
    pub(super) fn conclude(&mut self, outcomes: &[Outcome]) {
        for outcome in outcomes {
            let Some(workload) = self.workloads.get_mut(outcome.slot) else {
                continue;
            };
            if workload.epoch != outcome.epoch {
                continue;
            }
            let Some(limit) = workload.limit(outcome.resource) else {
                continue;
            };
            if let Some(seq) = limit.tried.end(outcome) {
                self.journal.conclude(seq, &shown(outcome));
            }
        }
    }

    /// Notes which journal entry the last change of a limit has, if it was just written.
    pub(super) fn begin_trial(&mut self, slot: Slot, resource: Resource, seq: u64) {
        let entry = self.journal.seq();
        let workload = self.workloads.get_mut(slot);
        if let Some(limit) = workload.and_then(|workload| workload.limit(resource)) {
            limit.tried.begin(seq, entry);
        }
    }

    /// What became of the changes of one limit.
    pub(super) fn feedback(&self, workload: &Workload, resource: Resource) -> Feedback {
        let tried = workload.limits[resource.index()].map(|limit| limit.tried);
        let tried = tried.unwrap_or_default();
        let seen = self.engine.engine().view(workload.slot, resource);
        let (hurt, patience) = seen.map_or((0, Nanos(0)), |seen| seen.backs_off);
        let [helped, no_difference, hurts, cut_short, cannot_tell] = tried.verdicts;
        Feedback {
            helped,
            no_difference,
            hurt: hurts,
            cut_short,
            cannot_tell,
            last: tried.outcome.as_ref().map(shown),
            hurt_in_a_row: hurt,
            patience_ns: (hurt > 0).then_some(patience.0),
        }
    }

    /// What a guardrail holds back of one limit.
    pub(super) fn held_back(&self, slot: Slot, resource: Resource, now: Nanos) -> Option<HeldBack> {
        let engine = self.engine.engine();
        let View {
            held_back,
            held,
            behind,
            ..
        } = engine.view(slot, resource)?;
        let (guard, (since, to)) = held_back.zip(held)?;
        let standing = |slot| Some((engine.name(slot)?, engine.entitlement(slot)?));
        let rivals = behind.and_then(standing).zip(standing(slot));
        let why = match rivals {
            Some(((name, theirs), (_, ours))) if guard == Guard::Rival => {
                Rivalry { name, theirs, ours }.to_string()
            }
            _ => guard.to_string(),
        };
        let ahead = behind.and_then(|slot| self.workloads.get(slot));
        Some(HeldBack {
            guard: word(&guard),
            why,
            to: Quantity::new(resource, to),
            for_ns: now.since(since).0,
            behind: ahead.map(Workload::shown_path),
        })
    }
}

/// An outcome in words and values.
pub(crate) fn shown(outcome: &Outcome) -> view::Outcome {
    let signals = |signals: &Signals| signals_of(outcome.resource, signals);
    view::Outcome {
        verdict: word(&outcome.verdict),
        ground: word(&outcome.ground),
        text: outcome.to_string(),
        after_ns: outcome.took.0,
        from: Quantity::new(outcome.resource, outcome.from),
        to: Quantity::new(outcome.resource, outcome.to),
        before: signals(&outcome.before),
        after: signals(&outcome.after),
    }
}

fn signals_of(resource: Resource, signals: &Signals) -> TrialSignals {
    let is_cpu = resource == Resource::Cpu;
    TrialSignals {
        ticks: signals.ticks,
        used: Quantity::new(resource, signals.used),
        throttled_per_mille: is_cpu.then_some(signals.short),
        throttled_ns_per_s: is_cpu.then_some(signals.throttled.0),
        waited_ns_per_s: is_cpu.then_some(signals.waited.0),
        limit_met: (!is_cpu).then_some(signals.short),
    }
}

/// A guardrail's bound.
pub(super) fn bound(resource: Resource, clamp: &Clamp) -> Bound {
    let quantity = |amount: Amount| Quantity::new(resource, amount);
    Bound {
        guard: word(&clamp.guard),
        from: quantity(clamp.from),
        to: quantity(clamp.to),
    }
}

/// To which part of a decision an input belongs.
pub(super) const fn stage(input: &Input) -> Stage {
    match input {
        Input::Foreseen { .. } => Stage::Forecast,
        Input::Lent(_)
        | Input::Granted(_)
        | Input::PoolLeft(_)
        | Input::NodeLeft(_)
        | Input::Rival { .. } => Stage::Arbitration,
        Input::Event(_) | Input::Held(_) => Stage::Event,
        // Use and all that is made of it.
        _ => Stage::Demand,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_that_was_superseded_finds_its_entry() {
        let outcome = |seq| Outcome {
            seq,
            time: Nanos(0),
            slot: Slot(0),
            epoch: 1,
            resource: Resource::Cpu,
            from: Amount(1),
            to: Amount(2),
            took: Nanos(0),
            before: Signals::default(),
            after: Signals::default(),
            verdict: Verdict::Helped,
            ground: trimtab_core::decide::trial::Ground::Beyond,
        };
        let mut tried = Tried::default();
        assert_eq!(tried.end(&outcome(0)), None, "nothing was written down");
        for change in 1..=20 {
            tried.begin(change, 100 + change);
        }
        assert_eq!(tried.end(&outcome(19)), Some(119));
        assert_eq!(tried.end(&outcome(20)), Some(120));
        assert_eq!(tried.end(&outcome(3)), None, "too long ago");
        assert_eq!(tried.verdicts, [4, 0, 0, 0, 0]);
    }
}
