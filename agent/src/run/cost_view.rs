//! What the API shows of the agent's own cost.

use trimtab_core::signal::{Amount, Nanos};

use super::{
    agent::{Agent, now},
    cost::guardian_bytes,
};
use crate::{
    api::view::{Cost, Finding, FindingState, ProgramCost, Shed},
    probe::{Costs, Probe},
};

impl Agent {
    /// What it costs, and what it may.
    pub(super) fn cost(&self) -> Cost {
        let now = now();
        let (budget, memory) = self.budget();
        let own = &self.cost;
        let since = |time: Nanos| now.since(time).0;
        Cost {
            cpu_micro_cpus: own.cpu.map(|cpu| cpu.0),
            probes_micro_cpus: own.probes.as_ref().map(|probes| probes.total().0),
            budget_micro_cpus: budget.cpu.0,
            over_cpu: own.over_cpu.is_over(),
            map_bytes: self.map_bytes(),
            guardian_bytes: guardian_bytes(),
            budget_bytes: memory.0,
            over_memory: own.over_memory.is_over(),
            age_ns: own.cpu.map(|_| since(own.ended.0)),
            tick_ns: own.tick.map(|tick| tick.last.0),
            longest_tick_ns: own.tick.map(|tick| tick.longest.0),
            why: own.why.clone(),
            programs: own.probes.as_ref().map_or_else(Vec::new, programs),
            shed: own
                .shed
                .iter()
                .map(|(probe, time, _)| Shed {
                    probe: probe.to_string(),
                    for_ns: since(*time),
                    back_after_ns: self.back_at(*probe).since(now).0,
                })
                .collect(),
        }
    }

    /// When a probe may come back at the soonest.
    fn back_at(&self, wanted: Probe) -> Nanos {
        let place = Probe::ALL.iter().position(|probe| *probe == wanted);
        place.map_or(Nanos(0), |place| self.cost.shedding.until(place))
    }

    /// Whether the agent keeps within its budget.
    pub(super) fn budget_finding(&self) -> Finding {
        let own = &self.cost;
        let over = own.over_cpu.is_over() || own.over_memory.is_over();
        let (state, why, remedy) = if own.cpu.is_none() {
            (FindingState::On, "not measured yet".to_owned(), "")
        } else if over && own.shed.is_empty() {
            (
                FindingState::Degraded,
                "the agent takes more than its budget, and nothing that it could do without would help".into(),
                "`trimtab status` says what takes it; raise [agent.budget], or give it less to do",
            )
        } else if !own.why.is_empty() {
            (
                FindingState::Degraded,
                format!("what probes cost is not known: {}", own.why),
                "the budget is kept for the agent's own threads only",
            )
        } else if own.shed.is_empty() {
            (FindingState::On, String::new(), "")
        } else {
            let names: Vec<_> = own.shed.iter().map(|(probe, ..)| probe.name()).collect();
            (
                FindingState::Degraded,
                format!("left out for now: {}", names.join(", ")),
                "it comes back by itself; raise [agent.budget] to have it all the time",
            )
        };
        Finding {
            area: "agent".into(),
            name: "budget".into(),
            state,
            why,
            remedy: remedy.into(),
        }
    }
}

/// The programs that are attached, the dearest first.
fn programs(costs: &Costs) -> Vec<ProgramCost> {
    let attached = costs.iter().filter(|(_, cost)| cost.attached);
    let mut programs: Vec<_> = attached
        .map(|(program, cost)| ProgramCost {
            name: program.name.into(),
            hook: program.hook.into(),
            probes: program.probes.iter().map(ToString::to_string).collect(),
            runs_per_second: cost.runs,
            ns_per_run: (cost.ns > 0).then_some(cost.ns),
            micro_cpus: cost.cpu.0,
        })
        .collect();
    programs.sort_by_key(|program| {
        std::cmp::Reverse((Amount(program.micro_cpus), program.runs_per_second))
    });
    programs
}
