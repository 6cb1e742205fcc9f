//! Within which bounds the fast loop may lift one workload's limit without asking anybody.

use super::entitlement::Entitlement;
use super::grain::{Grain, Round};
use super::pool::Pool;
use super::rate::Rate;
use crate::signal::{Amount, Nanos, Resource, Slot};
use serde::{Deserialize, Serialize};

/// Value of [`Envelope::written`] while a write is under way: everything seen meanwhile is stale.
pub const PENDING: Nanos = Nanos(u64::MAX);

/// One workload's bounds for one resource, and what the fast loop remembers about it.
///
/// The fields up to `grain` are the slow loop's and change only by [`refit`](super::refit); the
/// rest belongs to the fast loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// What is limited.
    pub resource: Resource,
    /// Tells apart the workloads that use one slot after another.
    pub epoch: u32,
    /// Whether limits may be written: mode `enforce`, not pinned, not paused, no foreign writer.
    pub armed: bool,
    /// The nearest managed ancestor.
    pub parent: Option<Slot>,
    /// Whether a managed ancestor has a limit. That is the cap, so the pool is bypassed.
    pub nested: bool,
    /// The limit that its owner had set when the workload was adopted; unlimited when none was.
    pub adopted: Amount,
    /// What of that is held for it, where its policy has found that less will do; `None` for all of it.
    pub own: Option<Amount>,
    /// Whether it wanted no more than its own in one of the last two ticks.
    pub modest: bool,
    /// How it stands among others when the pool is empty.
    pub entitlement: Entitlement,
    /// The limit is never trimmed below this.
    pub floor: Amount,
    /// The limit is never lifted above this.
    pub ceiling: Amount,
    /// A first lift adds at least this much.
    pub step: Amount,
    /// How many lifts a minute are allowed in the long run; a quarter of them may come at once.
    pub lifts_per_minute: u32,
    /// Which amounts the kernel can hold.
    pub grain: Grain,

    /// What the kernel holds, as far as we know.
    pub limit: Amount,
    /// When our last write took effect, or somebody else's was found: what was seen before is
    /// stale. [`PENDING`] while a write is under way.
    pub written: Nanos,
    /// What is lent to it from the pool; always 0 when nested.
    pub lent: Amount,
    /// What is used up of `lifts_per_minute`.
    pub lifts: Rate,
    /// When the present burst's first lift was made.
    pub burst_started: Nanos,
    /// Lifts in the present burst.
    pub burst_lifts: u32,
    /// Until when nothing is lent to it, since what was lent has kept others waiting.
    pub barred: Nanos,
    /// How long the last such time is or was; 0 for none.
    pub bar: Nanos,
    /// A limit found in the kernel that is not ours; nothing is written until re-adoption.
    pub foreign: Option<Amount>,
    /// Sequence number of the last change of `limit`; 0 for none.
    pub seq: u64,
    /// The smallest limit among the managed ancestors (follow `parent`), put here before a lift or
    /// settlement: more than that is in vain, and for CPU on v1 EINVAL. Unlimited when there is
    /// none.
    pub above: Amount,
    /// The largest limit among the descendants (those without one do not count), put here before a
    /// settlement where lowering below it is EINVAL: CPU on v1. 0 elsewhere.
    pub below: Amount,
}

/// The slow loop's word on an envelope. Everything but `limit` replaces the envelope's field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvelopeUpdate {
    /// Whose envelope.
    pub slot: Slot,
    /// What is limited.
    pub resource: Resource,
    /// A new epoch makes a new envelope.
    pub epoch: u32,
    /// See [`Envelope::armed`].
    pub armed: bool,
    /// See [`Envelope::parent`].
    pub parent: Option<Slot>,
    /// See [`Envelope::nested`].
    pub nested: bool,
    /// See [`Envelope::adopted`].
    pub adopted: Amount,
    /// See [`Envelope::own`].
    pub own: Option<Amount>,
    /// See [`Envelope::modest`].
    pub modest: bool,
    /// See [`Envelope::entitlement`].
    pub entitlement: Entitlement,
    /// See [`Envelope::floor`].
    pub floor: Amount,
    /// See [`Envelope::ceiling`].
    pub ceiling: Amount,
    /// See [`Envelope::step`].
    pub step: Amount,
    /// See [`Envelope::lifts_per_minute`].
    pub lifts_per_minute: u32,
    /// See [`Envelope::grain`].
    pub grain: Grain,
    /// The limit that the kernel holds, at (re-)adoption only: the fast loop takes it as it is and
    /// forgets the foreign writer.
    pub limit: Option<Amount>,
}

