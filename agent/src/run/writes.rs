//! Limits that are written between two ticks: by us, which is no news, or by somebody else.

use trimtab_core::signal::{Mode, Resource, Slot};

use super::agent::{Agent, now};
use crate::{
    act::limit_file::limiting,
    fast::Command,
    sense::{cpu::Quota, file::Sight},
};

impl Agent {
    /// Wishes to hear of writes to a workload's limits.
    pub(super) fn hear(&mut self, slot: Slot) {
        let (Some(writes), Some(workload)) = (&mut self.limit_writes, self.workloads.get(slot))
        else {
            return;
        };
        if workload.mode != Mode::Enforce {
            return;
        }
        for resource in Resource::ALL {
            let (Some(root), Some(_)) = (
                self.hierarchies.of(resource),
                &workload.limits[resource.index()],
            ) else {
                continue;
            };
            let dir = root.group(&workload.group.path);
            let heard = limiting(resource, root.version)
                .iter()
                .try_for_each(|file| writes.watch(slot, resource, &dir.join(file)));
            if let Err(error) = heard
                && error.kind() != std::io::ErrorKind::NotFound
            {
                tracing::warn!(path = &*workload.group.path, %error, "a limit cannot be watched: what somebody else writes there is found by the tick only");
            }
        }
    }

    /// Compares what has been written with what is believed; the fast thread knows best.
    pub(super) fn limits_written(&mut self) {
        let Some(writes) = &mut self.limit_writes else {
            return;
        };
        let written = writes.take();
        if written.is_empty() {
            return;
        }
        // What the fast thread has written itself, it has reported by now.
        self.reports();
        for (slot, resource) in written {
            let Some(workload) = self.workloads.get_mut(slot) else {
                continue;
            };
            let time = now();
            workload.active = time;
            let group = &workload.group;
            let held = match resource {
                Resource::Cpu => group.cpu.as_ref().and_then(|reader| {
                    let quota = reader.quota(&mut self.scratch).ok()?.here()?;
                    quota.map(Quota::amount)
                }),
                Resource::Memory => group.memory.as_ref().and_then(|reader| {
                    let limits = reader.limits(&mut self.scratch).ok().and_then(Sight::here);
                    let limit = workload.limits[resource.index()].as_ref();
                    limits
                        .zip(limit)
                        .map(|((high, max), limit)| limit.memory(high, max))
                }),
            };
            // A group that cannot be read any more is the tick's business.
            let audit = held.and_then(|held| self.engine.heard(time, slot, resource, held));
            if let Some(audit) = audit {
                self.send(Command::Audit(audit));
            }
        }
        let updates = self.engine.updates();
        self.refit(updates);
        let notices = self.engine.notices();
        self.notify(notices);
        self.slow.flush();
    }
}
