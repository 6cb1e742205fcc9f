//! Limits that are taken over once more, after somebody else has written them.

use std::sync::Arc;

use trimtab_core::{
    decide::EnvelopeUpdate,
    signal::{Mode, Slot},
};

use super::{adopt::wish, adoptions::Adoptions, agent::Agent};
use crate::{
    act::{
        backend::{Adopted, Backend as _, Target, Wish},
        error::ActError,
    },
    fast::Command,
};

impl Agent {
    /// Somebody else's value has been taken for the new original: the ledger must know it, and
    /// before anything is written again the fast thread have a lever of the present period. It is to know the limit
    /// that then holds, too, which for memory may be a little below.
    pub(super) fn adopted_anew(&mut self, update: &mut EnvelopeUpdate) {
        let (slot, resource) = (update.slot, update.resource);
        let (Some(limit), Some(workload)) = (update.limit, self.workloads.get_mut(slot)) else {
            return;
        };
        if let Some(state) = workload.limit(resource) {
            state.adopted = update.adopted;
            state.held = limit;
            state.foreign = false;
        }
        if workload.mode != Mode::Enforce {
            return;
        }
        let path = Arc::clone(&workload.group.path);
        // The other resource is being moved meanwhile, and is nobody else's.
        let mut bounds = [None; 2];
        bounds[resource.index()] = workload.limits[resource.index()].map(|limit| limit.bounds);
        match self.adopt_again(&path, wish(&bounds, None), update.armed) {
            Ok(Adopted { cpu, memory }) => {
                for held in cpu.into_iter().chain(memory) {
                    // Of another original the next look tells.
                    if held.adopted == update.adopted {
                        update.limit = Some(held.limit);
                    }
                    let workload = self.workloads.get_mut(slot);
                    if let Some(state) = workload.and_then(|one| one.limit(resource)) {
                        state.held = update.limit.unwrap_or(held.limit);
                        state.hard = held.lever.hard();
                    }
                    self.send(Command::Lever(slot, resource, Box::new(held.lever)));
                }
            }
            Err(error) if error.is_gone() => {}
            Err(error) => {
                if matches!(error, ActError::OwnerSilent { .. }) {
                    self.adoptions.unanswered.insert(path);
                }
                self.step_back(slot, &error);
            }
        }
        self.own(slot);
    }

    /// Takes a limit over once more; one that is left alone is only taken note of.
    fn adopt_again(&mut self, path: &str, wish: Wish, armed: bool) -> Result<Adopted, ActError> {
        let gone = || ActError::Gone { path: path.into() };
        let mut target = Target::open(&self.hierarchies, path)?
            .here()
            .ok_or_else(gone)?;
        // It has been adopted before.
        target.named = true;
        let Adoptions {
            ledger, backend, ..
        } = &mut self.adoptions;
        if !armed {
            return backend
                .follow(ledger, target, wish)
                .map(|()| Adopted::default());
        }
        let mut results = backend.adopt(ledger, vec![(target, wish)]);
        results.pop().unwrap_or_else(|| Err(gone()))
    }

    /// Without its original in the ledger a limit must not be written any more.
    fn step_back(&mut self, slot: Slot, error: &ActError) {
        if let Some(workload) = self.workloads.get_mut(slot) {
            tracing::warn!(path = &*workload.group.path, %error, "a new original cannot be kept; mode `recommend` instead of `enforce`");
            workload.mode = Mode::Recommend;
        }
        self.engine.change_mode(slot, Mode::Recommend);
        for update in self.engine.updates() {
            self.send(Command::Refit(update));
        }
    }
}
