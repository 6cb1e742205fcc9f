//! What is lent beyond everybody's own, and how it comes back.

use super::control::{Answer, Control};
use super::decision::{Decision, Tick};
use super::engine::Engine;
use super::guard::{self, Passed};
use super::policy::Basis;
use super::reason::{Otherwise, Reason, Rule};
use crate::model::OFTEN;
use crate::signal::{Amount, Mode, Nanos, Resource, Slot};
use std::cmp::Reverse;
use std::iter::successors;

/// How long a borrower that was cut to its share may not go beyond it, after the last refusal:
/// otherwise it would take back what was freed for others.
const RATION: Nanos = Nanos(10 * Nanos::SECOND.0);

/// What a borrower keeps when its loan is called in.
#[derive(Clone, Copy)]
enum Keep {
    /// What it needs so often that it would ask for it again.
    Often,
    /// What it uses now: when nothing else will do.
    Used,
}

impl Engine {
    /// Adds up what is lent, as far as the slow loop knows.
    pub(super) fn sum_loans(&mut self) {
        self.lent = Resource::ALL.map(|resource| {
            let loans = self.order.iter().map(|slot| self.loan(*slot, resource));
            loans.fold(Amount::ZERO, Amount::plus)
        });
    }

    /// Counts a raise that has just been decided, so that the pool is not promised twice.
    pub(super) fn count_loan(&mut self, slot: Slot, resource: Resource, limit: Amount) {
        let control = self
            .workload(slot)
            .and_then(|workload| workload.controls[resource.index()].as_ref());
        let Some(control) = control else { return };
        let more = self
            .owed(slot, control, limit)
            .minus(self.owed(slot, control, control.known));
        let lent = &mut self.lent[resource.index()];
        *lent = lent.plus(more);
    }

    /// Ends rations that nobody has asked for any more, and prolongs the others.
    pub(super) fn ration(&mut self, now: Nanos) {
        let resource = Resource::Cpu;
        let wanted = self.order.iter().any(|slot| self.refused(*slot, resource));
        for workload in self.workloads.iter_mut().flatten() {
            let Some(control) = &mut workload.controls[resource.index()] else {
                continue;
            };
            if let Some((until, _)) = &mut control.ration {
                if wanted {
                    *until = now.plus(RATION);
                } else if now >= *until {
                    control.ration = None;
                }
            }
        }
    }

    /// Calls in loans of CPU, largest first. When the pool is overdrawn, what is in use stays
    /// lent. When somebody was refused, nobody keeps more than its share of the pool by priority and
    /// weight, in use or not: who came first has gained nothing by it.
    pub(super) fn recall(&mut self, now: Nanos, elapsed: Nanos, out: &mut Tick) {
        let resource = Resource::Cpu;
        let size = self.pools[resource.index()];
        // A little overdrawn is what the reserve is for: use outside the workloads is never steady.
        let noise = self.settings.reserve[resource.index()].percent(50);
        let overdrawn = self.lent[resource.index()].minus(size);
        let overdrawn = if overdrawn > noise {
            overdrawn
        } else {
            Amount::ZERO
        };
        let refused = self.order.iter().any(|slot| self.refused(*slot, resource));
        if overdrawn == Amount::ZERO && !refused {
            return;
        }
        let loans = self
            .order
            .iter()
            .map(|slot| (self.loan(*slot, resource), *slot));
        let mut loans: Vec<_> = loans
            .filter(|(loan, slot)| *loan > Amount::ZERO || self.refused(*slot, resource))
            .collect();
        loans.sort_unstable_by_key(|(loan, slot)| (Reverse(*loan), *slot));
        let mut wanted = if refused {
            Amount::UNLIMITED
        } else {
            overdrawn
        };
        let rounds: &[Keep] = if refused {
            &[Keep::Used]
        } else {
            &[Keep::Often, Keep::Used]
        };
        for keep in rounds {
            for (loan, slot) in &loans {
                if wanted == Amount::ZERO {
                    return;
                }
                if let Some(decision) = self.call_in(now, elapsed, *slot, *loan, *keep) {
                    wanted = wanted.minus(decision.from.minus(decision.to));
                    out.settles.push(decision.settle());
                    out.decisions.push(decision);
                }
            }
        }
    }

    /// Whether a workload wanted no more than its own in one of the last two ticks.
    pub(super) fn is_modest(&self, slot: Slot, control: &Control) -> bool {
        let base = control.base(self.floors[slot.0 as usize][control.resource.index()]);
        control.usage.least() <= base
    }

    /// Whose loan goes first when one who uses no more than its own finds the pool lent out: of those
    /// who use more, and have what is worth taking, one of the lowest priority, and the largest loan
    /// for its weight.
    pub(super) fn payer(&self) -> Option<Slot> {
        let resource = Resource::Cpu;
        let borrowers = self.order.iter().filter_map(|slot| {
            let loan = self.loan(*slot, resource);
            if loan == Amount::ZERO {
                return None;
            }
            let workload = self.workload(*slot)?;
            let control = workload.controls[resource.index()].as_ref()?;
            let worth = loan.0 >= control.bounds.step.0 / 4;
            let weight = u128::from(workload.entitlement.weight.max(1));
            let per_weight = (u128::from(loan.0) << 32) / weight;
            (worth && !self.is_modest(*slot, control)).then_some((
                Reverse(workload.precedence),
                per_weight,
                Reverse(*slot),
            ))
        });
        borrowers.max().map(|(_, _, Reverse(slot))| slot)
    }

