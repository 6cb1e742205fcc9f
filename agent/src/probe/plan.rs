//! What this kernel can give: decided here, once, from its type information.

use trimtab_ebpf::{ABSENT, Layout, Settings, law};

use super::{Law, Options, Probe, ProbeSet, ProbeStatus, State, btf::Btf, programs::Way};

/// The kernel fields without which there is nothing to load, as named in [`Layout`].
const fn required(probe: Probe) -> &'static [&'static [&'static str]] {
    match probe {
        Probe::RunqLatency => &[
            &[
                "task_pid",
                "task_state",
                "task_prio",
                "task_group",
                "group_parent",
            ],
            GROUP,
        ],
        Probe::QuotaNear => &[
            &["task_tgid", "task_prio", "task_ran", "task_group"],
            GROUP,
            BANDWIDTH,
        ],
        Probe::ThrottledRunning | Probe::ThrottledWaking => &[
            &[
                "task_pid",
                "task_tgid",
                "task_prio",
                "task_group",
                "task_queue",
                "task_parent_entity",
            ],
            &[
                "entity_parent",
                "entity_queue",
                "queue_group",
                "queue_throttled",
            ],
            GROUP,
            BANDWIDTH,
        ],
        Probe::MemoryNear => &[&["task_tgid", "task_ran"], MEMORY],
        Probe::ReclaimFailing => &[&["task_tgid", "task_flags"], MEMORY],
        Probe::OomKill => &[&["task_pid"], MEMORY],
        Probe::CgroupLifecycle => &[&["css_cgroup", "cgroup_parent_css"], CGROUP],
        Probe::LoanDelays => &[&["task_tgid", "task_prio", "task_group"], GROUP, BANDWIDTH],
        Probe::TcpLatency => &[&["task_group"], GROUP, SOCKET],
        Probe::SoftirqTime => &[],
        Probe::Processes => &[
            &[
                "task_pid",
                "task_tgid",
                "task_flags",
                "task_cgroups",
                "task_group",
                "group_parent",
                "set_cgroup",
            ],
            &[
                "task_started",
                "task_ran",
                "task_waited",
                "task_waits",
                "task_voluntary",
                "task_involuntary",
                "task_minor_faults",
                "task_major_faults",
                "task_comm",
            ],
            &[
                "task_signal",
                "signal_ran",
                "signal_voluntary",
                "signal_involuntary",
                "signal_minor_faults",
                "signal_major_faults",
            ],
            GROUP,
        ],
        Probe::ReclaimLatency => &[
            &[
                "task_cgroups",
                "set_memory",
                "css_cgroup",
                "cgroup_parent_css",
            ],
            CGROUP,
        ],
        Probe::BlockLatency => &[
            &["request_flags", "request_length", "request_bio"],
            &["bio_owner", "owner_group", "block_cgroup"],
            &["css_cgroup", "cgroup_parent_css"],
            CGROUP,
        ],
    }
}

/// The kernel fields without which it can do less, and what that is.
const fn optional(probe: Probe) -> &'static [(&'static str, &'static str)] {
    match probe {
        Probe::RunqLatency => &[
            (
                "queue_throttled",
                "waiting throttled is not told from waiting behind others",
            ),
            (
                "queue_throttled_time",
                "a throttling that begins and ends within a wait is not seen",
            ),
            (
                "task_cpu",
                "a throttling that begins and ends within a wait is not seen",
            ),
        ],
        Probe::TcpLatency => &[(
            "tcp_clock",
            "the time between a segment's arrival and its place in the socket's queue is left out",
        )],
        Probe::Processes => &[
            (
                "task_delays",
                "delays by I/O and page faults are not counted",
            ),
            ("delays_io", "delays by I/O and page faults are not counted"),
            (
                "delays_thrashing",
                "delays by I/O and page faults are not counted",
            ),
        ],
        Probe::BlockLatency => &[("request_made", "the time in the queue is unknown")],
        _ => &[],
    }
}

/// The function in which a tracepoint stands that older kernels lack: it can be entered instead.
fn function(hook: &str) -> Option<&'static str> {
    match hook {
        // Since 6.3.
        "sk_data_ready" => Some("sock_def_readable"),
        // Since 6.16.
        "tcp_sendmsg_locked" => Some("tcp_sendmsg_locked"),
        _ => None,
    }
}

