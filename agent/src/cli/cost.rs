//! What the agent itself costs, in `trimtab status`.

use super::{
    output::{BAD, FAINT, FAIR, paint},
    table::Table,
    units::{bytes, duration, percent},
};
use crate::api::view::{Cost, Status};

/// A part of a CPU.
fn of_a_cpu(micro_cpus: u64) -> String {
    percent(u32::try_from(micro_cpus / 100).unwrap_or(u32::MAX))
}

/// The agent's lines: CPU, memory, and what it does without.
pub(super) fn lines(status: &Status) -> Vec<(&'static str, String)> {
    let cost = &status.cost;
    let mut lines = vec![("own cost", cpu(status)), ("", memory(status))];
    for shed in &cost.shed {
        let back = match shed.back_after_ns {
            0 => "as soon as there is room".to_owned(),
            ns => format!("in {} at the soonest", duration(ns)),
        };
        let text = format!(
            "{} for {}, since it costs too much; back {back}",
            shed.probe,
            duration(shed.for_ns)
        );
        lines.push(("left out", paint(FAIR, text)));
    }
    lines
}

fn cpu(status: &Status) -> String {
    let cost = &status.cost;
    let Some(own) = cost.cpu_micro_cpus else {
        // A share of so short a time would be that of the start alone.
        return format!("{} of CPU time so far", duration(status.cpu_time_ns));
    };
    let probes = cost.probes_micro_cpus.map_or_else(
        || paint(FAINT, format!("probes not counted: {}", cost.why)),
        |probes| format!("{} by probes", of_a_cpu(probes)),
    );
    let text = format!("{} of a CPU, {probes}", of_a_cpu(own));
    over(text, cost.over_cpu, &of_a_cpu(cost.budget_micro_cpus))
}

fn memory(status: &Status) -> String {
    let cost = &status.cost;
    let text = format!(
        "{}, {} in maps, {} its guardian",
        bytes(status.resident_bytes),
        bytes(cost.map_bytes),
        bytes(cost.guardian_bytes)
    );
    over(text, cost.over_memory, &bytes(cost.budget_bytes))
}

fn over(text: String, is_over: bool, budget: &str) -> String {
    if is_over {
        paint(BAD, format!("{text}; over its budget of {budget}"))
    } else {
        text
    }
}

/// What each program costs; nothing before the first sample.
pub(super) fn programs(cost: &Cost) -> Option<String> {
    if cost.programs.is_empty() {
        return None;
    }
    let mut table = Table::new(&["PROGRAM", ">RUNS/S", ">NS/RUN", ">OF A CPU", "FOR"]);
    for program in &cost.programs {
        let ns = program.ns_per_run;
        table.row([
            program.name.clone(),
            program.runs_per_second.to_string(),
            ns.map_or_else(|| "-".to_owned(), |ns| ns.to_string()),
            of_a_cpu(program.micro_cpus),
            program.probes.join(", "),
        ]);
    }
    Some(table.render())
}
