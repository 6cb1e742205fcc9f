//! The shadow of one limit: the limit that another policy would hold.

use super::beside::Beside;
use super::sight::Sight;
use crate::decide::control::Control;
use crate::decide::engine::window;
use crate::decide::envelope::{Envelope, EnvelopeUpdate};
use crate::decide::guard::{self, Passed, Scene};
use crate::decide::policy::{Proposal, propose};
use crate::decide::pool::Pool;
use crate::decide::reason::{Guard, Rule};
use crate::decide::scene::Take;
use crate::decide::settings::{Bounds, Policy};
use crate::decide::settle::{adopt, refit};
use crate::decide::spend::{spend, written};
use crate::decide::trial::Seen;
use crate::signal::{Amount, Cause, Denial, Event, Nanos, Spend};
use crate::snapshot::{CpuSignals, LatencySignals, Snapshot};
use serde::{Deserialize, Serialize};

/// From a decision to the end of its write: what is to last so long from one change to the next ends with the
/// same tick for both.
const WRITE: Nanos = Nanos(Nanos::MILLI.0);

/// The policy that is asked beside a workload's own, about its CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shadow {
    /// How its limit would follow need.
    pub policy: Policy,
    /// Between which values it would move, and how fast.
    pub bounds: Bounds,
}

/// What a shadow would hold, and what has come of both.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Limit {
    policy: Policy,
    /// What it knows, and where its limit stands.
    control: Control,
    /// The same for its lifts.
    envelope: Envelope,
    /// What is left of the node's pool, and what is lent to the workload.
    pool: Pool,
    /// What the kernel held at the last tick.
    held: Amount,
    /// Whether the fast loop has told since then that this limit would not have sufficed.
    heard: bool,
    beside: Beside,
}

impl Limit {
    /// Begins where the limit stands now.
    pub(super) fn new(sight: &Sight<'_>, shadow: &Shadow) -> Self {
        let active = sight.active;
        let (resource, adopted) = (active.resource, active.adopted);
        let bounds = shadow.bounds.under(adopted);
        let limit = active.limit();
        let span = window(&shadow.policy);
        let mut control = Control::new(resource, bounds, adopted, limit, active.period_us, span);
        (control.raised, control.trimmed) = (active.raised, active.trimmed);
        control.changes = active.changes;
        let mut pool = Pool::default();
        let update = EnvelopeUpdate {
            limit: Some(limit),
            ..sight.update
        };
        Self {
            policy: shadow.policy,
            envelope: adopt(&mut pool, &update),
            pool,
            held: active.known,
            heard: false,
            beside: Beside::new(sight.now, sight.stands(active)),
            control,
        }
    }

    /// What has come of both so far.
    pub(super) const fn beside(&self) -> &Beside {
        &self.beside
    }

    /// The fast loop has answered an event: a quota was spent. One that is no larger would have been, too.
    pub(super) fn hear(&mut self, spent: &Spend) {
        let event = &spent.event;
        let advised = spent.denial == Some(Denial::NotEnforced);
        if !advised || self.beside.active.limit <= event.held {
            self.beside.active.lacks();
        }
        if self.control.known <= event.held {
            self.heard = true;
            self.beside.shadow.lacks();
            self.lift(event);
        }
    }

    /// What the fast loop's law makes of an event.
    fn lift(&mut self, event: &Event) {
        let event = Event {
            held: self.envelope.limit,
            ..*event
        };
        let lift = spend(event.time, 0, &mut self.envelope, &mut self.pool, &event);
        if lift.denial.is_none() {
            written(&mut self.envelope, event.time);
            self.control.lifted(&lift, None);
            self.control.known = lift.to;
        }
    }

    /// Takes a tick in, and asks the policy.
    pub(super) fn tick(
        &mut self,
        sight: &Sight<'_>,
        snapshot: &Snapshot,
        cpu: &CpuSignals,
        ended: Option<LatencySignals>,
    ) {
        self.follow(sight.active);
        self.refit(sight);
        let lacks = self.observe(sight, snapshot, cpu, ended);
        if sight.is_time(&self.control) {
            self.count(sight, snapshot.elapsed, cpu);
            self.decide(sight);
        } else {
            self.beside.skip();
        }
        if lacks && !self.heard {
            self.twin(sight);
        }
        self.heard = false;
        self.held = cpu.held;
    }

    /// Whoever owns the limit has set it anew, or its period: both begin there.
    fn follow(&mut self, active: &Control) {
        if self.control.period_us != active.period_us {
            self.control.set_period(active.period_us);
        }
        if self.control.adopted != active.adopted {
            self.control.follow(active.adopted);
        }
        self.control.show_own();
        // More than its own bounds want is for those below.
        if active.visible > active.bounds.visible {
            self.control.show(active.visible);
        }
    }

