//! `trimtab processes`.

use std::process::ExitCode;

use super::{
    Failure,
    context::Context,
    output::{FAINT, FAIR, HEAD, paint, print},
    table::Table,
    units::duration,
};
use crate::api::view::{Process, Processes};

/// Rows on a page; `--json` has them all.
const ROWS: usize = 40;

/// Options of `trimtab processes`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name, cgroup path, or a part of either that no other workload has; without it, all processes
    workload: Option<String>,

    /// For how long to look
    #[arg(long, default_value = "1s", value_name = "TIME")]
    window: humantime::Duration,

    /// Since each process began instead
    #[arg(long, conflicts_with = "window")]
    total: bool,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<ExitCode, Failure> {
    let workload = args.workload.as_deref().unwrap_or_default();
    let processes = context.ask(async |mut agent| {
        let first = agent.processes(workload).await?;
        if args.total {
            return Ok(first);
        }
        tokio::time::sleep(args.window.into()).await;
        Ok(agent.processes(workload).await?.since(&first))
    })?;
    print(context.json, &processes, render)?;
    Ok(ExitCode::SUCCESS)
}

/// The whole text.
pub(super) fn render(processes: &Processes) -> String {
    let mut text = String::new();
    if !processes.degraded.is_empty() {
        text += &paint(FAIR, &processes.degraded);
        text.push('\n');
    }
    if processes.processes.is_empty() {
        return text + "no process\n";
    }
    let mut table = Table::new(&[
        ">PID",
        "NAME",
        "WORKLOAD",
        ">WAITED",
        ">TIMES",
        ">MEAN",
        ">RAN",
        ">BLOCKED",
        ">SWITCHES",
        ">TAKEN OFF",
        ">FAULTS",
        ">I/O",
    ]);
    for process in processes.processes.iter().take(ROWS) {
        table.row(row(process));
    }
    text += &table.render();
    let rest = processes.processes.len().saturating_sub(ROWS);
    let more = match rest {
        0 => String::new(),
        rest => format!("and {rest} more, which waited less\n"),
    };
    let left_out = match processes.left_out {
        0 => String::new(),
        left_out => format!("{left_out} were left out: there are too many\n"),
    };
    text + &more + &paint(FAIR, left_out)
}

fn row(process: &Process) -> [String; 12] {
    let nothing = || paint(FAINT, "-");
    let mean = process.waited_ns.checked_div(process.waits);
    let optional = |ns: Option<u64>| ns.map_or_else(nothing, duration);
    [
        process.pid.to_string(),
        paint(HEAD, &process.name),
        process
            .workload
            .clone()
            .unwrap_or_else(|| paint(FAINT, &process.cgroup)),
        duration(process.waited_ns),
        process.waits.to_string(),
        optional(mean),
        duration(process.ran_ns),
        duration(process.blocked_ns),
        (process.voluntary_switches + process.involuntary_switches).to_string(),
        process.involuntary_switches.to_string(),
        process.major_faults.to_string(),
        optional(process.io_delay_ns),
    ]
}
