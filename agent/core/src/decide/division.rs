//! What all proposals of a tick come to together, and who gets how much where it does not suffice.
//!
//! CPU that is lent can be taken back, but what is in use is taken only for somebody who is short:
//! when the fast loop had to refuse a lift, all loans are divided anew. Otherwise, and for memory,
//! only what is left is divided. What is only recommended takes no part.

use super::arbitrate::{Arbiter, Claim};
use super::control::Control;
use super::engine::{Engine, Workload};
use super::entitlement::{Entitlement, Priority};
use super::envelope::doubled;
use super::guard;
use super::policy::{Memory, Proposal, propose};
use super::reason::Input;
use super::scene::Take;
use crate::signal::{Amount, Mode, Nanos, Resource, Slot};
use std::cmp::Reverse;

/// What a policy has proposed in this tick.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) slot: Slot,
    pub(super) resource: Resource,
    /// What it remembers from now on.
    pub(super) memory: Memory,
    /// Where it would like the limit to stand.
    pub(super) proposal: Proposal,
    /// How far the guardrails would let it go if the pool had enough: raises that are to be written.
    wanted: Option<Amount>,
}

/// One tick's proposals and shares.
#[derive(Clone, Debug, Default)]
pub(super) struct Division {
    /// Slot by slot at first, then in the order of workloads; and of resources.
    pub(super) asked: Vec<Asked>,
    /// By slot, where a workload stands in the order.
    ranks: Vec<usize>,
    /// What raises would take from the pools together.
    more: [Amount; 2],
    parts: [Parts; 2],
    arbiter: Arbiter,
}

/// How one resource is divided.
#[derive(Clone, Debug, Default)]
struct Parts {
    /// Whose claims there are; none while everything fits.
    slots: Vec<Slot>,
    claims: Vec<Claim>,
    /// By slot, where the claim stands among them.
    places: Vec<Option<usize>>,
    /// By slot, up to where its limit may go.
    shares: Vec<Option<Amount>>,
    /// Those who get the most, the first at the front: who is named by the others.
    first: [Option<Slot>; 2],
}

impl Division {
    /// Puts what was asked slot by slot into the order of workloads: parents before children.
    fn line_up(&mut self, order: &[Slot], slots: usize) {
        self.ranks.resize(slots, 0);
        for (rank, slot) in order.iter().enumerate() {
            self.ranks[slot.0 as usize] = rank;
        }
        let ranks = &self.ranks;
        self.asked.sort_by_key(|asked| ranks[asked.slot.0 as usize]);
    }

    /// Up to where a limit may go, where not everybody can have what they want.
    pub(super) fn share(&self, slot: Slot, resource: Resource) -> Option<Amount> {
        let parts = &self.parts[resource.index()];
        parts.shares.get(slot.0 as usize).copied().flatten()
    }

    /// Up to where whoever is to be written may go: its own, where it has claimed nothing.
    pub(super) fn bound(&self, slot: Slot, resource: Resource) -> Option<Amount> {
        let all = !self.parts[resource.index()].claims.is_empty();
        all.then(|| self.share(slot, resource).unwrap_or_default())
    }

    /// Who gets what a workload cannot have.
    pub(super) fn behind(&self, slot: Slot, resource: Resource) -> Option<Slot> {
        let first = self.parts[resource.index()].first.iter().flatten();
        first.copied().find(|first| *first != slot)
    }
}

impl Engine {
    /// Asks a workload's policies.
    pub(super) fn ask(&mut self, now: Nanos, slot: Slot) {
        for resource in Resource::ALL {
            // News of the last settlement is late: decide when it must have come.
            let late = self.control(slot, resource);
            if late.is_none_or(|control| control.ordered.take().is_some()) {
                continue;
            }
            match self.consult(now, slot, resource) {
                Some((memory, Some(proposal))) => self.division.asked.push(Asked {
                    slot,
                    resource,
                    memory,
                    proposal,
                    wanted: None,
                }),
                Some((memory, None)) => self.rest(now, slot, resource, memory),
                None => {}
            }
        }
    }

    /// Adds up what all proposals come to.
    pub(super) fn gather(&mut self, now: Nanos) {
        let mut division = std::mem::take(&mut self.division);
        division.line_up(&self.order, self.workloads.len());
        division.more = [Amount::ZERO; 2];
        for asked in &mut division.asked {
            let (slot, resource) = (asked.slot, asked.resource);
            if let Some((wanted, more)) = self.wanted(now, slot, resource, &asked.proposal) {
                asked.wanted = Some(wanted);
                let sum = &mut division.more[resource.index()];
                *sum = sum.plus(more);
            }
        }
        self.division = division;
    }

    /// A policy that proposes nothing: what it remembers is all there is to it.
    fn rest(&mut self, now: Nanos, slot: Slot, resource: Resource, memory: Memory) {
        if let Some(control) = self.control(slot, resource) {
            control.memory = memory;
            control.hold(now, None, None);
        }
    }

    /// What a policy remembers and proposes; `None` when this is no time to ask it.
    fn consult(
        &self,
        now: Nanos,
        slot: Slot,
        resource: Resource,
    ) -> Option<(Memory, Option<Proposal>)> {
        let workload = self.workload(slot)?;
        let control = workload.controls[resource.index()].as_ref()?;
        let idle = workload.mode == Mode::Observe || workload.pinned || self.paused;
        if idle || !control.fresh || control.doubt.is_some() || control.foreign.stands_back() {
            return None;
        }
        let need = self.need(now, control);
        if need.limit.is_unlimited() {
            return None;
        }
        let mut memory = control.memory;
        let proposal = propose(&workload.policy, &mut memory, &need);
        Some((memory, proposal))
    }

