//! What the API shows of the slow loop's state.

use std::sync::atomic::Ordering::Relaxed;

use trimtab_core::signal::{Amount, Mode, Resource};
use trimtab_ebpf::bucket_start;

use super::{
    agent::{Agent, now},
    cost::{cpu_time, resident_bytes},
    gpu_view::gpu_finding,
    workload::{LimitState, Workload},
};
use crate::{
    api::view::{
        Bin, FastLoop, Finding, FindingState, Pool, Quantity, ResourceState, Status,
        Workload as Shown,
    },
    fast::Got,
    probe::{ProbeStatus, State},
    sense::{hierarchy::Hierarchies, scheduler::Scheduler},
};

/// The bins of a histogram that are not empty.
pub(super) fn bins(counts: &[u64]) -> Vec<Bin> {
    let bins = counts.iter().enumerate().map(|(index, &count)| Bin {
        from_ns: bucket_start(index),
        count,
    });
    bins.filter(|bin| bin.count > 0).collect()
}

impl Agent {
    /// The agent as a whole.
    pub(super) fn status(&self) -> Status {
        let now = now();
        let count = |mode| {
            self.workloads
                .iter()
                .filter(|workload| workload.mode == mode)
                .count()
                .try_into()
                .unwrap_or(u32::MAX)
        };
        let probes = |state: fn(State) -> bool| {
            self.probe_status
                .iter()
                .filter(|status| state(status.state))
                .count()
                .try_into()
                .unwrap_or(u32::MAX)
        };
        Status {
            version: env!("CARGO_PKG_VERSION").into(),
            pid: std::process::id(),
            started_unix_ns: self.started_unix_ns,
            uptime_ns: now.since(self.started).0,
            paused: self.paused,
            config_path: self.config_path.clone(),
            config_error: self.config_error.clone(),
            observed: count(Mode::Observe),
            recommended: count(Mode::Recommend),
            enforced: count(Mode::Enforce),
            pinned: self
                .workloads
                .iter()
                .filter(|workload| workload.pinned)
                .count()
                .try_into()
                .unwrap_or(u32::MAX),
            room: self.room(),
            anomalies: self.anomalies(),
            pools: Resource::ALL
                .into_iter()
                .map(|resource| self.pool(resource))
                .collect(),
            fast_loop: self.fast_loop(),
            pressure: self.node_pressure(),
            gpus: self.gpus(),
            energy: self.energy(),
            identity: self.identity_findings(),
            recording: self.recording(),
            probes_on: probes(|state| state != State::Off),
            probes_off: probes(|state| state == State::Off),
            probes_lacking: self
                .probe_status
                .iter()
                .filter(|status| status.state != State::On)
                .map(probe_finding)
                .collect(),
            cpu_time_ns: cpu_time().0,
            resident_bytes: resident_bytes(),
            cost: self.cost(),
            journal_seq: self.journal.seq(),
        }
    }

    fn pool(&self, resource: Resource) -> Pool {
        let pool = &self.pools[resource.index()];
        let reserve = self.selection.reserve(resource);
        let quantity = |amount| Quantity::new(resource, amount);
        Pool {
            resource,
            capacity: quantity(pool.capacity),
            reserve: quantity(reserve),
            floors: quantity(
                pool.capacity
                    .minus(reserve)
                    .minus(pool.unmanaged)
                    .minus(pool.size),
            ),
            unmanaged: quantity(pool.unmanaged),
            size: quantity(pool.size),
            lent: quantity(pool.lent),
            used: quantity(self.used(resource)),
        }
    }

    /// What the whole node uses.
    fn used(&self, resource: Resource) -> Amount {
        match resource {
            Resource::Cpu => {
                let managed = self
                    .workloads
                    .iter()
                    .filter(|workload| self.workloads.is_top(workload.slot, resource));
                managed.fold(self.pools[0].unmanaged, |sum, workload| {
                    sum.plus(workload.used[0])
                })
            }
            Resource::Memory => {
                let node = &self.node.node;
                Amount(node.memory_total.saturating_sub(node.memory_available))
            }
        }
    }

