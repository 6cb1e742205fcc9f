//! The programs of the object: to which hook each goes, and which probes it serves.

use super::{Probe, ProbeSet};

/// One program of the object.
#[derive(Debug, PartialEq, Eq)]
pub struct Program {
    /// Its name.
    pub name: &'static str,
    /// The tracepoint that it goes to, or in whose place it stands.
    pub hook: &'static str,
    /// The function that it enters, where the kernel has no such tracepoint.
    pub function: Option<&'static str>,
    /// The probes that it serves; what it costs counts for the first of them that is on.
    pub probes: &'static [Probe],
}

/// A program that is called like its hook.
const fn on_hook(name: &'static str, probes: &'static [Probe]) -> Program {
    in_place(name, name, probes)
}

/// Another one for the same hook.
const fn in_place(name: &'static str, hook: &'static str, probes: &'static [Probe]) -> Program {
    Program {
        name,
        hook,
        function: None,
        probes,
    }
}

/// One that enters a function where there is no such hook.
const fn enter(
    name: &'static str,
    hook: &'static str,
    function: &'static str,
    probes: &'static [Probe],
) -> Program {
    Program {
        name,
        hook,
        function: Some(function),
        probes,
    }
}

/// How many there are.
pub(super) const COUNT: usize = 25;

/// All of them; where a hook has two, the one that serves more comes first.
pub(super) static PROGRAMS: [Program; COUNT] = [
    on_hook(
        "sched_switch",
        &[
            Probe::RunqLatency,
            Probe::ThrottledRunning,
            Probe::LoanDelays,
        ],
    ),
    in_place(
        "throttled_switch",
        "sched_switch",
        &[Probe::ThrottledRunning],
    ),
    on_hook(
        "sched_wakeup",
        &[Probe::RunqLatency, Probe::ThrottledWaking],
    ),
    in_place(
        "throttled_wakeup",
        "sched_wakeup",
        &[Probe::ThrottledWaking],
    ),
    on_hook(
        "sched_wakeup_new",
        &[Probe::RunqLatency, Probe::ThrottledWaking],
    ),
    in_place(
        "throttled_wakeup_new",
        "sched_wakeup_new",
        &[Probe::ThrottledWaking],
    ),
    on_hook("sched_stat_runtime", &[Probe::QuotaNear, Probe::MemoryNear]),
    on_hook("mm_vmscan_memcg_reclaim_begin", &[Probe::ReclaimLatency]),
    on_hook(
        "mm_vmscan_memcg_reclaim_end",
        &[Probe::ReclaimLatency, Probe::ReclaimFailing],
    ),
    in_place(
        "failing_reclaim_end",
        "mm_vmscan_memcg_reclaim_end",
        &[Probe::ReclaimFailing],
    ),
    on_hook("mm_vmscan_direct_reclaim_begin", &[Probe::ReclaimLatency]),
    on_hook("mm_vmscan_direct_reclaim_end", &[Probe::ReclaimLatency]),
    on_hook("mark_victim", &[Probe::OomKill]),
    on_hook("cgroup_mkdir", &[Probe::CgroupLifecycle]),
    on_hook("cgroup_rmdir", &[Probe::CgroupLifecycle]),
    on_hook("inet_sock_set_state", &[Probe::TcpLatency]),
    on_hook("sk_data_ready", &[Probe::TcpLatency]),
    enter(
        "enter_sock_def_readable",
        "sk_data_ready",
        "sock_def_readable",
        &[Probe::TcpLatency],
    ),
    on_hook("tcp_rcv_space_adjust", &[Probe::TcpLatency]),
    on_hook("tcp_sendmsg_locked", &[Probe::TcpLatency]),
    enter(
        "enter_tcp_sendmsg_locked",
        "tcp_sendmsg_locked",
        "tcp_sendmsg_locked",
        &[Probe::TcpLatency],
    ),
    on_hook("softirq_entry", &[Probe::SoftirqTime]),
    on_hook("softirq_exit", &[Probe::SoftirqTime]),
    on_hook("block_rq_issue", &[Probe::BlockLatency]),
    on_hook("block_rq_complete", &[Probe::BlockLatency]),
];

/// The tracepoints of all programs.
pub(super) const HOOKS: [&str; 19] = [
    "sched_switch",
    "sched_wakeup",
    "sched_wakeup_new",
    "sched_stat_runtime",
    "mm_vmscan_memcg_reclaim_begin",
    "mm_vmscan_memcg_reclaim_end",
    "mm_vmscan_direct_reclaim_begin",
    "mm_vmscan_direct_reclaim_end",
    "mark_victim",
    "cgroup_mkdir",
    "cgroup_rmdir",
    "inet_sock_set_state",
    "sk_data_ready",
    "tcp_rcv_space_adjust",
    "tcp_sendmsg_locked",
    "softirq_entry",
    "softirq_exit",
    "block_rq_issue",
    "block_rq_complete",
];

/// How a hook can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// As a tracepoint.
    Tracepoint,
    /// By entering the function in which newer kernels have it.
    Function,
    /// Not at all.
    Absent,
}

impl Program {
    /// By which way it comes to its hook.
    pub(super) const fn way(&self) -> Way {
        match self.function {
            Some(_) => Way::Function,
            None => Way::Tracepoint,
        }
    }

