//! What the engine keeps for one workload and resource.

use super::decision::NoticeKind;
use super::envelope::EnvelopeUpdate;
use super::foreign::Foreign;
use super::grain::{Grain, Round};
use super::policy::Memory;
use super::rate::Rate;
use super::reason::{Guard, Rule};
use super::settings::{Bounds, Settings};
use super::trial::Trials;
use crate::model::{Attainment, Foreseen, OFTEN, Outlook, Usage, WorkingSet};
use crate::signal::{Amount, Nanos, Resource, Slot};
use serde::{Deserialize, Serialize};

/// What the fast loop has done since the last tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Answer {
    /// Nothing: no event arrived.
    None,
    /// It has heard of a shortage.
    Heard,
    /// It had to refuse since the pool was empty.
    Refused,
}

/// State of one limit.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Control {
    pub(super) resource: Resource,
    pub(super) bounds: Bounds,
    pub(super) grain: Grain,
    /// No less than this is to be seen by applications, here and below: never more than the owner had set.
    pub(super) visible: Amount,
    /// The kernel's CPU period in us.
    pub(super) period_us: u64,
    /// What the owner had set; a foreign value replaces it.
    pub(super) adopted: Amount,
    /// What the kernel holds, as far as the slow loop knows.
    pub(super) known: Amount,
    /// What the limit would be if it were enforced; in mode `recommend` only.
    pub(super) advised: Option<Amount>,
    /// The envelope's sequence number, as far as the slow loop knows.
    pub(super) seq: u64,
    /// A limit read that is not `known`: nothing is decided until it is cleared up.
    pub(super) doubt: Option<Amount>,
    pub(super) usage: Usage,
    /// What can be foreseen of its need, under a policy that looks ahead.
    pub(super) outlook: Option<Box<Outlook>>,
    /// A rise that is foreseen now.
    pub(super) foreseen: Option<Foreseen>,
    /// How a latency objective is met, under a policy that has one.
    pub(super) attainment: Option<Box<Attainment>>,
    /// What of its owner's limit is held for it, where that has been found to do.
    pub(super) own: Option<Amount>,
    /// What it works with, where memory is given back.
    pub(super) working_set: Option<Box<WorkingSet>>,
    pub(super) memory: Memory,
    /// What became of its changes.
    pub(super) trials: Trials,
    pub(super) raised: Nanos,
    pub(super) trimmed: Nanos,
    pub(super) changes: Rate,
    /// By which rule the settlement under way was decided.
    pub(super) ordered: Option<Rule>,
    /// Why the last proposal came to nothing.
    pub(super) held_back: Option<Guard>,
    /// Since when that is so, and where the limit was to go.
    pub(super) held: Option<(Nanos, Amount)>,
    /// Who gets what it cannot have.
    pub(super) behind: Option<Slot>,
    pub(super) foreign: Foreign,
    /// What the fast loop has done about this limit since the last tick.
    pub(super) answer: Answer,
    /// Since it was cut to its share: until when, and up to where it may go meanwhile.
    pub(super) ration: Option<(Nanos, Amount)>,
    /// Until when nothing is lent to it, since what was lent has kept others waiting.
    pub(super) barred: Nanos,
    /// The last snapshot had this limit in it.
    pub(super) fresh: bool,
    /// The update that the fast loop has. Without one, the next carries the limit that the kernel
    /// holds: that is (re-)adoption.
    pub(super) sent: Option<EnvelopeUpdate>,
    /// The kernel's thresholds that were last sent: usual, and its own.
    pub(super) told: Option<(u64, u64)>,
}

impl Control {
    /// A limit as it is adopted.
    pub(super) fn new(
        resource: Resource,
        bounds: Bounds,
        adopted: Amount,
        held: Amount,
        period_us: u64,
        span: Nanos,
    ) -> Self {
        Self {
            resource,
            bounds,
            grain: grain(resource, period_us),
            visible: visible(&bounds, adopted),
            period_us,
            adopted,
            known: held,
            advised: None,
            seq: 0,
            doubt: None,
            usage: Usage::new(span),
            outlook: None,
            foreseen: None,
            attainment: None,
            own: None,
            working_set: None,
            memory: Memory::default(),
            trials: Trials::new(resource),
            raised: Nanos(0),
            trimmed: Nanos(0),
            changes: Rate::default(),
            ordered: None,
            held_back: None,
            held: None,
            behind: None,
            foreign: Foreign::default(),
            answer: Answer::None,
            ration: None,
            barred: Nanos(0),
            fresh: false,
            sent: None,
            told: None,
        }
    }

    /// See `Envelope::base`.
    pub(super) fn base(&self, floor: Amount) -> Amount {
        self.grain.quantise(floor.max(self.given()), Round::Up)
    }