impl Envelope {
    /// An envelope of which no pool knows yet: see [`adopt`](super::adopt). Without
    /// `update.limit` the adopted limit is taken for the kernel's.
    #[must_use]
    pub const fn new(update: &EnvelopeUpdate) -> Self {
        let limit = match update.limit {
            Some(limit) => limit,
            None => update.adopted,
        };
        Self {
            resource: update.resource,
            epoch: update.epoch,
            armed: update.armed,
            parent: update.parent,
            nested: update.nested,
            adopted: update.adopted,
            own: update.own,
            modest: update.modest,
            entitlement: update.entitlement,
            floor: update.floor,
            ceiling: update.ceiling,
            step: update.step,
            lifts_per_minute: update.lifts_per_minute,
            grain: update.grain,
            limit,
            written: Nanos(0),
            lent: Amount::ZERO,
            lifts: Rate { due: Nanos(0) },
            burst_started: Nanos(0),
            burst_lifts: 0,
            barred: Nanos(0),
            bar: Nanos(0),
            foreign: None,
            seq: 0,
            above: Amount::UNLIMITED,
            below: Amount::ZERO,
        }
    }

    /// Up to here a lift is free: what its owner gave it (where less of that will do, no more than is
    /// held), or its floor. Only what goes beyond is lent from the pool. Rounded up, so that nobody
    /// ends below what they had.
    #[must_use]
    pub fn base(&self) -> Amount {
        let own = self.own.map_or(self.adopted, |own| own.min(self.adopted));
        self.grain.quantise(self.floor.max(own), Round::Up)
    }

    /// Whether a write is under way.
    #[must_use]
    pub fn pending(&self) -> bool {
        self.written == PENDING
    }

    /// What a limit would owe to the pool. Having no limit at all is nothing that we ever lent.
    fn owed(&self, limit: Amount) -> Amount {
        if self.nested || limit.is_unlimited() {
            return Amount::ZERO;
        }
        Amount(limit.0.saturating_sub(self.base().0))
    }

    /// Brings the loan in line with limit and bounds, here and in the pool.
    pub(super) fn account(&mut self, pool: &mut Pool) {
        let owed = self.owed(self.limit);
        pool.relend(self.lent, owed);
        self.lent = owed;
    }

    /// The highest limit that the pool allows at this moment; never below the present one.
    pub(super) fn reach(&self, now: Nanos, pool: &Pool) -> Amount {
        let free = self.limit.max(self.base());
        if self.nested {
            Amount::UNLIMITED
        } else if self.is_barred(now) {
            free
        } else {
            free.plus(pool.left())
        }
    }

    /// Whether nothing may be lent to it.
    pub(super) fn is_barred(&self, now: Nanos) -> bool {
        now < self.barred
    }

    /// What the first lift of a burst leads to, if nothing bounds it.
    pub(super) fn doubled(&self) -> Amount {
        doubled(self.limit, self.step)
    }

    /// What a lift would take from the pool.
    pub(super) fn lacks(&self) -> Amount {
        let to = self.doubled().min(self.top()).min(self.above);
        Amount(self.owed(to).0.saturating_sub(self.lent.0))
    }

    /// Less than this is not worth a write when the pool runs out.
    pub(super) fn worth(&self) -> Amount {
        Amount((self.step.0 / 4).max(self.limit.0 / 16).max(1))
    }

    /// Takes a new limit whose write begins now.
    pub(super) fn begin(&mut self, seq: u64, limit: Amount, pool: &mut Pool) {
        self.limit = limit;
        self.seq = seq;
        self.written = PENDING;
        self.account(pool);
    }

    /// A limit that is not ours was seen at `time`. Events from before that may still come, from
    /// other CPUs, with the limit of their time.
    pub(super) fn found(&mut self, theirs: Amount, time: Nanos) {
        self.foreign = Some(theirs);
        self.wrote(time);
    }

    /// Nothing that was raised before `time` is news any more.
    pub(super) fn wrote(&mut self, time: Nanos) {
        if !self.pending() {
            self.written = self.written.max(time);
        }
    }

    /// The highest limit that envelope and kernel allow.
    pub(super) fn top(&self) -> Amount {
        self.grain
            .quantise(self.ceiling, Round::Down)
            .min(self.ceiling)
    }
}

/// A limit at least doubled, and lifted by a step.
pub(super) fn doubled(limit: Amount, step: Amount) -> Amount {
    limit.percent(200).max(limit.plus(step))
}
