//! One limit's open trial, and what is remembered of those before.

use super::judge;
use super::outcome::{Ground, Signals, Verdict};
use super::signals::{Recent, Seen, WINDOW};
use crate::decide::policy::Cut;
use crate::decide::reason::Rule;
use crate::signal::{Amount, Nanos, Resource};
use serde::{Deserialize, Serialize};

/// By whom a limit was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::decide) enum By {
    /// The fast loop; whether that was before anybody was short.
    Lift {
        /// It was.
        warned: bool,
    },
    /// The slow loop, by a rule, where that is still known.
    Order(Option<Rule>),
}

/// A limit has changed by our hand.
#[derive(Clone, Copy, Debug)]
pub(in crate::decide) struct Change {
    /// When.
    pub(in crate::decide) at: Nanos,
    /// Its place among all of the agent's; `None` for what is only advised.
    pub(in crate::decide) seq: Option<u64>,
    /// The limit before.
    pub(in crate::decide) from: Amount,
    /// The limit after.
    pub(in crate::decide) to: Amount,
    /// By whom.
    pub(in crate::decide) by: By,
}

impl Change {
    /// Whether a policy took away what it thought was not needed. A recall is the pool's doing, not
    /// a misjudgement of the need.
    fn is_trim(&self) -> bool {
        let recalled = matches!(self.by, By::Order(Some(rule)) if rule.is_recall());
        self.to < self.from && !recalled
    }

    const fn is_lift(&self) -> bool {
        matches!(self.by, By::Lift { .. })
    }
}

/// A change under trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Trial {
    pub(super) at: Nanos,
    pub(super) seq: Option<u64>,
    pub(super) from: Amount,
    pub(super) to: Amount,
    lift: bool,
    /// Whether a policy took away what it thought was not needed.
    trim: bool,
    /// Whole ticks under the limit before; no more than are looked at.
    pub(super) before: u32,
    /// Ticks that had begun before the change, told of since.
    pub(super) mixed: u32,
    /// Whole ticks since.
    pub(super) after: u32,
    /// Whether more was used in one of them than the limit before would have let it.
    pub(super) beyond: bool,
}

/// A trial that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::decide) struct Closed {
    pub(super) time: Nanos,
    pub(super) at: Nanos,
    pub(super) seq: u64,
    pub(super) from: Amount,
    pub(super) to: Amount,
    /// Whether a policy took away what it thought was not needed.
    pub(super) trim: bool,
    pub(super) before: Signals,
    pub(super) after: Signals,
    pub(super) verdict: Verdict,
    pub(super) ground: Ground,
}

/// All about the changes of one limit. No more than one trial is open: the next change ends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::decide) struct Trials {
    /// Whether being short comes as events that are added up, instead of a share of time.
    events: bool,
    recent: Recent,
    /// When the last tick was told of.
    time: Nanos,
    /// Whole ticks since the limit last changed by anybody's hand.
    steady: u32,
    /// When that was.
    changed: Nanos,
    open: Option<Trial>,
    /// The last trim, as long as nothing has come of it.
    cut: Option<Cut>,
    /// Whether it has hurt.
    hurts: bool,
    /// Raises in a row that made no difference.
    pub(super) in_vain: u32,
    /// What is over, and not yet told.
    pub(super) closed: Vec<Closed>,
}

impl Trials {
    /// Nothing has been changed yet.
    pub(in crate::decide) fn new(resource: Resource) -> Self {
        Self {
            events: resource == Resource::Memory,
            recent: Recent::default(),
            time: Nanos(0),
            steady: 0,
            changed: Nanos(0),
            open: None,
            cut: None,
            hurts: false,
            in_vain: 0,
            closed: Vec::new(),
        }
    }

    /// A limit has changed by our hand: ends the trial that is open, and opens one.
    pub(in crate::decide) fn open(&mut self, change: Change) {
        let lifts_on = |trial: &Trial| trial.lift && change.is_lift() && trial.after == 0;
        if let Some(trial) = self.open.as_mut().filter(|trial| lifts_on(trial)) {
            // Several lifts of one burst are one change: nobody has looked in between.
            (trial.at, trial.seq, trial.to) = (change.at, change.seq, change.to);
        } else {
            self.supersede(&change);
            self.open = Some(Trial {
                at: change.at,
                seq: change.seq,
                from: change.from,
                to: change.to,
                lift: change.is_lift(),
                trim: change.is_trim(),
                before: self.steady,
                mixed: 0,
                after: 0,
                beyond: false,
            });
        }
        if change.to < change.from {
            let Change { at, from, to, .. } = change;
            self.cut = change.is_trim().then_some(Cut { at, from, to });
            self.hurts = false;
        }
        (self.steady, self.changed) = (0, change.at);
    }

