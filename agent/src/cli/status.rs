//! `trimtab status`.

use std::{fmt::Write, process::ExitCode};

use trimtab_core::signal::Resource;

use super::{
    Failure, anomalies,
    context::Context,
    cost, energy, gpus, identity,
    output::{BAD, FAINT, FAIR, HEAD, paint, print},
    record, room, stalls,
    table::Table,
    units::{count, duration, quantity},
};
use crate::api::view::{FastLoop, Pool, Status};

/// Options of `trimtab status`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) fn run(_: &Args, context: &Context) -> Result<ExitCode, Failure> {
    let status = context.ask(async |mut agent| Ok(agent.status().await?))?;
    print(context.json, &status, render)?;
    Ok(ExitCode::SUCCESS)
}

/// The whole text.
pub(super) fn render(status: &Status) -> String {
    let mut table = Table::new(&["", ""]);
    let mut line = |label: &str, text: String| table.row([paint(HEAD, label), text]);
    let config = if status.config_path.is_empty() {
        "defaults"
    } else {
        &status.config_path
    };
    line(
        "agent",
        format!(
            "trimtab {}, pid {}, up {}, {config}",
            status.version,
            status.pid,
            duration(status.uptime_ns)
        ),
    );
    if status.paused {
        line(
            "paused",
            paint(FAIR, "no limits are written until `trimtab resume`"),
        );
    }
    line("workloads", workloads(status));
    if let Some(lacks) = room::line(&status.room) {
        line("room", lacks);
    }
    line("fast loop", fast_loop(&status.fast_loop));
    line("reaction", reaction(&status.fast_loop));
    line("probes", probes(status));
    for (label, text) in cost::lines(status) {
        line(label, text);
    }
    if let Some(sources) = identity::sources(&status.identity) {
        line("identity", sources);
    }
    if let Some(recording) = &status.recording {
        line("recording", record::standing(recording));
    }
    if let Some(pressure) = stalls::pressures(&status.pressure) {
        line("pressure", pressure);
    }
    if let Some(power) = energy::node(&status.energy) {
        line("power", power);
    }
    if let Some(trouble) = gpus::trouble(&status.gpus) {
        line("gpus", trouble);
    }
    let mut text = String::new();
    if let Some(error) = &status.config_error {
        let refused = "the configuration could not be read again; the earlier one stays:";
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}\n{error}\n", paint(BAD, refused));
    }
    text += &table.render();
    if let Some(programs) = cost::programs(&status.cost) {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n{programs}");
    }
    if !status.pools.is_empty() {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n{}", pools(&status.pools));
    }
    if let Some(found) = anomalies::table(&status.anomalies) {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n{found}");
    }
    if let Some(devices) = gpus::devices(&status.gpus) {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n{devices}");
    }
    text
}

fn workloads(status: &Status) -> String {
    format!(
        "{}: {} enforced, {} recommended, {} observed; {} pinned",
        status.observed + status.recommended + status.enforced,
        status.enforced,
        status.recommended,
        status.observed,
        status.pinned
    )
}

fn fast_loop(fast: &FastLoop) -> String {
    let lost = format!("{} lost", fast.lost);
    format!(
        "{}, memory {}; {}: {}, {} denied, {}",
        if fast.scheduling.is_empty() {
            "scheduling not known"
        } else {
            &fast.scheduling
        },
        if fast.memory_locked {
            "locked"
        } else {
            "not locked"
        },
        count(fast.events, "event"),
        count(fast.lifts, "lift"),
        fast.denied,
        if fast.lost > 0 {
            paint(BAD, lost)
        } else {
            lost
        }
    )
}

fn reaction(fast: &FastLoop) -> String {
    let or_none = |ns: Option<u64>| ns.map_or_else(|| "-".to_owned(), duration);
    if fast.reaction_p50_ns.is_none() && fast.reaction_p99_ns.is_none() {
        return paint(FAINT, "no event answered yet");
    }
    format!(
        "p50 {}, p99 {} from event to limit written; own waiting p99 {}",
        or_none(fast.reaction_p50_ns),
        or_none(fast.reaction_p99_ns),
        or_none(fast.own_wait_p99_ns)
    )
}

/// How many are on, and what there is to say of the others: once for all of which it is the same.
fn probes(status: &Status) -> String {
    let mut text = format!("{} on", status.probes_on);
    if status.probes_off > 0 {
        text += &paint(FAIR, format!(", {} off", status.probes_off));
    }
    let mut told: Vec<(&str, Vec<&str>)> = Vec::new();
    for lacking in &status.probes_lacking {
        match told.iter_mut().find(|(why, _)| *why == lacking.why) {
            Some((_, names)) => names.push(&lacking.name),
            None => told.push((&lacking.why, vec![&lacking.name])),
        }
    }
    let told = told.into_iter();
    let told = told.map(|(why, names)| format!("; {}: {why}", names.join(", ")));
    text + &told.collect::<String>()
}

fn pools(pools: &[Pool]) -> String {
    let mut table = Table::new(&[
        "POOL",
        ">CAPACITY",
        ">RESERVE",
        ">FLOORS",
        ">UNMANAGED",
        ">SIZE",
        ">LENT",
    ]);
    for pool in pools {
        let name = match pool.resource {
            Resource::Cpu => "cpu",
            Resource::Memory => "memory",
        };
        let amounts = [
            pool.capacity,
            pool.reserve,
            pool.floors,
            pool.unmanaged,
            pool.size,
            pool.lent,
        ];
        table.row(std::iter::once(name.to_owned()).chain(amounts.map(quantity)));
    }
    table.render()
}
