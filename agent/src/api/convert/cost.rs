//! What the agent itself costs.

use super::{Malformed, all, each};
use crate::api::{proto, view};

impl From<view::Cost> for proto::Cost {
    fn from(cost: view::Cost) -> Self {
        Self {
            cpu_micro_cpus: cost.cpu_micro_cpus,
            probes_micro_cpus: cost.probes_micro_cpus,
            budget_micro_cpus: cost.budget_micro_cpus,
            over_cpu: cost.over_cpu,
            map_bytes: cost.map_bytes,
            guardian_bytes: cost.guardian_bytes,
            budget_bytes: cost.budget_bytes,
            over_memory: cost.over_memory,
            age_ns: cost.age_ns,
            tick_ns: cost.tick_ns,
            longest_tick_ns: cost.longest_tick_ns,
            why: cost.why,
            programs: all(cost.programs),
            shed: all(cost.shed),
        }
    }
}

impl TryFrom<proto::Cost> for view::Cost {
    type Error = Malformed;

    fn try_from(cost: proto::Cost) -> Result<Self, Malformed> {
        Ok(Self {
            cpu_micro_cpus: cost.cpu_micro_cpus,
            probes_micro_cpus: cost.probes_micro_cpus,
            budget_micro_cpus: cost.budget_micro_cpus,
            over_cpu: cost.over_cpu,
            map_bytes: cost.map_bytes,
            guardian_bytes: cost.guardian_bytes,
            budget_bytes: cost.budget_bytes,
            over_memory: cost.over_memory,
            age_ns: cost.age_ns,
            tick_ns: cost.tick_ns,
            longest_tick_ns: cost.longest_tick_ns,
            why: cost.why,
            programs: each(cost.programs)?,
            shed: each(cost.shed)?,
        })
    }
}

impl From<view::ProgramCost> for proto::ProgramCost {
    fn from(program: view::ProgramCost) -> Self {
        Self {
            name: program.name,
            hook: program.hook,
            probes: program.probes,
            runs_per_second: program.runs_per_second,
            ns_per_run: program.ns_per_run,
            micro_cpus: program.micro_cpus,
        }
    }
}

impl From<proto::ProgramCost> for view::ProgramCost {
    fn from(program: proto::ProgramCost) -> Self {
        Self {
            name: program.name,
            hook: program.hook,
            probes: program.probes,
            runs_per_second: program.runs_per_second,
            ns_per_run: program.ns_per_run,
            micro_cpus: program.micro_cpus,
        }
    }
}

impl From<view::Shed> for proto::Shed {
    fn from(shed: view::Shed) -> Self {
        Self {
            probe: shed.probe,
            for_ns: shed.for_ns,
            back_after_ns: shed.back_after_ns,
        }
    }
}

impl From<proto::Shed> for view::Shed {
    fn from(shed: proto::Shed) -> Self {
        Self {
            probe: shed.probe,
            for_ns: shed.for_ns,
            back_after_ns: shed.back_after_ns,
        }
    }
}