    /// Brings the envelope up to date; the pool has what it has, and what is lent to the workload.
    fn refit(&mut self, sight: &Sight<'_>) {
        let (engine, control) = (sight.engine, &self.control);
        self.pool.size = sight.pool();
        let update = EnvelopeUpdate {
            adopted: control.adopted,
            own: control.own(),
            floor: sight.floor(control),
            ceiling: engine.ceiling(control),
            step: control.bounds.step,
            lifts_per_minute: control.bounds.lifts_per_minute,
            grain: control.grain,
            limit: (self.envelope.limit != control.known).then_some(control.known),
            ..sight.update
        };
        refit(&mut self.envelope, &mut self.pool, &update);
        self.envelope.above = engine.cap(sight.slot, control.resource);
    }

    /// Feeds its models; whether its limit would not have sufficed.
    fn observe(
        &mut self,
        sight: &Sight<'_>,
        snapshot: &Snapshot,
        cpu: &CpuSignals,
        ended: Option<LatencySignals>,
    ) -> bool {
        let (now, control) = (sight.now, &mut self.control);
        control.usage.push_cpu(now, cpu);
        // Throttling under a limit that is lower than its own is no fault of its trims.
        let within = control.known <= self.held.min(cpu.held);
        let blamed = CpuSignals {
            throttled: if within { cpu.throttled } else { 0 },
            ..*cpu
        };
        control.watch(now, &Seen::cpu(snapshot.time, snapshot.elapsed, &blamed));
        control.foresee(now, &self.policy);
        if self.policy.objective().is_some() {
            control.attain(now, snapshot.elapsed, ended, sight.update.armed);
        }
        let lacks = cpu.used > control.known || blamed.throttled > 0;
        if lacks {
            self.beside.shadow.lacks();
        }
        lacks
    }

    /// A tick has shown a shortage of which no event told.
    fn twin(&mut self, sight: &Sight<'_>) {
        let twin = Event {
            time: sight.now.plus(WRITE),
            slot: sight.slot,
            resource: self.control.resource,
            cause: Cause::Twin,
            held: self.control.known,
            used: Amount::ZERO,
            headroom: Amount::UNLIMITED,
        };
        self.lift(&twin);
    }

    /// Notes where both limits stand, and whether they sufficed.
    fn count(&mut self, sight: &Sight<'_>, elapsed: Nanos, cpu: &CpuSignals) {
        let active = sight.active;
        let held = sight.held(&self.control);
        let beside = &mut self.beside;
        beside.active.moves(sight.stands(active));
        beside.shadow.moves(sight.stands(&self.control));
        let throttled = cpu.throttled > 0 && active.limit() <= cpu.held;
        if throttled || cpu.used > active.limit() {
            beside.active.lacks();
        }
        beside.tick(elapsed, cpu.used, held);
    }

    /// Asks the policy, then the guardrails.
    fn decide(&mut self, sight: &Sight<'_>) {
        let now = sight.now;
        let mut memory = self.control.memory;
        let need = sight.engine.need(now, &self.control);
        let proposal = propose(&self.policy, &mut memory, &need);
        let passed = proposal.map(|proposal| (proposal, self.pass(sight, &proposal)));
        let control = &mut self.control;
        control.memory = memory;
        let Some((proposal, passed)) = passed else {
            return;
        };
        if proposal.rule == Rule::Undo {
            control.trials.answered();
        }
        let Ok(Passed { to, .. }) = passed else {
            return;
        };
        let from = control.limit();
        let at = if sight.update.armed {
            now.plus(WRITE)
        } else {
            now
        };
        control.ordered_change(at, None, (from, to), Some(proposal.rule));
        control.known = to;
        if to < from {
            // What comes after a trim is a new burst.
            self.envelope.burst_lifts = 0;
        }
        self.envelope.begin(0, to, &mut self.pool);
        written(&mut self.envelope, at);
    }

    fn pass(&self, sight: &Sight<'_>, proposal: &Proposal) -> Result<Passed, Guard> {
        let Sight {
            now,
            slot,
            engine,
            workload,
            ..
        } = *sight;
        let floor = sight.floor(&self.control);
        let scene = Scene {
            floor,
            base: self.control.base(floor),
            pool: self.envelope.reach(now, &self.pool),
            divided: false,
            ..engine.scene_of(now, slot, workload, &self.control, Take::All)
        };
        guard::pass(&scene, proposal.rule, proposal.to)
    }
}