    fn fast_loop(&self) -> FastLoop {
        let (seen, written) = (self.stats.seen(), self.stats.written());
        let some = |count: u64, value: u64| (count > 0).then_some(value);
        FastLoop {
            scheduling: match (&self.priority.realtime, &self.priority.nice) {
                (Got::Yes, _) => "SCHED_FIFO 1".into(),
                (_, Got::Yes) => "nice -20".into(),
                _ => "nice 0".into(),
            },
            memory_locked: self.priority.locked.granted(),
            events: self.stats.events.load(Relaxed),
            lifts: self.lifts,
            denied: self.denied,
            lost: self.lost_events(),
            reaction_p50_ns: some(written.count, written.p50),
            reaction_p99_ns: some(written.count, written.p99),
            own_wait_p99_ns: some(seen.count, seen.p99),
        }
    }

    /// One workload.
    pub(super) fn shown(&self, workload: &Workload) -> Shown {
        let age = now().since(workload.since);
        Shown {
            name: workload.name.clone(),
            path: workload.shown_path(),
            policy: workload.policy.to_string(),
            mode: workload.mode,
            pinned: workload.pinned,
            owner: workload.owner.clone(),
            identity: self.identity(workload),
            parent: workload
                .parent
                .and_then(|slot| self.workloads.get(slot))
                .map(Workload::shown_path),
            age_ns: age.0,
            warming_up: workload
                .limits
                .iter()
                .flatten()
                .any(|limit| age < limit.bounds.warm_up),
            cpu_weight: workload.weighs().map(u32::from),
            cpu: self.resource(workload, Resource::Cpu),
            memory: self.resource(workload, Resource::Memory),
            gpus: self.gpu_shares(workload),
            energy: self.energy_share(workload),
            signals: workload.signals(),
            anomalies: self.anomalies_of(workload),
            beyond: self.beyond(workload),
        }
    }

    fn resource(&self, workload: &Workload, resource: Resource) -> Option<ResourceState> {
        let limit = workload.limits[resource.index()].as_ref()?;
        let quantity = |amount| Quantity::new(resource, amount);
        Some(ResourceState {
            used: quantity(workload.used[resource.index()]),
            limit: quantity(limit.held),
            original: quantity(limit.adopted),
            floor: quantity(limit.bounds.floor),
            target: quantity(limit.target),
            ceiling: quantity(self.ceiling(limit, resource)),
            lent: quantity(self.lent(workload, limit, resource)),
            limited_by: workload.above[resource.index()].clone(),
            foreign: limit.foreign,
            held_back: self.held_back(workload.slot, resource, now()),
            feedback: self.feedback(workload, resource),
        })
    }

    /// What the fast loop may go up to.
    pub(super) fn ceiling(&self, limit: &LimitState, resource: Resource) -> Amount {
        limit
            .bounds
            .ceiling
            .min(self.pools[resource.index()].capacity)
    }

    /// What of a limit is lent from the node's pool.
    pub(super) fn lent(
        &self,
        workload: &Workload,
        limit: &LimitState,
        resource: Resource,
    ) -> Amount {
        let seen = self.engine.engine().view(workload.slot, resource);
        let own = seen.and_then(|seen| seen.own).unwrap_or(limit.adopted);
        let base = own.min(limit.adopted).max(limit.bounds.floor);
        let lends = self.workloads.is_top(workload.slot, resource) && !limit.held.is_unlimited();
        if lends {
            limit.held.minus(base)
        } else {
            Amount::ZERO
        }
    }