    /// What is its own without a floor: its owner's limit, or what of that is held for it.
    pub(super) fn given(&self) -> Amount {
        self.own().map_or(self.adopted, |own| own.min(self.adopted))
    }

    /// What of its owner's limit is held for it: no less than is to be seen, or a recall would go below.
    pub(super) fn own(&self) -> Option<Amount> {
        self.own.map(|own| own.max(self.visible))
    }

    /// Forgets what is to be seen by those below.
    pub(super) fn show_own(&mut self) {
        self.visible = visible(&self.bounds, self.adopted);
    }

    /// One below is to see no less than this, and it sees this limit as well.
    pub(super) fn show(&mut self, below: Amount) {
        self.visible = self.visible.max(below.min(self.adopted));
    }

    /// What of its floor is set aside on the node. Nobody is entitled to a floor that nobody has asked for: it only
    /// keeps the limit from standing where a burst is throttled without a warning. Of that of CPU only what is needed
    /// is set aside, as of an idle loan; the rest is there to be lent, until it is needed.
    pub(super) fn needed_of_floor(&self) -> Amount {
        let floor = self.grain.quantise(self.bounds.floor, Round::Up);
        let known = self.usage.samples() > 0;
        if !self.bounds.default_floor || self.resource == Resource::Memory || !known {
            return floor;
        }
        let need = self.usage.demand(OFTEN).max(self.usage.wanted());
        floor.min(need.percent(100 + self.bounds.use_headroom))
    }

    /// The limit that policies see: the advised one in mode `recommend`.
    pub(super) fn limit(&self) -> Amount {
        self.advised.unwrap_or(self.known)
    }

    /// The limit has changed by our hand; `rule` is `None` for a lift by the fast loop.
    pub(super) fn changed(&mut self, now: Nanos, from: Amount, to: Amount, rule: Option<Rule>) {
        if to > from {
            self.raised = now;
        } else {
            self.trimmed = now;
        }
        if rule.is_some() {
            self.changes.count(now, self.bounds.changes_per_minute);
        }
        self.memory.limit_changed();
    }

    /// What became of a proposal: the guardrail that stopped it, and where it was to lead.
    pub(super) fn hold(&mut self, now: Nanos, held: Option<(Guard, Amount)>, behind: Option<Slot>) {
        let guard = held.map(|(guard, _)| guard);
        let lasts = self.held.filter(|_| self.held_back == guard);
        let since = lasts.map_or(now, |(since, _)| since);
        self.held = held.map(|(_, to)| (since, to));
        self.held_back = guard;
        self.behind = behind.filter(|_| guard == Some(Guard::Rival));
    }

    /// How long after a raise nothing is trimmed. What memory was lifted too far is known as soon as its growth
    /// has stopped, and where the limit does not kill it can be lifted again.
    pub(super) fn cooldown(&self) -> Nanos {
        let waits = self.bounds.give_back.is_some()
            && self.working_set.as_ref().is_some_and(|set| !set.kills());
        if waits {
            self.bounds.cut_interval.min(self.bounds.cooldown)
        } else {
            self.bounds.cooldown
        }
    }

    /// Trims in a row that hurt or were taken back, and how long it is not trimmed after a raise since.
    pub(super) fn backs_off(&self) -> (u32, Nanos) {
        (self.memory.hurts(), self.memory.patience(self.cooldown()))
    }

    /// Somebody else has written the limit that was ours.
    pub(super) fn found(&mut self, now: Nanos, theirs: Amount, settings: &Settings) -> NoticeKind {
        let ours = self.known;
        let writes = self.foreign.found(now, settings);
        self.follow(theirs);
        if self.foreign.at_war() {
            NoticeKind::WriteWar { theirs, writes }
        } else {
            let until = self.foreign.until().unwrap_or(now);
            NoticeKind::Foreign {
                ours,
                theirs,
                until,
            }
        }
    }

    /// The limit has changed by somebody else's hand: theirs is the original now.
    pub(super) fn follow(&mut self, held: Amount) {
        self.adopted = held;
        self.known = held;
        self.doubt = None;
        self.trials.abandon();
        self.advised = None;
        self.sent = None;
        self.memory.limit_changed();
    }

    /// Takes the kernel's period as it is now.
    pub(super) fn set_period(&mut self, period_us: u64) {
        self.period_us = period_us;
        self.grain = grain(self.resource, period_us);
    }
}

/// What is to be seen of a limit by its own bounds: its owner, and the ceiling, may want less.
fn visible(bounds: &Bounds, adopted: Amount) -> Amount {
    bounds.visible.min(bounds.ceiling).min(adopted)
}

fn grain(resource: Resource, period_us: u64) -> Grain {
    match resource {
        Resource::Cpu => Grain::cpu(period_us),
        Resource::Memory => Grain::MEMORY,
    }
}
