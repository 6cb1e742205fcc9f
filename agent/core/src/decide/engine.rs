//! The slow loop's brain: takes workloads, records and snapshots, gives decisions.

use super::brief::Brief;
use super::control::Control;
use super::decision::Notice;
use super::division::Division;
use super::entitlement::{Entitlement, Priority};
use super::envelope::EnvelopeUpdate;
use super::settings::{Bounds, Policy, Settings, WorkloadSpec};
use crate::model::Usage;
use crate::signal::{Amount, Mode, Nanos, Resource, Slot};
use crate::snapshot::NodeSignals;
use serde::{Deserialize, Serialize};

/// All that is known and decided. Same calls in the same order, same results; so also from a
/// copy on, which is why it can be serialised.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Engine {
    pub(super) settings: Settings,
    pub(super) paused: bool,
    pub(super) workloads: Vec<Option<Workload>>,
    /// Occupied slots in order of adoption, so parents come before their children.
    pub(super) order: Vec<Slot>,
    /// How many workloads were ever adopted.
    pub(super) adoptions: u64,
    /// The node as the last snapshot saw it.
    pub(super) node: NodeSignals,
    /// The sizes of the pools, as of the last tick.
    pub(super) pools: [Amount; 2],
    /// What is lent, as far as the slow loop knows; this tick's raises count already.
    pub(super) lent: [Amount; 2],
    pub(super) notices: Vec<Notice>,
    /// Whether any bounds have ever said what applications are to see.
    pub(super) shows: bool,
    /// Per slot: floors, for parents at least the sum of their children's. Kept between ticks
    /// only to save the allocation, like the next one.
    pub(super) floors: Vec<[Amount; 2]>,
    /// Per slot: what is set aside of CPU, as of the last tick.
    pub(super) set_aside: Vec<Amount>,
    /// Per slot: where this tick's decisions put the limits.
    pub(super) plans: Vec<[Amount; 2]>,
    /// Per slot: what this tick has found, in brief. Nothing of it counts in the next one, nor of
    /// what follows.
    #[serde(skip)]
    pub(super) briefs: Vec<Brief>,
    /// What this tick's proposals come to together.
    #[serde(skip)]
    pub(super) division: Division,
}

/// One workload.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Workload {
    pub(super) epoch: u32,
    /// Place in the order of adoption: a parent's is smaller than its children's.
    pub(super) rank: u64,
    pub(super) name: String,
    pub(super) parent: Option<Slot>,
    pub(super) mode: Mode,
    pub(super) policy: Policy,
    pub(super) entitlement: Entitlement,
    /// The highest priority of it and of those below it: they can have no more than it has.
    pub(super) precedence: Priority,
    pub(super) born: Nanos,
    pub(super) pinned: bool,
    pub(super) controls: [Option<Control>; 2],
}