    /// Each probe and capability.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let mut findings: Vec<_> = self.probe_status.iter().map(probe_finding).collect();
        let got = |name: &str, got: &Got, remedy: &str| Finding {
            area: "scheduling".into(),
            name: name.into(),
            state: match got {
                Got::Yes | Got::NotAsked => FindingState::On,
                Got::No(_) => FindingState::Degraded,
            },
            why: got.to_string(),
            remedy: if got.granted() || *got == Got::NotAsked {
                String::new()
            } else {
                remedy.into()
            },
        };
        findings.push(got(
            "SCHED_FIFO",
            &self.priority.realtime,
            "grant CAP_SYS_NICE, and real-time run time to the agent's group",
        ));
        findings.push(got("nice -20", &self.priority.nice, "grant CAP_SYS_NICE"));
        findings.push(got(
            "locked memory",
            &self.priority.locked,
            "grant CAP_IPC_LOCK or raise LimitMEMLOCK",
        ));
        findings.push(got(
            "a thread per CPU",
            &self.priority.cpus,
            "let the agent's cpuset have every CPU; events of the others take longer",
        ));
        findings.push(quota_finding(&Scheduler::now()));
        findings.push(hierarchy_finding(&self.hierarchies));
        findings.push(self.room_finding());
        findings.push(self.budget_finding());
        findings.push(self.energy_finding());
        findings.extend(self.endpoint_finding());
        findings.extend(self.recording());
        findings.push(gpu_finding(self.gpus.heard().as_ref()));
        findings.extend(self.identity_findings());
        findings
    }
}

/// One probe for `doctor`.
pub(super) fn probe_finding(status: &ProbeStatus) -> Finding {
    Finding {
        area: "probes".into(),
        name: status.probe.to_string(),
        state: match status.state {
            State::On => FindingState::On,
            State::Degraded => FindingState::Degraded,
            State::Off => FindingState::Off,
        },
        why: status.why.clone(),
        remedy: String::new(),
    }
}

/// Whether quotas hold, for `doctor`.
pub(super) fn quota_finding(scheduler: &Scheduler) -> Finding {
    let (state, why) = match scheduler {
        Scheduler::Fair { quotas: true } => {
            (FindingState::On, "held by the fair scheduler".to_owned())
        }
        Scheduler::Fair { quotas: false } => (
            FindingState::Off,
            "this kernel keeps none (built without CONFIG_CFS_BANDWIDTH)".to_owned(),
        ),
        Scheduler::Extension { name, all: true } => (
            FindingState::Off,
            format!(
                "they do not hold: the sched_ext scheduler {name} has all tasks, and no throttling is seen"
            ),
        ),
        Scheduler::Extension { name, all: false } => (
            FindingState::Degraded,
            format!("they do not hold for tasks of SCHED_EXT, which the scheduler {name} has"),
        ),
    };
    let remedy = match scheduler {
        Scheduler::Fair { quotas: true } => String::new(),
        Scheduler::Fair { quotas: false } => {
            "boot a kernel with it, or have policies manage memory only (resources = [\"memory\"])"
                .into()
        }
        Scheduler::Extension { name, .. } => {
            format!("end {name}, or have policies manage memory only (resources = [\"memory\"])")
        }
    };
    Finding {
        area: "scheduling".into(),
        name: "quotas".into(),
        state,
        why,
        remedy,
    }
}

/// The cgroup hierarchies for `doctor`.
pub(super) fn hierarchy_finding(hierarchies: &Hierarchies) -> Finding {
    let complete = hierarchies.cpu.is_some() && hierarchies.memory.is_some();
    Finding {
        area: "cgroups".into(),
        name: "hierarchies".into(),
        state: if complete {
            FindingState::On
        } else {
            FindingState::Degraded
        },
        why: hierarchies.describe(),
        remedy: if complete {
            String::new()
        } else {
            "mount the missing controller, or boot with it enabled".into()
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_are_said_not_to_hold_where_they_do_not() {
        let extension = |all| Scheduler::Extension {
            name: "rusty".into(),
            all,
        };
        let fair = |quotas| quota_finding(&Scheduler::Fair { quotas });
        let held = fair(true);
        assert_eq!((held.state, held.remedy.as_str()), (FindingState::On, ""));
        let none = fair(false);
        assert_eq!(none.state, FindingState::Off);
        assert!(none.why.contains("CONFIG_CFS_BANDWIDTH"));
        let all = quota_finding(&extension(true));
        assert_eq!(all.state, FindingState::Off);
        assert!(all.why.contains("do not hold") && all.why.contains("rusty"));
        let some = quota_finding(&extension(false));
        assert_eq!(some.state, FindingState::Degraded);
        assert!(some.why.contains("SCHED_EXT"));
        for finding in [all, some] {
            assert!(finding.remedy.starts_with("end rusty, or "));
        }
    }
}