    /// Whether the fast loop has refused a lift since the last tick because the pool was empty.
    pub(super) fn refused(&self, slot: Slot, resource: Resource) -> bool {
        let control = self
            .workload(slot)
            .and_then(|workload| workload.controls[resource.index()].as_ref());
        control.is_some_and(|control| control.answer == Answer::Refused)
    }

    /// Whether a workload wants more than it can have: it was refused, or it has heard of a shortage and
    /// is held by its ration, or by one above it that wants more.
    pub(super) fn is_hungry(&self, slot: Slot, resource: Resource) -> bool {
        let control = |slot: Slot| self.workload(slot)?.controls[resource.index()].as_ref();
        let held = |control: &Control| match control.answer {
            Answer::None => false,
            Answer::Heard => control
                .ration
                .is_some_and(|(_, most)| control.known >= most),
            Answer::Refused => true,
        };
        let Some(own) = control(slot) else {
            return false;
        };
        let mut above = self.ancestors(slot).filter_map(control);
        held(own) || own.answer == Answer::Heard && above.any(held)
    }

    /// What is lent to a workload, as far as the slow loop knew when the tick began.
    pub(super) fn loan(&self, slot: Slot, resource: Resource) -> Amount {
        let index = resource.index();
        let brief = self.brief(slot);
        let figures = &brief.figures[index];
        let mut above = successors(brief.parent, |above| self.brief(*above).parent);
        let nested = above.any(|above| !self.brief(above).figures[index].known.is_unlimited());
        let base = figures.base(self.floors[slot.0 as usize][index]);
        beyond(base, figures.known, nested)
    }

    /// What a limit owes to the pool: the slow loop's view of `Envelope::lent`.
    pub(super) fn owed(&self, slot: Slot, control: &Control, limit: Amount) -> Amount {
        let base = control.base(self.floors[slot.0 as usize][control.resource.index()]);
        let nested = !self.cap(slot, control.resource).is_unlimited();
        beyond(base, limit, nested)
    }

    /// Lowers one loan to what is kept of it, or to its share if that is less.
    fn call_in(
        &mut self,
        now: Nanos,
        elapsed: Nanos,
        slot: Slot,
        lent: Amount,
        keep: Keep,
    ) -> Option<Decision> {
        let resource = Resource::Cpu;
        let workload = self.workload(slot)?;
        let control = workload.controls[resource.index()].as_ref()?;
        // Use is known only over whole ticks: a lift since the last one is not in it yet.
        let measured = now.since(control.raised) > Nanos(elapsed.0.saturating_mul(2));
        let free = control.fresh && control.ordered.is_none() && control.doubt.is_none();
        if !measured || !free || !self.armed(workload, control) {
            return None;
        }
        let scene = self.scene(now, slot, workload, control);
        let kept = match keep {
            Keep::Often => {
                let headroom = 100 + control.bounds.use_headroom;
                control.usage.demand(OFTEN).percent(headroom)
            }
            Keep::Used => Amount::ZERO,
        };
        let idle = guard::pass(&scene, Rule::Recall, scene.base.max(kept))
            .ok()
            .map(|passed| (Rule::Recall, passed));
        let share = self.division.share(slot, resource);
        let share = share
            .filter(|share| *share < control.known)
            .and_then(|share| {
                let passed = guard::pass(&scene, Rule::Share, share).ok()?;
                Some((Rule::Share, passed))
            });
        let (rule, passed) = [idle, share]
            .into_iter()
            .flatten()
            .min_by_key(|(_, passed)| passed.to)?;
        let Passed { to, clamps } = passed;
        let from = control.known;
        let mut inputs = Basis::Loan {
            lent,
            used: control.usage.wanted(),
        }
        .inputs();
        if rule == Rule::Share {
            inputs.extend(self.rival_of(slot, resource, workload.entitlement));
        }
        let otherwise = Otherwise::Withheld(from.minus(to));
        let reason = Reason {
            resource,
            from,
            to,
            rule,
            inputs,
            clamps,
            denial: None,
            otherwise,
        };
        let (epoch, seen_seq) = (workload.epoch, control.seq);
        let control = self.control(slot, resource)?;
        control.ordered = Some(rule);
        if rule == Rule::Share {
            control.ration = Some((now.plus(RATION), to));
        }
        Some(Decision {
            time: now,
            slot,
            epoch,
            resource,
            mode: Mode::Enforce,
            from,
            to,
            seen_seq,
            reason,
        })
    }
}

/// What of a limit is lent: all beyond its base. Nothing is, where one above has a limit, nor of no limit at all.
fn beyond(base: Amount, limit: Amount, nested: bool) -> Amount {
    if nested || limit.is_unlimited() {
        return Amount::ZERO;
    }
    limit.minus(base)
}
