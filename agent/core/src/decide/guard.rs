//! The guardrails: what bounds a proposal, whatever the policy.

use super::grain::{Grain, Round};
use super::policy::{Memory, Need};
use super::rate::Rate;
use super::reason::{Clamp, Guard, Rule};
use super::settings::Bounds;
use crate::signal::{Amount, Nanos, Resource};

/// The least that is left above what is charged: what a process takes in a millisecond at full speed.
const LEAST_PAD: Amount = Amount(4 << 20);

/// Everything that the guardrails look at.
pub(super) struct Scene<'a> {
    pub(super) resource: Resource,
    pub(super) bounds: &'a Bounds,
    pub(super) grain: Grain,
    pub(super) need: Need<'a>,
    /// There is no limit yet.
    pub(super) unlimited: bool,
    pub(super) memory: &'a Memory,
    /// The floor, which for a parent is at least the sum of its children's.
    pub(super) floor: Amount,
    /// No less than this is to be seen by applications, here and below.
    pub(super) visible: Amount,
    /// The ceiling, which the node's capacity caps.
    pub(super) ceiling: Amount,
    /// Up to here the limit is the workload's own: see `Envelope::base`.
    pub(super) base: Amount,
    /// The limit of the nearest managed ancestor that has one.
    pub(super) parent: Amount,
    /// The highest limit that the node's free memory allows; unlimited for CPU.
    pub(super) node: Amount,
    /// The highest limit that the pool allows, as far as the slow loop knows.
    pub(super) pool: Amount,
    /// Whether that is its share of what does not suffice for all.
    pub(super) divided: bool,
    /// Until when nothing may be lent to it.
    pub(super) barred: Nanos,
    /// Whether the workload's first minutes are over.
    pub(super) settled_in: bool,
    /// For how long after a raise nothing is trimmed, unless trims have hurt.
    pub(super) cooldown: Nanos,
    /// When the limit was last raised.
    pub(super) raised: Nanos,
    /// When the limit was last trimmed, or a trim refused.
    pub(super) trimmed: Nanos,
    pub(super) changes: Rate,
}

/// A proposal that has passed: where to, and what it went through.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Passed {
    pub(super) to: Amount,
    pub(super) clamps: Vec<Clamp>,
}

impl Scene<'_> {
    /// What it means to be bounded by the pool.
    const fn pool_guard(&self) -> Guard {
        if self.divided {
            Guard::Rival
        } else {
            Guard::Pool
        }
    }
}

/// Bounds a proposal, or says which guardrail stops it.
pub(super) fn pass(scene: &Scene<'_>, rule: Rule, proposed: Amount) -> Result<Passed, Guard> {
    let mut passed = Passed {
        to: proposed,
        clamps: Vec::new(),
    };
    if proposed > scene.need.limit {
        raise(scene, rule, &mut passed)?;
    } else {
        trim(scene, rule, &mut passed)?;
    }
    Ok(passed)
}

impl Passed {
    fn at_least(&mut self, guard: Guard, bound: Amount) {
        self.clamp(guard, self.to.max(bound));
    }

    fn at_most(&mut self, guard: Guard, bound: Amount) {
        self.clamp(guard, self.to.min(bound));
    }

    fn clamp(&mut self, guard: Guard, to: Amount) {
        if to != self.to {
            self.clamps.push(Clamp {
                guard,
                from: self.to,
                to,
            });
            self.to = to;
        }
    }

    /// The guardrail that left too little of a proposal.
    fn culprit(&self) -> Guard {
        self.clamps
            .last()
            .map_or(Guard::TooSmall, |clamp| clamp.guard)
    }
}