impl Engine {
    /// An engine without workloads.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            paused: false,
            workloads: Vec::new(),
            order: Vec::new(),
            adoptions: 0,
            node: NodeSignals::default(),
            pools: [Amount::ZERO; 2],
            lent: [Amount::ZERO; 2],
            notices: Vec::new(),
            shows: false,
            floors: Vec::new(),
            set_aside: Vec::new(),
            plans: Vec::new(),
            briefs: Vec::new(),
            division: Division::default(),
        }
    }

    /// Whether it is one that could have come to be: for one that was read from somewhere.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let occupied = self.workloads.iter().flatten().count();
        let mut order = self.order.clone();
        order.sort_unstable();
        order.dedup();
        let ordered = order.iter().all(|slot| self.workload(*slot).is_some());
        let ends = |slot: &Slot| self.ancestors(*slot).take(occupied + 1).count() <= occupied;
        ordered
            && order.len() == occupied
            && self.order.len() == occupied
            && self.floors.len() == self.workloads.len()
            && order.iter().all(ends)
    }

    /// Replaces the settings.
    pub fn set_settings(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// Takes a workload in, replacing whatever was in the slot. The envelopes returned are for
    /// the fast loop, so that lifts work before the first tick; `None` for a resource that is not
    /// managed. Parents must be adopted before their children: an unknown one counts as none.
    pub fn adopt(
        &mut self,
        slot: Slot,
        epoch: u32,
        spec: WorkloadSpec,
    ) -> [Option<EnvelopeUpdate>; 2] {
        self.remove(slot);
        self.shows |= show(&spec.bounds);
        let span = window(&spec.policy);
        let controls = Resource::ALL.map(|resource| {
            let index = resource.index();
            let (adopted, held) = (spec.adopted[index], spec.held[index]);
            spec.bounds[index]
                .map(|bounds| Control::new(resource, bounds, adopted, held, spec.period_us, span))
        });
        self.adoptions += 1;
        let workload = Workload {
            epoch,
            rank: self.adoptions,
            name: spec.name,
            parent: spec
                .parent
                .filter(|parent| self.workload(*parent).is_some()),
            mode: spec.mode,
            policy: spec.policy,
            entitlement: spec.entitlement,
            precedence: spec.entitlement.priority,
            born: spec.born,
            pinned: false,
            controls,
        };
        let index = slot.0 as usize;
        if self.workloads.len() <= index {
            self.workloads.resize_with(index + 1, || None);
        }
        self.workloads[index] = Some(workload);
        self.order.push(slot);
        self.precede(slot);
        self.floors.resize(self.workloads.len(), [Amount::ZERO; 2]);
        self.floors[index] = spec
            .bounds
            .map(|bounds| bounds.map_or(Amount::ZERO, |bounds| bounds.floor));
        Resource::ALL.map(|resource| self.update_for(slot, resource))
    }

    /// Forgets a workload that has gone. Its children become top-level, or their grandparent's.
    pub fn remove(&mut self, slot: Slot) {
        let gone = self
            .workloads
            .get_mut(slot.0 as usize)
            .and_then(Option::take);
        let Some(gone) = gone else { return };
        for child in self.workloads.iter_mut().flatten() {
            if child.parent == Some(slot) {
                child.parent = gone.parent;
            }
        }
        self.order.retain(|other| *other != slot);
        self.precedences();
    }

    /// Puts a workload below another one, which was adopted after it.
    pub fn reparent(&mut self, slot: Slot, parent: Option<Slot>) {
        if let Some(workload) = self.workload_mut(slot) {
            workload.parent = parent;
        }
        // It and what is below it follow their new ancestor in the order.
        let order = std::mem::take(&mut self.order);
        let (below, rest): (Vec<_>, Vec<_>) = order
            .into_iter()
            .partition(|other| self.is_within(*other, slot));
        self.order = rest.into_iter().chain(below).collect();
        self.survey();
        self.sum_floors();
        self.precedences();
    }

    /// Whether a workload is `above` or below it.
    fn is_within(&self, slot: Slot, above: Slot) -> bool {
        std::iter::successors(Some(slot), |slot| self.workload(*slot)?.parent)
            .any(|slot| slot == above)
    }

    /// The envelopes that are not what they should be any more, without waiting for a tick: after
    /// a pin, a pause or a change of bounds.
    pub fn updates(&mut self) -> Vec<EnvelopeUpdate> {
        let slots = self.order.clone();
        slots
            .into_iter()
            .flat_map(|slot| Resource::ALL.map(|resource| (slot, resource)))
            .filter_map(|(slot, resource)| self.update_for(slot, resource))
            .collect()
    }

    /// Changes what may be done with decisions about a workload. A person has decided anew, so a
    /// write war is forgotten.
    pub fn change_mode(&mut self, slot: Slot, mode: Mode) {
        if let Some(workload) = self.workload_mut(slot) {
            workload.mode = mode;
            for control in workload.controls.iter_mut().flatten() {
                control.advised = None;
                control.foreign.forget();
            }
        }
    }

    /// Pins a workload's limits where they are, or unpins them.
    pub fn pin(&mut self, slot: Slot, pinned: bool) {
        if let Some(workload) = self.workload_mut(slot) {
            workload.pinned = pinned;
        }
    }

    /// Stops all writing, or resumes it.
    pub const fn pause(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// Gives a workload another policy, entitlement and other bounds, as after a reload of the
    /// configuration.
    /// A resource that was not managed before stays so until it is adopted again.
    pub fn reconfigure(
        &mut self,
        slot: Slot,
        policy: Policy,
        entitlement: Entitlement,
        bounds: [Option<Bounds>; 2],
    ) {
        self.shows |= show(&bounds);
        let Some(workload) = self.workload_mut(slot) else {
            return;
        };
        let span = window(&policy);
        let same_span = span == window(&workload.policy);
        let looks_ahead = matches!(policy, Policy::Predictive(_));
        let same_objective = policy.objective() == workload.policy.objective();
        workload.policy = policy;
        let same_priority = entitlement.priority == workload.entitlement.priority;
        workload.entitlement = entitlement;
        for (control, bounds) in workload.controls.iter_mut().zip(bounds) {
            match (control.as_mut(), bounds) {
                (Some(control), Some(bounds)) => {
                    if control.bounds.give_back != bounds.give_back {
                        control.working_set = None;
                    }
                    control.bounds = bounds;
                    control.show_own();
                    if !looks_ahead {
                        (control.outlook, control.foreseen) = (None, None);
                    }
                    if !same_objective {
                        (control.attainment, control.own) = (None, None);
                    }
                    if !same_span {
                        control.usage = Usage::new(span);
                    }
                }
                (Some(_), None) => *control = None,
                (None, _) => {}
            }
        }
        if !same_priority {
            self.precedences();
        }
    }

    /// Has those above a workload go no later than it does.
    fn precede(&mut self, slot: Slot) {
        let Some(workload) = self.workload(slot) else {
            return;
        };
        let (mut above, precedence) = (workload.parent, workload.precedence);
        while let Some(workload) = above.and_then(|above| self.workload_mut(above)) {
            if workload.precedence >= precedence {
                return;
            }
            workload.precedence = precedence;
            above = workload.parent;
        }
    }

    /// The same for all, anew.
    fn precedences(&mut self) {
        for workload in self.workloads.iter_mut().flatten() {
            workload.precedence = workload.entitlement.priority;
        }
        for position in 0..self.order.len() {
            self.precede(self.order[position]);
        }
    }

    /// The update that makes the fast loop's envelope what it should be; `None` if it is already.
    pub(super) fn update_for(&mut self, slot: Slot, resource: Resource) -> Option<EnvelopeUpdate> {
        let index = resource.index();
        let workload = self.workload(slot)?;
        let control = workload.controls[index].as_ref()?;
        let ceiling = self.ceiling(control);
        let update = EnvelopeUpdate {
            slot,
            resource,
            epoch: workload.epoch,
            armed: self.armed(workload, control),
            parent: self.managed_above(slot, resource),
            nested: !self.cap(slot, resource).is_unlimited(),
            adopted: control.adopted,
            own: control.own(),
            modest: self.is_modest(slot, control),
            entitlement: Entitlement {
                priority: workload.precedence,
                ..workload.entitlement
            },
            floor: self.floors[slot.0 as usize][index],
            ceiling,
            step: control.bounds.step,
            lifts_per_minute: control.bounds.lifts_per_minute,
            grain: control.grain,
            limit: control.sent.is_none().then_some(control.known),
        };
        if control.sent == Some(update) {
            return None;
        }
        let control =
            self.workloads.get_mut(slot.0 as usize)?.as_mut()?.controls[index].as_mut()?;
        control.sent = Some(EnvelopeUpdate {
            limit: None,
            ..update
        });
        Some(update)
    }

    /// Whether limits may be written.
    pub(super) fn armed(&self, workload: &Workload, control: &Control) -> bool {
        let wanted = workload.mode == Mode::Enforce && !workload.pinned && !self.paused;
        wanted && !control.foreign.stands_back()
    }

    /// The ceiling, capped by what the node has at all and by a ration.
    pub(super) fn ceiling(&self, control: &Control) -> Amount {
        let ration = control
            .ration
            .map_or(Amount::UNLIMITED, |(_, ration)| ration);
        self.highest(control).min(ration)
    }

    /// The ceiling, capped by what the node has at all.
    pub(super) fn highest(&self, control: &Control) -> Amount {
        let node = match control.resource {
            Resource::Cpu => self.node.capacity,
            Resource::Memory => self
                .node
                .memory_total
                .minus(self.settings.reserve[Resource::Memory.index()]),
        };
        let node = if node == Amount::ZERO {
            Amount::UNLIMITED
        } else {
            node
        };
        control.bounds.ceiling.min(node)
    }

    /// The nearest ancestor that manages the same resource.
    pub(super) fn managed_above(&self, slot: Slot, resource: Resource) -> Option<Slot> {
        let managed = |above: &Slot| {
            self.workload(*above)
                .is_some_and(|above| above.controls[resource.index()].is_some())
        };
        self.ancestors(slot).find(managed)
    }

    /// The smallest limit that the kernel holds among the managed ancestors.
    pub(super) fn cap(&self, slot: Slot, resource: Resource) -> Amount {
        let limits = self.ancestors(slot).filter_map(|above| {
            self.workload(above)?.controls[resource.index()]
                .as_ref()
                .map(|control| control.known)
        });
        limits.min().unwrap_or(Amount::UNLIMITED)
    }

    /// The workloads above one, nearest first.
    pub(super) fn ancestors(&self, slot: Slot) -> impl Iterator<Item = Slot> + '_ {
        // A parent is adopted before its children and never changed, so this ends.
        std::iter::successors(Some(slot), |below| self.workload(*below)?.parent).skip(1)
    }

    pub(super) fn workload(&self, slot: Slot) -> Option<&Workload> {
        self.workloads.get(slot.0 as usize)?.as_ref()
    }

    fn workload_mut(&mut self, slot: Slot) -> Option<&mut Workload> {
        self.workloads.get_mut(slot.0 as usize)?.as_mut()
    }

    pub(super) fn control_mut(
        &mut self,
        slot: Slot,
        resource: Resource,
        epoch: u32,
    ) -> Option<&mut Control> {
        let workload = self
            .workload_mut(slot)
            .filter(|workload| workload.epoch == epoch)?;
        workload.controls[resource.index()].as_mut()
    }
}

/// Whether bounds say what applications are to see.
fn show(bounds: &[Option<Bounds>; 2]) -> bool {
    let mut bounds = bounds.iter().flatten();
    bounds.any(|bounds| bounds.visible > Amount::ZERO)
}

/// How long a policy looks back.
pub(super) fn window(policy: &Policy) -> Nanos {
    match policy {
        Policy::Threshold(_) => Nanos::MINUTE,
        Policy::Headroom(headroom) => headroom.window,
        Policy::Predictive(predictive) => predictive.reactive.window,
        Policy::Slo(slo) => slo.reactive.window,
    }
}
