//! One tick: from a snapshot to decisions, bounds, pools and thresholds.

use super::attain::attained;
use super::control::{Answer, Control};
use super::decision::{Decision, Tick};
use super::division::Asked;
use super::engine::{Engine, Workload};
use super::guard::{self, Passed};
use super::order::Settle;
use super::policy::Proposal;
use super::reason::{Clamp, Guard, Input, Otherwise, Reason, Rule};
use crate::signal::{Amount, Mode, Nanos, Resource, Slot};
use crate::snapshot::Snapshot;
use std::cmp::Reverse;

/// What became of a proposal: by which rule, and the decision or the guardrail that stopped it.
type Outcome = (Rule, Result<Decision, Guard>);

impl Engine {
    /// Decides. `now` is the present time, not earlier than the snapshot's.
    #[must_use]
    pub fn tick(&mut self, now: Nanos, snapshot: &Snapshot) -> Tick {
        let mut out = Tick {
            notices: std::mem::take(&mut self.notices),
            ..Tick::default()
        };
        self.ration(now);
        self.go_round(now, snapshot, &mut out);
        self.show();
        self.sum_floors();
        self.sum_set_aside();
        self.pools = self.pool_sizes();
        out.pools = self.pools;
        self.sum_loans();
        self.plan();
        self.gather(now);
        self.arbitrate();
        let raises = self.decide(now, &mut out);
        self.recall(now, snapshot.elapsed, &mut out);
        out.payer = self.payer();
        // Children before parents.
        let rank = |settle: &Settle| self.workload(settle.slot).map(|workload| workload.rank);
        out.settles.sort_by_key(|settle| Reverse(rank(settle)));
        out.settles.extend(raises);
        out.decisions
            .sort_by_key(|decision| (decision.slot, decision.resource));
        self.tell(&mut out);
        out
    }

    /// Takes one workload after the other: observes it, asks its policies, and notes what is to be added
    /// up. Of very many, the caches do not hold what is known until a second round, so that one must do.
    fn go_round(&mut self, now: Nanos, snapshot: &Snapshot, out: &mut Tick) {
        self.node = snapshot.node;
        self.division.asked.clear();
        self.briefs.clear();
        let mut seen = snapshot.workloads.iter().peekable();
        for slot in (0..).map(Slot).take(self.workloads.len()) {
            for resource in Resource::ALL {
                if let Some(control) = self.control(slot, resource) {
                    control.fresh = false;
                }
            }
            while let Some(signals) = seen.next_if(|signals| signals.slot <= slot) {
                self.observe(now, snapshot, signals, out);
            }
            self.ask(now, slot);
            self.note(slot);
        }
    }

    /// Notes where every limit stands before anything is decided.
    fn plan(&mut self) {
        self.plans.clear();
        let briefs = self.briefs.iter();
        self.plans
            .extend(briefs.map(|brief| brief.figures.map(|figures| figures.known)));
    }

    /// Asks the policies, parents before children. Trims go into `out.settles`, and first, so
    /// that there is room; the raises are returned.
    fn decide(&mut self, now: Nanos, out: &mut Tick) -> Vec<Settle> {
        let mut raises = Vec::new();
        for position in 0..self.division.asked.len() {
            let asked = self.division.asked[position];
            let (slot, resource) = (asked.slot, asked.resource);
            let Some(decision) = self.decide_one(now, &asked) else {
                continue;
            };
            if decision.mode == Mode::Enforce {
                self.plans[slot.0 as usize][resource.index()] = decision.to;
                self.count_loan(slot, resource, decision.to);
                let settles = if decision.to > decision.from {
                    &mut raises
                } else {
                    &mut out.settles
                };
                settles.push(decision.settle());
            }
            out.decisions.push(decision);
        }
        raises
    }

    /// Asks one workload's policy and the guardrails, and remembers what came of it.
    fn decide_one(&mut self, now: Nanos, asked: &Asked) -> Option<Decision> {
        let (slot, resource) = (asked.slot, asked.resource);
        let (rule, decision) = self.consider(now, slot, resource, &asked.proposal)?;
        let enforced = self.workload(slot)?.mode == Mode::Enforce;
        let behind = self.division.behind(slot, resource);
        let control = self.control(slot, resource)?;
        control.memory = asked.memory;
        let held = decision.as_ref().err();
        control.hold(now, held.map(|guard| (*guard, asked.proposal.to)), behind);
        if rule == Rule::Undo {
            control.trials.answered();
        }
        let decision = decision.ok()?;
        if enforced {
            control.ordered = Some(rule);
        } else {
            control.ordered_change(now, None, (decision.from, decision.to), Some(rule));
            control.advised = Some(decision.to);
        }
        Some(decision)
    }

    /// What the guardrails say to a proposal.
    fn consider(
        &self,
        now: Nanos,
        slot: Slot,
        resource: Resource,
        proposal: &Proposal,
    ) -> Option<Outcome> {
        let workload = self.workload(slot)?;
        let control = workload.controls[resource.index()].as_ref()?;
        let scene = self.scene(now, slot, workload, control);
        let passed = guard::pass(&scene, proposal.rule, proposal.to);
        let decide = |passed| {
            let mut decision = decision(now, slot, workload, control, proposal, passed);
            let bounds = |clamp: &Clamp| clamp.guard == Guard::Rival;
            if decision.reason.clamps.iter().any(bounds) {
                let rival = self.rival_of(slot, resource, workload.entitlement);
                decision.reason.inputs.extend(rival);
            }
            decision
        };
        Some((proposal.rule, passed.map(decide)))
    }

    /// Collects what the fast loop and the kernel should know from now on.
    fn tell(&mut self, out: &mut Tick) {
        for index in 0..self.workloads.len() {
            let Ok(slot) = u32::try_from(index).map(Slot) else {
                break;
            };
            for resource in Resource::ALL {
                out.updates.extend(self.update_for(slot, resource));
                let Some(control) = self.control(slot, resource) else {
                    continue;
                };
                control.answer = Answer::None;
                out.thresholds.extend(self.thresholds(slot, resource));
                self.tell_outcomes(slot, resource, out);
            }
        }
    }
}

/// A proposal that has passed, with its reason.
fn decision(
    now: Nanos,
    slot: Slot,
    workload: &Workload,
    control: &Control,
    proposal: &Proposal,
    passed: Passed,
) -> Decision {
    let (resource, from, to) = (control.resource, control.limit(), passed.to);
    let mut inputs = proposal.basis.inputs();
    inputs.extend(attained(&workload.policy, control));
    inputs.push(Input::Use(control.usage.last()));
    let reason = Reason {
        resource,
        from,
        to,
        rule: proposal.rule,
        inputs,
        clamps: passed.clamps,
        denial: None,
        otherwise: otherwise(resource, from, to),
    };
    Decision {
        time: now,
        slot,
        epoch: workload.epoch,
        resource,
        mode: workload.mode,
        from,
        to,
        seen_seq: control.seq,
        reason,
    }
}

/// What would happen if the limit stayed.
pub(super) fn otherwise(resource: Resource, from: Amount, to: Amount) -> Otherwise {
    match resource {
        _ if to < from => Otherwise::Idle(from.minus(to)),
        Resource::Cpu => Otherwise::Throttled(from),
        Resource::Memory => Otherwise::Killed(from),
    }
}
