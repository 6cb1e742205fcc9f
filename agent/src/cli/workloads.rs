//! `trimtab workloads`.

use std::process::ExitCode;

use super::{
    Failure,
    context::Context,
    output::{BAD, FAINT, FAIR, GOOD, paint, print},
    table::Table,
    units::{bytes, cpus, duration},
};
use crate::api::view::{Quantity, ResourceState, Workload};
use trimtab_core::signal::Mode;

/// Options of `trimtab workloads`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) fn run(_: &Args, context: &Context) -> Result<ExitCode, Failure> {
    let workloads = context.ask(async |mut agent| Ok(agent.workloads().await?))?;
    print(context.json, &workloads, |workloads| render(workloads))?;
    Ok(ExitCode::SUCCESS)
}

/// The whole text.
pub(super) fn render(workloads: &[Workload]) -> String {
    if workloads.is_empty() {
        return "no policy selects any cgroup that exists\n".to_owned();
    }
    let mut table = Table::new(&[
        "WORKLOAD",
        "MODE",
        "POLICY",
        ">CPU",
        ">LIMIT",
        ">TARGET",
        ">MEMORY",
        ">LIMIT",
        ">WAIT P99",
        ">THROTTLED",
        ">OOM",
    ]);
    for workload in workloads {
        let [cpu, cpu_limit, cpu_target] = amounts(workload.cpu.as_ref());
        let [memory, memory_limit, _] = amounts(workload.memory.as_ref());
        let signals = &workload.signals;
        table.row([
            workload.name.clone(),
            mode(workload),
            workload.policy.clone(),
            cpu,
            cpu_limit,
            cpu_target,
            memory,
            memory_limit,
            signals.waiting_p99_ns.map_or_else(nothing, duration),
            signals.throttled_ns.map_or_else(nothing, |ns| {
                if ns > 0 {
                    paint(FAIR, duration(ns))
                } else {
                    "0".into()
                }
            }),
            signals.oom_kills.map_or_else(nothing, |kills| {
                if kills > 0 {
                    paint(BAD, kills.to_string())
                } else {
                    "0".into()
                }
            }),
        ]);
    }
    table.render()
}

/// What cannot be known.
fn nothing() -> String {
    paint(FAINT, "-")
}

/// The mode, and what keeps it from taking effect.
pub(super) fn mode(workload: &Workload) -> String {
    let mode = mode_word(workload.mode);
    let mode = if workload.mode == Mode::Enforce {
        paint(GOOD, mode)
    } else {
        mode.to_owned()
    };
    if workload.pinned {
        mode + &paint(FAIR, " pinned")
    } else {
        mode
    }
}

/// The mode's name in the configuration.
pub(super) fn mode_word(mode: Mode) -> &'static str {
    match mode {
        Mode::Observe => "observe",
        Mode::Recommend => "recommend",
        Mode::Enforce => "enforce",
    }
}

/// Use, limit and target.
fn amounts(state: Option<&ResourceState>) -> [String; 3] {
    let Some(state) = state else {
        return [nothing(), nothing(), nothing()];
    };
    let limit = if state.foreign {
        paint(BAD, short(state.limit))
    } else {
        short(state.limit)
    };
    [short(state.used), limit, short(state.target)]
}

/// An amount without the unit that the heading says.
fn short(quantity: Quantity) -> String {
    match quantity {
        Quantity::MicroCpus(micro) => cpus(micro),
        Quantity::Bytes(count) => bytes(count),
        Quantity::Unlimited => paint(FAINT, "max"),
    }
}
