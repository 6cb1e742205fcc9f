//! `trimtab show`.

use std::{fmt::Write, process::ExitCode};

use super::{
    Failure, anomalies,
    context::Context,
    energy, gpus, identity, journal,
    output::{BAD, FAINT, FAIR, HEAD, paint, print},
    stalls,
    table::Table,
    units::{bytes, count, duration, percent, quantity},
    workloads::mode,
};
use crate::api::view::{Detail, Feedback, ResourceState, Runtime, Signals, Tcp, Workload};

/// Options of `trimtab show`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name, cgroup path, or a part of either that no other workload has
    workload: String,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<ExitCode, Failure> {
    let detail = context.ask(async |mut agent| Ok(agent.show(&args.workload).await?))?;
    print(context.json, &detail, render)?;
    Ok(ExitCode::SUCCESS)
}

/// The whole text.
pub(super) fn render(detail: &Detail) -> String {
    let workload = &detail.workload;
    let mut text = about(detail);
    if workload.cpu.is_some() || workload.memory.is_some() {
        // Writing to a string cannot fail, here and below.
        let _ = write!(text, "\n{}", resources(workload));
        for line in feedback(workload) {
            let _ = writeln!(text, "{line}");
        }
    }
    if let Some(block) = &detail.stalls.block {
        let _ = write!(text, "\n{}", stalls::block(block));
    }
    if let Some(shares) = gpus::shares(&workload.gpus) {
        let _ = write!(text, "\n{shares}");
    }
    if !detail.recent.is_empty() {
        let _ = write!(text, "\n{}\n", paint(HEAD, "RECENT"));
        for entry in &detail.recent {
            text += &journal::line(entry, false);
        }
    }
    text
}

fn about(detail: &Detail) -> String {
    let workload = &detail.workload;
    let mut table = Table::new(&["", ""]);
    let mut line = |label: &str, text: String| table.row([paint(HEAD, label), text]);
    line("workload", workload.name.clone());
    line("path", workload.path.clone());
    line("policy", format!("{}, {}", workload.policy, mode(workload)));
    line("owner", workload.owner.clone());
    for (label, text) in identity::lines(&workload.identity) {
        line(label, text);
    }
    for (index, runtime) in detail.runtimes.iter().enumerate() {
        line(
            if index == 0 { "runtime" } else { "" },
            self::runtime(runtime),
        );
    }
    if let Some(parent) = &workload.parent {
        line("parent", parent.clone());
    }
    for (index, child) in detail.children.iter().enumerate() {
        line(if index == 0 { "children" } else { "" }, child.clone());
    }
    let warm = if workload.warming_up {
        ", warming up: not trimmed yet"
    } else {
        ""
    };
    line("age", duration(workload.age_ns) + warm);
    if let Some(weight) = workload.cpu_weight {
        line("cpu", format!("no quota, shared by weight {weight}"));
    }
    let counters = &detail.counters;
    line(
        "so far",
        [
            count(counters.lifts, "lift"),
            count(counters.trims, "trim"),
            count(counters.denials, "denial"),
            count(counters.foreign_writes, "foreign write"),
        ]
        .join(", "),
    );
    let signals = signals(&workload.signals);
    if !signals.is_empty() {
        line("signals", signals.join("; "));
    }
    for (label, text) in anomalies::lines(&workload.anomalies) {
        line(label, text);
    }
    if let Some((label, text)) = anomalies::balance(&workload.beyond) {
        line(label, text);
    }
    for (label, text) in stalls::lines(&detail.stalls) {
        line(label, text);
    }
    if let Some(share) = &workload.energy {
        line("energy", energy::workload(share));
    }
    table.render()
}

/// `Java, 2 processes: sizes its threads ...; nothing bounds what trims show it (visible_cpus_min)`
fn runtime(runtime: &Runtime) -> String {
    let version = runtime.version.as_deref();
    let version = version.map(|version| format!(" {version}"));
    let processes = match runtime.processes {
        1 => String::new(),
        many => format!(", {many} processes"),
    };
    let text = format!(
        "{}{}{processes}: {}",
        runtime.name,
        version.unwrap_or_default(),
        runtime.sizing
    );
    if runtime.unbounded.is_empty() {
        return text;
    }
    let keys = runtime.unbounded.join(", ");
    let hint = format!("nothing bounds what trims show it ({keys})");
    format!("{text}; {}", paint(FAIR, hint))
}

