//! Why a workload waited for a CPU: from the kernel's sums to names.

use trimtab_core::{
    model::waiting::{Groups, NAMES, Sum, Waits},
    signal::{Nanos, Slot},
};
use trimtab_ebpf::{BEHIND, RunqBehind};

use super::{agent::Agent, workload::Workload};
use crate::{
    api::view::{WaitCause, WaitKind, Why},
    probe,
};

const _: () = assert!(
    BEHIND == NAMES,
    "the kernel names as many as the model keeps"
);

/// What happened between two readings of a group's waiting, while its tasks ran for `ran` ns.
pub(super) fn since(last: &probe::Waits, now: &probe::Waits, ran: u64) -> (Waits, Groups) {
    let (old, new) = (&last.behind, &now.behind);
    let grown = |field: fn(&RunqBehind) -> u64| field(new).saturating_sub(field(old));
    let mut groups = Groups::default();
    for (cell, group) in groups.iter_mut().enumerate() {
        let (id, ns) = (new.ids[cell], new.ns[cell]);
        // A cell that has another name was forgotten and taken anew.
        let before = if old.ids[cell] == id { old.ns[cell] } else { 0 };
        *group = (id, ns.saturating_sub(before));
    }
    let mut waits = Waits {
        ran,
        throttled: now.hist.throttled_ns.saturating_sub(last.hist.throttled_ns),
        siblings: grown(|behind| behind.siblings_ns),
        system: grown(|behind| behind.system_ns),
        interrupts: grown(|behind| behind.interrupts_ns),
        idle: grown(|behind| behind.idle_ns),
        unnamed: grown(|behind| behind.unnamed_ns),
        short: 0,
    };
    let told = waits.siblings + waits.system + waits.interrupts + waits.idle + waits.unnamed;
    let named: u64 = groups.iter().map(|(_, ns)| ns).sum();
    let behind_others = now.hist.waiting_ns.saturating_sub(last.hist.waiting_ns);
    waits.short = behind_others.saturating_sub(told + named);
    (waits, groups)
}

impl Agent {
    /// Why a workload waited in the last `window`; `None` when nothing tells how its
    /// tasks wait.
    pub(super) fn why(&self, workload: &Workload, window: Nanos) -> Option<Why> {
        if !self.probe_on(probe::Probe::RunqLatency) || workload.waits.is_none() {
            return None;
        }
        let sum = workload.waiting.over(window);
        Some(Why {
            workload: workload.name.clone(),
            path: workload.shown_path(),
            window_ns: sum.window.0,
            ran_ns: sum.waits.ran,
            waited_ns: sum.waited(),
            causes: self.causes(workload.slot, &sum),
        })
    }

    fn causes(&self, slot: Slot, sum: &Sum) -> Vec<WaitCause> {
        let waits = &sum.waits;
        let mut causes: Vec<WaitCause> = [
            (WaitKind::Quota, waits.throttled),
            (WaitKind::Siblings, waits.siblings),
            (WaitKind::System, waits.system),
            (WaitKind::Interrupts, waits.interrupts),
            (WaitKind::Idle, waits.idle),
            (WaitKind::Others, waits.unnamed),
            (WaitKind::Short, waits.short),
        ]
        .map(|(cause, ns)| WaitCause {
            cause,
            behind: None,
            ns,
        })
        .into();
        for (id, ns) in &sum.groups {
            let (cause, behind) = self.whose(slot, *id);
            let same = |known: &&mut WaitCause| known.cause == cause && known.behind == behind;
            match causes.iter_mut().find(same) {
                Some(known) => known.ns += ns,
                None => causes.push(WaitCause {
                    cause,
                    behind,
                    ns: *ns,
                }),
            }
        }
        causes.retain(|cause| cause.ns > 0);
        causes.sort_by_key(|cause| std::cmp::Reverse(cause.ns));
        causes
    }

    /// Whose tasks those of a group are: the workload's own, another one's, or nobody's.
    pub(super) fn whose(&self, slot: Slot, id: u64) -> (WaitKind, Option<String>) {
        let hierarchy = self.hierarchies.cpu.as_ref().map_or(0, |root| root.id);
        let Some(path) = self.tree.path(hierarchy, id) else {
            return (WaitKind::Group, Some(format!("group {id}, which is gone")));
        };
        let mut above = std::iter::successors(Some(&**path), |path| Some(path.rsplit_once('/')?.0));
        match above.find_map(|path| self.workloads.at(path)) {
            Some(owner) if owner == slot => (WaitKind::Siblings, None),
            Some(owner) => {
                let name = self.workloads.get(owner).map(|owner| owner.name.clone());
                (WaitKind::Workload, name)
            }
            None => (WaitKind::Group, Some(format!("/{path}"))),
        }
    }

    /// Makes room for other names where the kernel has run out of them.
    pub(super) fn forget_names(&mut self, crowded: &[Slot]) {
        for slot in crowded {
            let (Some(workload), Some(probes)) = (self.workloads.get_mut(*slot), &mut self.probes)
            else {
                continue;
            };
            let (Some(id), Some(last)) = (workload.group.ids.cpu, &mut workload.waits) else {
                continue;
            };
            match probes.runq().forget_names(id) {
                Ok(()) => (last.behind.ids, last.behind.ns) = ([0; BEHIND], [0; BEHIND]),
                Err(error) => tracing::warn!(%error, "the causes of waiting stay incomplete"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(waiting: u64, throttled: u64, named: &[(u64, u64)]) -> probe::Waits {
        let mut waits = probe::Waits::default();
        (waits.hist.waiting_ns, waits.hist.throttled_ns) = (waiting, throttled);
        for (cell, (id, ns)) in named.iter().enumerate() {
            (waits.behind.ids[cell], waits.behind.ns[cell]) = (*id, *ns);
        }
        waits
    }

    #[test]
    fn what_is_not_told_apart_was_short() {
        let mut now = reading(100, 7, &[(5, 30), (6, 20)]);
        now.behind.siblings_ns = 10;
        let (waits, groups) = since(&reading(20, 2, &[(5, 10)]), &now, 1_000);
        let expected = Waits {
            ran: 1_000,
            throttled: 5,
            siblings: 10,
            short: 30,
            ..Waits::default()
        };
        assert_eq!(waits, expected);
        assert_eq!((groups[0], groups[1]), ((5, 20), (6, 20)));
    }

    #[test]
    fn a_cell_that_was_taken_anew_counts_from_nothing() {
        let (_, groups) = since(&reading(0, 0, &[(5, 90)]), &reading(40, 0, &[(8, 40)]), 0);
        assert_eq!(groups[0], (8, 40));
    }
}
