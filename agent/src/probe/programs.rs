//! The programs of the object: which probes each serves, and which of them are attached.

use aya::{
    Ebpf,
    programs::{BtfTracePoint, ProgramError, tp_btf::BtfTracePointLinkId},
};

use super::{Error, Probe, ProbeSet, load::refused};

/// One program of the object.
#[derive(Debug, PartialEq, Eq)]
pub struct Program {
    /// Its name.
    pub name: &'static str,
    /// The tracepoint that it goes to.
    pub hook: &'static str,
    /// The probes that it serves; what it costs counts for the first of them that is on.
    pub probes: &'static [Probe],
}

/// A program that is called like its hook.
const fn on_hook(name: &'static str, probes: &'static [Probe]) -> Program {
    Program {
        name,
        hook: name,
        probes,
    }
}

/// How many there are.
pub(super) const COUNT: usize = 11;

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
    Program {
        name: "throttled_switch",
        hook: "sched_switch",
        probes: &[Probe::ThrottledRunning],
    },
    on_hook(
        "sched_wakeup",
        &[Probe::RunqLatency, Probe::ThrottledWaking],
    ),
    Program {
        name: "throttled_wakeup",
        hook: "sched_wakeup",
        probes: &[Probe::ThrottledWaking],
    },
    on_hook(
        "sched_wakeup_new",
        &[Probe::RunqLatency, Probe::ThrottledWaking],
    ),
    Program {
        name: "throttled_wakeup_new",
        hook: "sched_wakeup_new",
        probes: &[Probe::ThrottledWaking],
    },
    on_hook("sched_stat_runtime", &[Probe::QuotaNear, Probe::MemoryNear]),
    on_hook("mm_vmscan_memcg_reclaim_end", &[Probe::ReclaimFailing]),
    on_hook("mark_victim", &[Probe::OomKill]),
    on_hook("cgroup_mkdir", &[Probe::CgroupLifecycle]),
    on_hook("cgroup_rmdir", &[Probe::CgroupLifecycle]),
];

/// The tracepoints of all programs.
pub(super) const HOOKS: [&str; 8] = [
    "sched_switch",
    "sched_wakeup",
    "sched_wakeup_new",
    "sched_stat_runtime",
    "mm_vmscan_memcg_reclaim_end",
    "mark_victim",
    "cgroup_mkdir",
    "cgroup_rmdir",
];

impl Program {
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

/// The program for a hook that serves all the probes there that are on, and the fewest others;
/// `None` where none is on.
pub(super) fn serving(hook: &str, on: ProbeSet) -> Option<&'static Program> {
    let mut of_hook = PROGRAMS.iter().filter(|program| program.hook == hook);
    let most = of_hook.next()?;
    most.leads(on)?;
    let serves_all = |program: &&Program| {
        let mut wanted = most.probes.iter().filter(|probe| on.has(**probe));
        wanted.all(|probe| program.serves(*probe))
    };
    Some(of_hook.find(serves_all).unwrap_or(most))
}

/// The programs that are worth loading where these probes may be on: those that are the right one
/// when all of them are on, or only theirs.
pub(super) fn programs(may: ProbeSet) -> impl Iterator<Item = &'static Program> {
    PROGRAMS.iter().filter(move |program| {
        let theirs = program.probes.iter().filter(|probe| may.has(**probe));
        let theirs = theirs.fold(ProbeSet::NONE, |set, probe| set.with(*probe));
        serving(program.hook, theirs) == Some(program)
    })
}

/// A program of the loaded object.
pub(super) fn program<'a>(
    object: &'a mut Ebpf,
    name: &'static str,
) -> Result<&'a mut BtfTracePoint, Error> {
    object
        .program_mut(name)
        .and_then(|program| program.try_into().ok())
        .ok_or(Error::Missing {
            what: "program",
            name,
        })
}

/// A hook with what is attached there.
pub(super) struct Hook {
    name: &'static str,
    attached: Option<(&'static Program, BtfTracePointLinkId)>,
}

impl Hook {
    /// A hook where nothing is attached.
    pub(super) const fn new(name: &'static str) -> Self {
        Self {
            name,
            attached: None,
        }
    }

    /// Attaches the program that serves these probes, and only then detaches the one before, so that
    /// what both serve goes on.
    pub(super) fn serve(&mut self, object: &mut Ebpf, on: ProbeSet) -> Result<(), Error> {
        let wanted = serving(self.name, on);
        if wanted == self.program() {
            return Ok(());
        }
        let attach = |wanted: &'static Program| -> Result<_, Error> {
            let link = program(object, wanted.name)?
                .attach()
                .map_err(|source| refused(wanted.name, source))?;
            Ok((wanted, link))
        };
        let next = wanted.map(attach).transpose()?;
        if let Some((before, link)) = std::mem::replace(&mut self.attached, next) {
            let detached: Result<(), ProgramError> = program(object, before.name)?.detach(link);
            detached.map_err(|source| refused(before.name, source))?;
        }
        Ok(())
    }

    /// The program that is attached.
    pub(super) fn program(&self) -> Option<&'static Program> {
        self.attached.as_ref().map(|(program, _)| *program)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(hook: &str, on: ProbeSet) -> Option<&'static str> {
        serving(hook, on).map(|program| program.name)
    }

    #[test]
    fn every_probe_has_a_program_on_each_of_its_hooks() {
        for probe in Probe::ALL {
            for hook in probe.hooks() {
                let on = ProbeSet::of(probe).and(probe.needs());
                assert!(serving(hook, on).is_some_and(|program| program.serves(probe)));
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
        let loaded = |may| programs(may).map(|one| one.name).collect::<Vec<_>>();
        assert_eq!(loaded(ProbeSet::ALL).len(), COUNT);
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
    fn a_program_counts_for_the_first_probe_that_is_on() {
        let switch = &PROGRAMS[0];
        assert_eq!(switch.leads(ProbeSet::ALL), Some(Probe::RunqLatency));
        let without = ProbeSet::ALL.without(Probe::RunqLatency);
        assert_eq!(switch.leads(without), Some(Probe::ThrottledRunning));
        assert_eq!(switch.leads(ProbeSet::NONE), None);
        assert_eq!(switch.index(), 0);
    }
}