    /// Its place among all.
    pub(super) fn index(&self) -> usize {
        let mut all = PROGRAMS.iter();
        all.position(|program| program == self).unwrap_or(COUNT)
    }

    /// The probe that its cost counts for.
    pub(super) fn leads(&self, on: ProbeSet) -> Option<Probe> {
        self.probes.iter().copied().find(|probe| on.has(*probe))
    }

    fn serves(&self, probe: Probe) -> bool {
        self.probes.contains(&probe)
    }
}

/// The program for a hook, by that way, that serves all the probes there that are on, and the
/// fewest others; `None` where none is on.
pub(super) fn serving(hook: &str, way: Way, on: ProbeSet) -> Option<&'static Program> {
    let mut of_hook = PROGRAMS
        .iter()
        .filter(|program| program.hook == hook && program.way() == way);
    let most = of_hook.next()?;
    most.leads(on)?;
    let serves_all = |program: &&Program| {
        let mut wanted = most.probes.iter().filter(|probe| on.has(**probe));
        wanted.all(|probe| program.serves(*probe))
    };
    Some(of_hook.find(serves_all).unwrap_or(most))
}

/// The programs that are worth loading where these probes may be on: those that are the right one
/// when all of them are on, or only theirs. `way` tells how each hook can be had.
pub(super) fn programs(
    may: ProbeSet,
    way: impl Fn(&str) -> Way,
) -> impl Iterator<Item = &'static Program> {
    PROGRAMS.iter().filter(move |program| {
        let theirs = program.probes.iter().filter(|probe| may.has(**probe));
        let theirs = theirs.fold(ProbeSet::NONE, |set, probe| set.with(*probe));
        serving(program.hook, way(program.hook), theirs) == Some(program)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(hook: &str, on: ProbeSet) -> Option<&'static str> {
        serving(hook, Way::Tracepoint, on).map(|program| program.name)
    }

    #[test]
    fn every_probe_has_a_program_on_each_of_its_hooks() {
        for probe in Probe::ALL {
            for hook in probe.hooks() {
                let on = ProbeSet::of(probe).and(probe.needs());
                let program = serving(hook, Way::Tracepoint, on);
                assert!(program.is_some_and(|program| program.serves(probe)));
            }
        }
        for program in &PROGRAMS {
            assert!(HOOKS.contains(&program.hook));
            for probe in program.probes {
                assert!(probe.hooks().contains(&program.hook), "{}", program.name);
            }
        }
    }

    #[test]
    fn the_leanest_program_that_does_is_taken() {
        let throttled = ProbeSet::of(Probe::ThrottledRunning);
        let all = throttled.with(Probe::RunqLatency).with(Probe::LoanDelays);
        assert_eq!(names("sched_switch", all), Some("sched_switch"));
        assert_eq!(names("sched_switch", throttled), Some("throttled_switch"));
        assert_eq!(names("sched_switch", ProbeSet::of(Probe::OomKill)), None);
        let runq = ProbeSet::of(Probe::RunqLatency);
        assert_eq!(names("sched_wakeup", runq), Some("sched_wakeup"));
    }

    #[test]
    fn what_can_never_be_attached_is_not_loaded() {
        let loaded = |may| {
            let programs = programs(may, |_| Way::Tracepoint);
            programs.map(|one| one.name).collect::<Vec<_>>()
        };
        let all = PROGRAMS.iter();
        let tracepoints = all.filter(|one| one.way() == Way::Tracepoint).count();
        assert_eq!(loaded(ProbeSet::ALL).len(), tracepoints);
        let runq = ProbeSet::of(Probe::RunqLatency);
        assert_eq!(
            loaded(runq),
            ["sched_switch", "sched_wakeup", "sched_wakeup_new"]
        );
        let throttled = ProbeSet::of(Probe::ThrottledRunning).with(Probe::ThrottledWaking);
        assert_eq!(
            loaded(throttled),
            [
                "throttled_switch",
                "throttled_wakeup",
                "throttled_wakeup_new"
            ]
        );
    }

    #[test]
    fn a_function_is_entered_where_the_tracepoint_is_missing() {
        let tcp = ProbeSet::of(Probe::TcpLatency);
        let loaded = |way| {
            let way = move |hook: &str| match hook {
                "sk_data_ready" => way,
                _ => Way::Tracepoint,
            };
            let programs = programs(tcp, way).filter(|one| one.hook == "sk_data_ready");
            programs.map(|one| one.name).collect::<Vec<_>>()
        };
        assert_eq!(loaded(Way::Tracepoint), ["sk_data_ready"]);
        assert_eq!(loaded(Way::Function), ["enter_sock_def_readable"]);
        assert_eq!(loaded(Way::Absent), [""; 0]);
    }

    #[test]
    fn a_program_counts_for_the_first_probe_that_is_on() {
        let switch = &PROGRAMS[0];
        assert_eq!(switch.leads(ProbeSet::ALL), Some(Probe::RunqLatency));
        let without = ProbeSet::ALL.without(Probe::RunqLatency);
        assert_eq!(switch.leads(without), Some(Probe::ThrottledRunning));
        assert_eq!(switch.leads(ProbeSet::NONE), None);
        assert_eq!(switch.index(), 0);
    }
}
