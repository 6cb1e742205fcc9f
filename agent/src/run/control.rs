//! What people change while the agent runs: modes, pins, pauses, the configuration, `trimtab run`.

use std::{fmt, sync::Arc};

use trimtab_core::signal::{Amount, Mode, Resource, Slot};

use super::{
    agent::{Agent, now},
    entry,
    selection::{Selected, Selection},
};
use crate::{
    api::{
        backend::Refusal,
        view::{Adoption, Released},
    },
    config::Config,
};

impl Agent {
    /// Changes what may be done with decisions about a workload, and tells its new slot. Leaving
    /// `enforce` puts its originals back.
    pub(super) fn set_mode(&mut self, slot: Slot, mode: Mode) -> Result<Slot, Refusal> {
        let Some(workload) = self.workloads.get_mut(slot) else {
            return Ok(slot);
        };
        workload.asked = Some(mode);
        if workload.mode == mode {
            return Ok(slot);
        }
        let path = workload.shown_path();
        let ceilings = workload.limits.map(|limit| Some(limit?.bounds.ceiling));
        let run = workload.run;
        let Some(mut selected) = self
            .selected(&path)
            .or_else(|| run.then(|| self.selection.run(ceilings)))
        else {
            return Err(Refusal::Conflict(format!("no policy has {path} any more")));
        };
        selected.mode = mode;
        self.take_up_anew(slot, &selected).ok_or_else(|| {
            Refusal::Failed(format!(
                "{path} could not be taken up anew; the agent's log says why"
            ))
        })
    }

    /// Lets a workload go and takes it up again as selected, and tells its new slot: the one road
    /// by which originals are recorded, or put back. What people have asked for stays.
    fn take_up_anew(&mut self, slot: Slot, selected: &Selected) -> Option<Slot> {
        let old = self.workloads.get(slot)?;
        let path = old.group.path.clone();
        let (name, before, asked) = (old.name.clone(), old.mode, old.asked);
        let (run, pinned, counters) = (old.run, old.pinned, old.counters.clone());
        // Metrics are to have what came since the last tick, too.
        self.read_counters(slot);
        self.let_go(slot);
        self.workloads.wake(slot);
        let slot = self.take_up(&path, selected)?;
        if let Some(workload) = self.workloads.get_mut(slot) {
            workload.name = name;
            workload.asked = asked;
            workload.run = run;
            workload.inherited.clone_from(&counters);
            workload.counters = counters;
            if before != selected.mode {
                let entry = entry::mode(workload, now(), before, selected.mode);
                self.journal.push(entry);
            }
        }
        self.pin(slot, pinned);
        Some(slot)
    }

    /// Leaves a workload's limits where they are, or manages them again.
    pub(super) fn pin(&mut self, slot: Slot, pinned: bool) {
        let Some(workload) = self.workloads.get_mut(slot) else {
            return;
        };
        if workload.pinned == pinned {
            return;
        }
        workload.pinned = pinned;
        self.engine.pin(slot, pinned);
        let text = if pinned {
            "pinned: its limits stay where they are"
        } else {
            "unpinned"
        };
        let entry = entry::remark(workload, now(), None, "pin", text.into());
        self.journal.push(entry);
        self.rearm();
    }

    /// Suspends all writing, or ends that.
    pub(super) fn pause(&mut self, paused: bool) {
        self.paused = paused;
        self.engine.pause(paused);
        self.rearm();
        tracing::info!(paused, "writing limits");
    }

    /// Passes on at once which envelopes may be used.
    fn rearm(&mut self) {
        let updates = self.engine.updates();
        self.refit(updates);
        self.slow.flush();
    }

    /// Takes over a new configuration: policies, bounds and modes; the node's reserve; how many workloads
    /// metrics tell by name. Where metrics are asked for has moved already. Socket, directories, tick and
    /// the fast thread stay as they were started, and so do the modes that people have asked for.
    pub(super) fn reload(&mut self, config: Config) {
        self.config_error = None;
        let text = "the configuration has been read again".to_owned();
        self.journal.push(entry::about_node(now(), "reload", text));
        if let Some(accounts) = &mut self.accounts {
            accounts.set_room(config.report.workloads as usize);
        }
        self.selection = Selection::new(config, self.capacity());
        self.engine.set_settings(self.selection.settings());
        let all: Vec<_> = self
            .workloads
            .iter()
            .filter(|workload| !workload.run)
            .map(|workload| workload.slot)
            .collect();
        for slot in all {
            self.select_again(slot);
        }
        self.take_up_all();
        self.slow.flush();
    }