    /// Ends the open trial since the limit changes again.
    fn supersede(&mut self, change: &Change) {
        let Some(trial) = self.open else { return };
        let (verdict, ground) = match change.by {
            By::Lift { warned: true } if self.blames(&trial) => (Verdict::CutShort, Ground::Lifted),
            By::Lift { warned: false } if self.blames(&trial) => (Verdict::Hurt, Ground::Shorter),
            _ if trial.beyond => (Verdict::Helped, Ground::Beyond),
            _ => (Verdict::CutShort, Ground::Changed),
        };
        self.close(change.at, verdict, ground);
    }

    /// Whether a trial is that of the trim that is to blame for what is seen.
    fn blames(&self, trial: &Trial) -> bool {
        trial.trim && self.cut.is_some_and(|cut| cut.at == trial.at)
    }

    /// Somebody else has written the limit.
    pub(in crate::decide) fn abandon(&mut self) {
        self.close(self.time, Verdict::CutShort, Ground::Foreign);
        self.answered();
        (self.steady, self.changed) = (0, self.time);
    }

    /// Takes a tick in; whether it shows that the last trim hurts, which is said once.
    pub(in crate::decide) fn push(&mut self, now: Nanos, seen: &Seen) -> bool {
        self.time = now;
        self.recent.push(seen.sample);
        let whole = seen.is_after(self.changed);
        if whole {
            self.steady = (self.steady + 1).min(WINDOW);
        }
        let hurts = seen.hurts && self.blame(now);
        let Some(trial) = &mut self.open else {
            return hurts;
        };
        if whole {
            trial.after = trial.after.saturating_add(1);
        } else {
            trial.mixed = trial.mixed.saturating_add(1);
        }
        trial.beyond |= trial.to > trial.from && seen.exceeds(trial.from);
        let trial = *trial;
        if hurts && self.blames(&trial) {
            self.close(now, Verdict::Hurt, Ground::Shorter);
        } else if trial.after >= WINDOW {
            let (verdict, ground) = judge::settled(&trial, &self.recent);
            self.close(now, verdict, ground);
        }
        hurts
    }

    /// The workload is short: whether the last trim is to blame, which is said once.
    pub(in crate::decide) fn blame(&mut self, now: Nanos) -> bool {
        let blamed = self.cut(now).is_some() && !self.hurts;
        self.hurts |= blamed;
        blamed
    }

    /// Ends the open trial. What was only advised has no outcome.
    fn close(&mut self, now: Nanos, verdict: Verdict, ground: Ground) {
        let Some(trial) = self.open.take() else {
            return;
        };
        let Some(seq) = trial.seq else { return };
        let raises = trial.to > trial.from;
        match verdict {
            Verdict::NoDifference if raises => self.in_vain = self.in_vain.saturating_add(1),
            Verdict::Helped => self.in_vain = 0,
            _ => {}
        }
        let (after, before) = (trial.after, trial.before);
        // A tick that had begun before counts where there is no other.
        let since = if after == 0 { trial.mixed } else { after };
        self.closed.push(Closed {
            time: now,
            at: trial.at,
            seq,
            from: trial.from,
            to: trial.to,
            trim: trial.trim,
            before: self
                .recent
                .signals(after + trial.mixed, before, self.events),
            after: self.recent.signals(0, since, self.events),
            verdict,
            ground,
        });
    }

    /// Whether a change is under trial.
    #[cfg(test)]
    pub(super) const fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// The last trim, while it is young enough to blame.
    pub(in crate::decide) fn cut(&self, now: Nanos) -> Option<Cut> {
        self.cut.filter(|cut| cut.to_blame(now))
    }

    /// The last trim, if it hurts and is young enough to blame.
    pub(in crate::decide) fn hurting(&self, now: Nanos) -> Option<Cut> {
        self.cut(now).filter(|_| self.hurts)
    }

    /// What came of the last trim has been answered.
    pub(in crate::decide) const fn answered(&mut self) {
        self.cut = None;
        self.hurts = false;
    }
}