/// What is known of how it fares.
fn signals(signals: &Signals) -> Vec<String> {
    let mut known = Vec::new();
    if let (Some(p50), Some(p99)) = (signals.waiting_p50_ns, signals.waiting_p99_ns) {
        known.push(format!(
            "waits for a CPU p50 {}, p99 {}",
            duration(p50),
            duration(p99)
        ));
    }
    if let Some(ns) = signals.throttled_ns {
        let text = format!(
            "throttled {} in {}",
            duration(ns),
            count(signals.throttled_periods.unwrap_or(0), "period")
        );
        known.push(if ns > 0 {
            paint(FAIR, text)
        } else {
            "never throttled".to_owned()
        });
    }
    if let Some(kills) = signals.oom_kills {
        known.push(if kills > 0 {
            paint(BAD, count(kills, "OOM kill"))
        } else {
            "no OOM kill".to_owned()
        });
    }
    if let Some(bp) = signals.cpu_pressure_bp {
        known.push(format!("CPU pressure {}", percent(bp)));
    }
    if let Some(bp) = signals.memory_pressure_bp {
        known.push(format!("memory pressure {}", percent(bp)));
    }
    if let Some(tcp) = signals.tcp.as_ref().filter(|tcp| tcp.requests > 0) {
        known.push(requests(tcp));
    }
    known
}

/// Requests to its TCP servers.
fn requests(tcp: &Tcp) -> String {
    let mut text = format!("{} requests/s", tcp.requests_per_s);
    let times = [
        ("answered p50", tcp.answered_p50_ns),
        ("p99", tcp.answered_p99_ns),
        ("unread p99", tcp.unread_p99_ns),
    ];
    for (name, ns) in times {
        if let Some(ns) = ns {
            // Writing to a string cannot fail.
            let _ = write!(text, ", {name} {}", duration(ns));
        }
    }
    let (received, sent) = (bytes(tcp.bytes_in), bytes(tcp.bytes_out));
    text + &format!(", {received} in, {sent} out")
}

fn resources(workload: &Workload) -> String {
    let mut table = Table::new(&[
        "",
        ">USED",
        ">LIMIT",
        ">ORIGINAL",
        ">FLOOR",
        ">TARGET",
        ">CEILING",
        ">LENT",
        "NOTE",
    ]);
    for (name, state) in [("cpu", &workload.cpu), ("memory", &workload.memory)] {
        let Some(state) = state else { continue };
        let amounts = [
            state.used,
            state.limit,
            state.original,
            state.floor,
            state.target,
            state.ceiling,
            state.lent,
        ];
        table.row(
            std::iter::once(paint(HEAD, name))
                .chain(amounts.map(quantity))
                .chain([note(state)]),
        );
    }
    table.render()
}

/// What stands in the way of this limit.
fn note(state: &ResourceState) -> String {
    if state.foreign {
        return paint(BAD, "written by somebody else");
    }
    let mut notes = Vec::new();
    notes.extend(
        state
            .limited_by
            .iter()
            .map(|above| format!("limited by {above}")),
    );
    if let Some(held) = &state.held_back {
        let (to, why) = (quantity(held.to), &held.why);
        notes.push(format!(
            "kept from {to} for {}: {why}",
            duration(held.for_ns)
        ));
    }
    if notes.is_empty() {
        paint(FAINT, "")
    } else {
        paint(FAIR, notes.join("; "))
    }
}

/// What became of the changes of each limit.
fn feedback(workload: &Workload) -> Vec<String> {
    let states = [("cpu", &workload.cpu), ("memory", &workload.memory)];
    let known = |(name, state): (&'static str, &'_ Option<ResourceState>)| {
        let told = changes(&state.as_ref()?.feedback)?;
        Some(format!("{} {told}", paint(HEAD, format!("{name} changes"))))
    };
    states.into_iter().filter_map(known).collect()
}

/// `3 helped, 1 hurt; the last: ...`
fn changes(feedback: &Feedback) -> Option<String> {
    let last = feedback.last.as_ref()?;
    let counts = [
        (feedback.helped, "helped"),
        (feedback.no_difference, "made no difference"),
        (feedback.hurt, "hurt"),
        (feedback.cut_short, "cut short"),
        (feedback.cannot_tell, "cannot be told"),
    ];
    let counts = counts.iter().filter(|(count, _)| *count > 0);
    let counts: Vec<_> = counts
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    let last = paint(journal::verdict(&last.verdict), &last.text);
    let text = format!("{}; the last, {last}", counts.join(", "));
    let Some(patience) = feedback.patience_ns else {
        return Some(text);
    };
    let trims = count(feedback.hurt_in_a_row.into(), "trim");
    let patience = format!("not trimmed for {} after a raise", duration(patience));
    Some(format!(
        "{text}; {} since {trims} hurt",
        paint(FAIR, patience)
    ))
}