/// What is lost without a hook that a probe can do without; `None` for one that it cannot.
fn without(probe: Probe, hook: &str) -> Option<&'static str> {
    match (probe, hook) {
        (Probe::RunqLatency, "sched_wakeup") => {
            Some("waits of tasks that are woken are not counted")
        }
        (Probe::RunqLatency, "sched_wakeup_new") => Some("first waits of tasks are not counted"),
        (Probe::ThrottledWaking, "sched_wakeup") => Some("only new tasks are seen"),
        (Probe::ThrottledWaking, "sched_wakeup_new") => Some("new tasks are not seen"),
        (Probe::CgroupLifecycle, "cgroup_mkdir") => {
            Some("groups that are made are found by the next scan")
        }
        (Probe::CgroupLifecycle, "cgroup_rmdir") => {
            Some("groups that go are found by the next scan")
        }
        (
            Probe::ReclaimLatency,
            "mm_vmscan_memcg_reclaim_begin" | "mm_vmscan_memcg_reclaim_end",
        ) => Some("reclaim at a group's own limit is not counted"),
        (
            Probe::ReclaimLatency,
            "mm_vmscan_direct_reclaim_begin" | "mm_vmscan_direct_reclaim_end",
        ) => Some("reclaim when the node is short is not counted"),
        (Probe::BlockLatency, "block_rq_issue") => Some("there are bytes, and no times"),
        (Probe::TcpLatency, "sk_data_ready") => Some(
            "how long a request waits to be read is not measured, and left out of how long it waits for its answer",
        ),
        _ => None,
    }
}

const CGROUP: &[&str] = &["cgroup_node", "cgroup_root", "root_hierarchy", "node_id"];
const GROUP: &[&str] = &[
    "group_cgroup",
    "cgroup_level",
    "cgroup_node",
    "cgroup_root",
    "root_hierarchy",
    "node_id",
];
const SOCKET: &[&str] = &["sock_state", "tcp_received", "tcp_copied", "tcp_written"];
const BANDWIDTH: &[&str] = &[
    "group_parent",
    "group_quota",
    "group_period",
    "group_left",
    "group_periods",
];
const MEMORY: &[&str] = &[
    "task_cgroups",
    "set_memory",
    "css_cgroup",
    "css_parent",
    "memcg_usage",
    "memcg_high",
    "memcg_max",
    "cgroup_node",
    "cgroup_level",
    "cgroup_root",
    "root_hierarchy",
    "node_id",
];

/// What is loaded, and why the rest is not.
#[derive(Clone)]
pub(super) struct Plan {
    /// Where the kernel's fields lie.
    pub(super) layout: Layout,
    /// What the probes are told.
    pub(super) settings: Settings,
    /// The hooks that this kernel lacks as tracepoints.
    pub(super) missing: Vec<Missing>,
    /// In the order of [`Probe::ALL`].
    pub(super) status: Vec<ProbeStatus>,
}

/// A hook that the kernel does not offer as a tracepoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Missing {
    /// The tracepoint.
    hook: &'static str,
    /// The function to enter in its place, if the kernel has that.
    function: Option<&'static str>,
}

impl Plan {
    /// Decides, from the kernel's types and what is wanted.
    pub(super) fn new(btf: &Btf, options: &Options) -> Self {
        let mut layout = Layout::NONE;
        let mut missing = Vec::new();
        for (index, (name, root, path, expected)) in Layout::FIELDS.iter().enumerate() {
            match btf.field(root, path, expected) {
                Ok(offset) => layout.set(index, offset),
                Err(why) => missing.push((*name, why)),
            }
        }
        // The array holds one pointer per controller.
        match btf.enumerator("cgroup_subsys_id", "memory_cgrp_id") {
            Some(index) if layout.set_memory != ABSENT => layout.set_memory += 8 * index,
            _ => {
                layout.set_memory = ABSENT;
                missing.push((
                    "set_memory",
                    "the kernel has no memory controller".to_owned(),
                ));
            }
        }
        let mut plan = Self {
            layout,
            settings: settings(btf, options),
            missing: lacking(btf),
            status: Vec::new(),
        };
        for probe in Probe::ALL {
            let status = plan.judge(probe, options, &missing);
            if status.state != State::Off {
                plan.settings.duties |= probe.bit();
            }
            plan.status.push(status);
        }
        plan.depend();
        plan
    }

    /// Takes out the probes that live on the figures of one that is off.
    pub(super) fn depend(&mut self) {
        let is_off = |status: &&ProbeStatus| status.state == State::Off;
        let off: Vec<_> = self.status.iter().filter(is_off).map(|s| s.probe).collect();
        for probe in Probe::ALL {
            if let Some(missing) = off.iter().find(|missing| probe.needs().has(**missing))
                && !off.contains(&probe)
            {
                self.lower(probe, State::Off, &format!("needs {missing}, which is off"));
            }
        }
    }