fn raise(scene: &Scene<'_>, rule: Rule, passed: &mut Passed) -> Result<(), Guard> {
    // Undoing what hurt cannot wait for the rate.
    if rule != Rule::Undo
        && !scene
            .changes
            .admits(scene.need.now, scene.bounds.changes_per_minute)
    {
        return Err(Guard::Changes);
    }
    passed.to = scene.grain.quantise(passed.to, Round::Up);
    passed.at_most(Guard::Ceiling, scene.ceiling);
    passed.at_most(Guard::Parent, scene.parent);
    passed.at_most(Guard::Node, scene.node);
    passed.at_most(scene.pool_guard(), scene.pool);
    if scene.need.now < scene.barred {
        passed.at_most(Guard::Barred, scene.base.max(scene.need.limit));
    }
    passed.to = scene.grain.quantise(passed.to, Round::Down).min(passed.to);
    if passed.to > scene.need.limit && worth(scene.need.limit, passed.to.minus(scene.need.limit)) {
        Ok(())
    } else {
        Err(passed.culprit())
    }
}

fn trim(scene: &Scene<'_>, rule: Rule, passed: &mut Passed) -> Result<(), Guard> {
    if !rule.is_recall() {
        may_trim(scene)?;
        let largest = scene
            .need
            .limit
            .percent(100 - scene.bounds.largest_cut.min(100));
        passed.at_least(Guard::LargestCut, largest);
    }
    // Its share is all that a borrower may count on; its own part is never touched.
    if rule != Rule::Share {
        let used = scene.need.usage.wanted();
        passed.at_least(Guard::Use, used.percent(100 + scene.bounds.use_headroom));
        // Below what is charged the kernel would have to reclaim, on the thread that writes.
        if let Some((_, set)) = scene.need.memory {
            passed.at_least(Guard::Use, just_above(set.charged()));
        }
    }
    if !scene.bounds.trim || rule.is_recall() {
        passed.at_least(Guard::Adopted, scene.base);
    }
    passed.at_least(Guard::Floor, scene.floor);
    passed.at_least(Guard::Visible, scene.visible);
    passed.to = scene.grain.quantise(passed.to, Round::Up);
    if scene.unlimited && passed.to > scene.parent {
        return Err(Guard::Parent);
    }
    if passed.to < scene.need.limit && worth(scene.need.limit, scene.need.limit.minus(passed.to)) {
        Ok(())
    } else {
        Err(passed.culprit())
    }
}

/// Whether this is a time for trimming at all.
fn may_trim(scene: &Scene<'_>) -> Result<(), Guard> {
    let now = scene.need.now;
    match scene.need.memory {
        None if scene.resource == Resource::Memory => return Err(Guard::MemoryStays),
        Some((_, set)) if set.was_short() => return Err(Guard::Short),
        _ => {}
    }
    if !scene.settled_in {
        return Err(Guard::WarmUp);
    }
    if scene.need.usage.throttling().recent().0 > 0 {
        return Err(Guard::Throttled);
    }
    let (cooldown, cut_interval) = (scene.cooldown, scene.bounds.cut_interval);
    if recent(scene.raised, now, cooldown) || recent(scene.trimmed, now, cut_interval) {
        return Err(Guard::Cooldown);
    }
    if recent(scene.raised, now, scene.memory.patience(cooldown)) {
        return Err(Guard::BackOff);
    }
    if !scene.changes.admits(now, scene.bounds.changes_per_minute) {
        return Err(Guard::Changes);
    }
    Ok(())
}

/// A memory limit that is lowered stays so much above what is charged, so that its group may go on
/// breathing while it is written.
#[must_use]
pub fn just_above(charged: Amount) -> Amount {
    charged.plus(Amount(charged.0 / 64).max(LEAST_PAD))
}

/// Whether something happened at all, and less than `span` ago.
fn recent(at: Nanos, now: Nanos, span: Nanos) -> bool {
    at > Nanos(0) && now.since(at) < span
}

/// A change of less than a sixteenth is not worth a write.
fn worth(limit: Amount, change: Amount) -> bool {
    change.0 >= (limit.0 / 16).max(1)
}
