//! Processes, joined to their workloads.

use std::collections::HashMap;

use trimtab_core::signal::Slot;

use super::agent::{Agent, now};
use crate::{
    api::{
        backend::Refusal,
        view::{self, sort},
    },
    probe::{Probe, State},
    sense::{
        hierarchy::Version,
        process::{self, Processes},
    },
};

/// Where a process is: the path of its group, and the workload that it belongs to.
type Place = (String, Option<Slot>);

impl Agent {
    /// The processes of a workload, those of groups below it included; without one, of all groups.
    pub(super) fn processes(&mut self, of: Option<Slot>) -> Result<view::Processes, Refusal> {
        let time = now();
        let (processes, degraded) = match self.listed(time.0) {
            Ok(processes) => (processes, delays_kept()),
            Err(why) => (self.read_files(of, time.0, &why)?, why),
        };
        let left_out = processes.left_out;
        let mut places = HashMap::new();
        let mut shown = Vec::new();
        for process in processes.finish() {
            let (cgroup, slot) = places
                .entry(process.group)
                .or_insert_with_key(|id| self.place(*id));
            if of.is_none_or(|of| self.is_within(*slot, of)) {
                shown.push(self.process(process, cgroup, *slot));
            }
        }
        sort(&mut shown);
        Ok(view::Processes {
            monotonic_ns: time.0,
            processes: shown,
            left_out,
            degraded,
        })
    }

    /// By the kernel's list of threads; the error says why there is none.
    fn listed(&mut self, now: u64) -> Result<Processes, String> {
        let cpu = self.hierarchies.cpu.as_ref();
        let mut processes = Processes::new(cpu.is_some_and(|root| root.version == Version::V2));
        let off = self
            .probe_status
            .iter()
            .find(|status| status.probe == Probe::Processes && status.state == State::Off)
            .map(|status| status.why.clone());
        let probes = match (off, &mut self.probes) {
            (None, Some(probes)) => probes,
            (why, _) => {
                let why = why.unwrap_or_else(|| "no probe is loaded".into());
                return Err(format!("the kernel's list of threads cannot be had: {why}"));
            }
        };
        probes
            .threads(|thread| processes.add(thread, now))
            .map_err(|error| format!("the kernel's list of threads cannot be read: {error}"))?;
        Ok(processes)
    }

    /// By the files of one workload's processes; `why` there is no list.
    fn read_files(&self, of: Option<Slot>, now: u64, why: &str) -> Result<Processes, Refusal> {
        let Some(workload) = of.and_then(|slot| self.workloads.get(slot)) else {
            return Err(Refusal::Conflict(format!(
                "{why}; name a workload to have its processes read from /proc"
            )));
        };
        let root = self.hierarchies.cpu.as_ref().ok_or_else(|| {
            Refusal::Conflict(format!("{why}; and there is no CPU controller to ask"))
        })?;
        let dir = root.group(&workload.group.path);
        process::from_files(&dir, now)
            .map_err(|error| Refusal::Failed(format!("{}: {error}", dir.display())))
    }

    /// Where a group is, by its id in the CPU controller's hierarchy.
    fn place(&self, id: u64) -> Place {
        let hierarchy = self.hierarchies.cpu.as_ref().map_or(0, |root| root.id);
        let Some(path) = self.tree.path(hierarchy, id) else {
            return ("/".into(), None);
        };
        let mut above = std::iter::successors(Some(&**path), |path| Some(path.rsplit_once('/')?.0));
        let slot = above.find_map(|path| self.workloads.at(path));
        (format!("/{path}"), slot)
    }

    /// Whether a workload is another one, or below it.
    fn is_within(&self, slot: Option<Slot>, of: Slot) -> bool {
        let parent = |slot: &Slot| self.workloads.get(*slot)?.parent;
        std::iter::successors(slot, parent).any(|slot| slot == of)
    }

    fn process(
        &self,
        process: process::Process,
        cgroup: &str,
        slot: Option<Slot>,
    ) -> view::Process {
        let workload = slot.and_then(|slot| self.workloads.get(slot));
        view::Process {
            pid: process.pid,
            name: process.name,
            workload: workload.map(|workload| workload.name.clone()),
            cgroup: cgroup.to_owned(),
            threads: process.threads,
            started_ns: process.started_ns,
            ran_ns: process.ran_ns,
            waited_ns: process.waited_ns,
            waits: process.waits,
            blocked_ns: process.blocked_ns,
            voluntary_switches: process.voluntary,
            involuntary_switches: process.involuntary,
            minor_faults: process.minor_faults,
            major_faults: process.major_faults,
            io_delay_ns: process.io_ns,
            fault_delay_ns: process.fault_ns,
        }
    }
}

/// What to say where the kernel does not count delays.
fn delays_kept() -> String {
    match std::fs::read_to_string("/proc/sys/kernel/task_delayacct") {
        Ok(kept) if kept.trim() == "0" => {
            "delays by I/O and page faults are not counted: kernel.task_delayacct is 0".into()
        }
        _ => String::new(),
    }
}