    /// How a hook can be had on this kernel.
    pub(super) fn way(&self, hook: &str) -> Way {
        match self.missing.iter().find(|missing| missing.hook == hook) {
            Some(missing) if missing.function.is_some() => Way::Function,
            Some(_) => Way::Absent,
            None => Way::Tracepoint,
        }
    }

    /// Takes out what needs a hook that could not be attached.
    pub(super) fn lose(&mut self, probe: Probe, hook: &str, failure: &str) {
        match without(probe, hook) {
            Some(lost) => self.lower(probe, State::Degraded, &format!("{failure}: {lost}")),
            None => self.lower(probe, State::Off, failure),
        }
    }

    /// The probes that are on, wholly or in part.
    pub(super) const fn wanted(&self) -> ProbeSet {
        ProbeSet(self.settings.duties)
    }

    /// Takes a probe out, or notes that a part of it is missing.
    pub(super) fn lower(&mut self, probe: Probe, state: State, reason: &str) {
        if state == State::Off {
            self.settings.duties &= !probe.bit();
        }
        for status in self
            .status
            .iter_mut()
            .filter(|status| status.probe == probe)
        {
            // What is off does not come back with a part of it.
            if status.state != State::Off {
                status.state = state;
            }
            if !status.why.is_empty() {
                status.why.push_str("; ");
            }
            status.why.push_str(reason);
        }
    }

    fn judge(&self, probe: Probe, options: &Options, missing: &[(&str, String)]) -> ProbeStatus {
        let off = |why: String| ProbeStatus {
            probe,
            state: State::Off,
            why,
        };
        if !options.probes.has(probe) {
            return off("switched off".to_owned());
        }
        let absent = |hook: &&&str| {
            let mut missing = self.missing.iter();
            missing.any(|missing| missing.hook == **hook && missing.function.is_none())
        };
        let absent: Vec<_> = probe.hooks().iter().filter(absent).collect();
        if let Some(hook) = absent.iter().find(|hook| without(probe, hook).is_none()) {
            return off(no_hook(hook));
        }
        let why = |name: &str| {
            missing
                .iter()
                .find(|(absent, _)| *absent == name)
                .map(|(_, why)| why.as_str())
        };
        if let Some(why) = required(probe)
            .iter()
            .copied()
            .flatten()
            .find_map(|name| why(name))
        {
            return off(format!("the kernel's types do not fit: {why}"));
        }
        let fields = optional(probe)
            .iter()
            .filter(|(name, _)| self.layout.get(name) == ABSENT)
            .map(|(_, consequence)| (*consequence).to_owned());
        let hooks = absent
            .iter()
            .filter_map(|hook| Some(format!("{}: {}", no_hook(hook), without(probe, hook)?)));
        let lacking: Vec<_> = fields.chain(hooks).collect();
        let state = if lacking.is_empty() {
            State::On
        } else {
            State::Degraded
        };
        ProbeStatus {
            probe,
            state,
            why: lacking.join("; "),
        }
    }
}

/// The hooks that the kernel lacks, and how they can be had.
fn lacking(btf: &Btf) -> Vec<Missing> {
    let mut missing: Vec<Missing> = Vec::new();
    for hook in Probe::ALL.iter().flat_map(|probe| probe.hooks()) {
        if missing.iter().all(|missing| missing.hook != *hook) && !btf.has_tracepoint(hook) {
            missing.push(Missing {
                hook,
                function: function(hook).filter(|function| btf.has_function(function)),
            });
        }
    }
    missing
}

fn no_hook(hook: &str) -> String {
    match function(hook) {
        Some(function) => {
            format!("the kernel has no tracepoint {hook}, and no function {function} to enter")
        }
        None => format!("the kernel has no tracepoint {hook}"),
    }
}

fn settings(btf: &Btf, options: &Options) -> Settings {
    Settings {
        duties: 0,
        law: match options.law {
            Law::Fixed => law::FIXED,
            Law::Burn => law::BURN,
            Law::FixedAndBurn => law::FIXED_AND_BURN,
            Law::FixedAndUsual => law::FIXED_AND_USUAL,
        },
        cell_mask: options.cells() - 1,
        group_mask: options.groups() - 1,
        own_tgid: std::process::id(),
        victim_is_task: u32::from(btf.argument_is_pointer("mark_victim", 0) == Some(true)),
        page_shift: rustix::param::page_size().trailing_zeros(),
    }
}