    /// How far a raise would go if the pool had enough, and what that would take from it; `None` for
    /// what takes nothing.
    fn wanted(
        &self,
        now: Nanos,
        slot: Slot,
        resource: Resource,
        proposal: &Proposal,
    ) -> Option<(Amount, Amount)> {
        let workload = self.workload(slot)?;
        let control = workload.controls[resource.index()].as_ref()?;
        let rises = proposal.to > control.known && !control.known.is_unlimited();
        if workload.mode != Mode::Enforce || !rises {
            return None;
        }
        let scene = self.scene_of(now, slot, workload, control, Take::All);
        let to = guard::pass(&scene, proposal.rule, proposal.to).ok()?.to;
        let owed = |limit| self.owed(slot, control, limit);
        let more = owed(to).minus(owed(control.known));
        Some((to, more))
    }

    /// Divides what does not suffice for all.
    pub(super) fn arbitrate(&mut self) {
        let mut division = std::mem::take(&mut self.division);
        for resource in Resource::ALL {
            let index = resource.index();
            let parts = &mut division.parts[index];
            parts.claims.clear();
            parts.shares.clear();
            parts.first = [None; 2];
            let short = resource == Resource::Cpu
                && self.order.iter().any(|slot| self.refused(*slot, resource));
            let left = self.pools[index].minus(self.lent[index]);
            if !short && division.more[index] <= left {
                continue;
            }
            self.claim(resource, short, &division.asked, parts);
            let shares = division.arbiter.divide(&parts.claims, self.pools[index]);
            parts.shares.resize(self.workloads.len(), None);
            for (slot, share) in parts.slots.iter().zip(shares) {
                parts.shares[slot.0 as usize] = Some(*share);
            }
            parts.first = foremost(parts, shares);
            self.adapt_rations(resource, parts);
        }
        self.division = division;
    }

    /// Who was cut to its share before may go up to the present one, if that is more.
    fn adapt_rations(&mut self, resource: Resource, parts: &Parts) {
        for slot in &parts.slots {
            let share = parts.shares[slot.0 as usize].unwrap_or_default();
            if let Some(control) = self.control(*slot, resource)
                && let Some((_, most)) = &mut control.ration
            {
                *most = share.max(*most);
            }
        }
    }

    /// Lists everybody's claim to a resource, parents before children.
    fn claim(&self, resource: Resource, short: bool, asked: &[Asked], parts: &mut Parts) {
        parts.slots.clear();
        parts.places.clear();
        parts.places.resize(self.workloads.len(), None);
        let mut asked = asked
            .iter()
            .filter(|asked| asked.resource == resource)
            .peekable();
        for slot in &self.order {
            let own = asked.next_if(|asked| asked.slot == *slot);
            let wanted = own.and_then(|asked| asked.wanted);
            let Some(workload) = self.workload(*slot) else {
                continue;
            };
            let Some(control) = &workload.controls[resource.index()] else {
                continue;
            };
            let mut above = self.ancestors(*slot);
            let parent = above.find_map(|above| parts.places[above.0 as usize]);
            let nested = !self.cap(*slot, resource).is_unlimited();
            if control.known.is_unlimited() || nested && parent.is_none() {
                continue;
            }
            let claim = self.claim_of(*slot, workload, control, wanted, short);
            if claim.want > claim.floor || claim.held > claim.floor {
                parts.places[slot.0 as usize] = Some(parts.claims.len());
                parts.slots.push(*slot);
                parts.claims.push(Claim {
                    parent: parent.filter(|_| nested),
                    ..claim
                });
            }
        }
    }

    /// What a workload claims. While somebody is `short`, others want no more than they have.
    fn claim_of(
        &self,
        slot: Slot,
        workload: &Workload,
        control: &Control,
        wanted: Option<Amount>,
        short: bool,
    ) -> Claim {
        let known = control.known;
        let want = if short && self.is_hungry(slot, control.resource) {
            // A lift would have led there. What a workload uses unhindered nobody can know.
            wanted
                .map_or(known, |wanted| wanted.max(known))
                .max(doubled(known, control.bounds.step))
        } else if short {
            known
        } else {
            wanted.map_or(known, |wanted| wanted.max(known))
        };
        let takes_back = short && self.armed(workload, control);
        Claim {
            floor: control.base(self.floors[slot.0 as usize][control.resource.index()]),
            held: if takes_back { Amount::ZERO } else { known },
            want,
            ceiling: self.highest(control).max(known),
            entitlement: workload.entitlement,
            parent: None,
        }
    }

    /// What to say about a workload that cannot have all it wants, or must give up what it has.
    pub(super) fn rival_of(
        &self,
        slot: Slot,
        resource: Resource,
        ours: Entitlement,
    ) -> Option<Input> {
        let other = self.workload(self.division.behind(slot, resource)?)?;
        Some(Input::Rival {
            name: other.name.clone(),
            theirs: other.entitlement,
            ours,
        })
    }
}

/// The two that go before all others: of the highest priority, and get most beyond their own.
fn foremost(parts: &Parts, shares: &[Amount]) -> [Option<Slot>; 2] {
    type Standing = (Priority, Amount, Reverse<Slot>);
    let mut first: [Option<Standing>; 2] = [None; 2];
    for ((slot, claim), share) in parts.slots.iter().zip(&parts.claims).zip(shares) {
        let gets = Amount(share.0.saturating_sub(claim.floor.0));
        if gets == Amount::ZERO {
            continue;
        }
        let standing = Some((claim.entitlement.priority, gets, Reverse(*slot)));
        if standing > first[0] {
            first = [standing, first[0]];
        } else if standing > first[1] {
            first[1] = standing;
        }
    }
    first.map(|standing| standing.map(|(_, _, Reverse(slot))| slot))
}