    /// Finds the policy that has a workload afresh; gives up one that none has any more.
    pub(super) fn select_again(&mut self, slot: Slot) {
        let Some(workload) = self.workloads.get(slot) else {
            return;
        };
        let Some(mut selected) = self.selected(&workload.group.path) else {
            self.release(slot);
            return;
        };
        selected.mode = workload.asked.unwrap_or(selected.mode);
        let same = selected.manages() == workload.manages()
            && selected.cpu_weight == workload.cpu_weight
            && !workload.memory_outgrows(&selected.bounds);
        if selected.mode != workload.mode || !same {
            self.take_up_anew(slot, &selected);
        } else {
            self.reconfigure(slot, &selected);
        }
    }

    /// Keeps the configuration that is in force, since the new one is wrong or cannot be followed.
    pub(super) fn keep_config(&mut self, error: &dyn fmt::Display) {
        tracing::error!("the configuration stays as it is: {error}");
        let text = format!("the configuration stays as it is: {error}");
        self.journal.push(entry::about_node(now(), "reload", text));
        self.config_error = Some(error.to_string());
    }

    fn reconfigure(&mut self, slot: Slot, selected: &Selected) {
        let Some(workload) = self.workloads.get_mut(slot) else {
            return;
        };
        let bounds = Resource::ALL.map(|resource| {
            let bounds = selected.bounds[resource.index()]?;
            let limit = workload.limit(resource)?;
            limit.bounds = bounds.under(limit.adopted);
            Some(limit.bounds)
        });
        workload.policy = Arc::clone(&selected.policy);
        workload.objective = selected.objective();
        let (name, beside) = selected.shadow.clone().unzip();
        workload.shadow = name;
        self.engine.shadow(slot, workload.epoch, beside);
        self.engine.reconfigure(
            slot,
            selected.rule,
            selected.entitlement,
            bounds,
            &selected.policy,
        );
        self.rearm();
    }

    /// Makes the group of a `trimtab run` a workload.
    pub(super) fn adopt_run(&mut self, adoption: &Adoption) -> Result<Slot, Refusal> {
        let path = adoption.path.trim_matches('/');
        let slot = self.workloads.at(path).or_else(|| {
            // A policy of the configuration that has it is what its user wanted, whether or not
            // the kernel's word of the new group has come before this.
            let selected = self.selected(path).unwrap_or_else(|| {
                self.selection.run([
                    adoption.cpu_ceiling_micro_cpus.map(Amount),
                    adoption.memory_ceiling_bytes.map(Amount),
                ])
            });
            self.take_up(path, &selected)
        });
        let slot = slot.ok_or_else(|| {
            Refusal::NotFound(format!("there is no group /{path} that could be managed"))
        })?;
        if let Some(workload) = self.workloads.get_mut(slot) {
            workload.name.clone_from(&adoption.name);
            workload.run = true;
        }
        self.slow.flush();
        Ok(slot)
    }

    /// Ends what `adopt_run` began.
    pub(super) fn release_run(&mut self, path: &str) -> Result<Released, Refusal> {
        self.reports();
        let slot = self
            .workloads
            .at(path)
            .ok_or_else(|| Refusal::NotFound(format!("{path} was not adopted, or has gone")))?;
        self.read_counters(slot);
        let released = self.summary(slot);
        self.let_go(slot);
        Ok(released)
    }

    /// What `trimtab run` wants to know at the end.
    fn summary(&self, slot: Slot) -> Released {
        let Some(workload) = self.workloads.get(slot) else {
            return Released::default();
        };
        Released {
            counters: workload.counters.clone(),
            signals: workload.signals(),
            waited_ns: workload.waits.as_ref().map(|waits| waits.hist.waiting_ns),
        }
    }
}
