//! `trimtab why`.

use std::process::ExitCode;

use super::{
    Failure,
    context::Context,
    output::{FAINT, FAIR, HEAD, paint, print},
    table::Table,
    units::{duration, percent},
};
use crate::api::view::{WaitCause, WaitKind, Why};

/// Options of `trimtab why`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name, cgroup path, or a part of either that no other workload has
    workload: String,

    /// Over how long; the agent keeps some 15 seconds
    #[arg(long, default_value = "10s", value_name = "TIME")]
    window: humantime::Duration,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<ExitCode, Failure> {
    let window = u64::try_from(args.window.as_nanos()).unwrap_or(u64::MAX);
    let why = context.ask(async |mut agent| Ok(agent.why(&args.workload, window).await?))?;
    print(context.json, &why, render)?;
    Ok(ExitCode::SUCCESS)
}

/// The whole text.
pub(super) fn render(why: &Why) -> String {
    let runnable = why.ran_ns + why.waited_ns;
    let share = |ns| percent(basis_points(ns, runnable));
    let window = duration(why.window_ns);
    let name = paint(HEAD, &why.workload);
    if why.window_ns == 0 {
        return format!("{name} has not been looked at yet: ask again in a second\n");
    }
    if runnable == 0 {
        return format!("{name} had nothing to run in the last {window}\n");
    }
    let mut text = format!(
        "{name} waited {} of the time in which it could run, in the last {window}\n",
        paint(FAIR, share(why.waited_ns)),
    );
    let mut table = Table::new(&[">", ">", ""]);
    for cause in &why.causes {
        table.row([share(cause.ns), duration(cause.ns), said(cause)]);
    }
    table.row([
        paint(FAINT, share(why.ran_ns)),
        paint(FAINT, duration(why.ran_ns)),
        paint(FAINT, "running"),
    ]);
    text += &table.render();
    text
}

/// What stood in the way.
pub(super) fn said(cause: &WaitCause) -> String {
    let behind = cause.behind.as_deref().unwrap_or("another group");
    match cause.cause {
        WaitKind::Quota => "throttled by its quota, or one above".into(),
        WaitKind::Siblings => "behind its own tasks".into(),
        WaitKind::Workload => format!("behind {behind}"),
        WaitKind::Group => format!("behind {behind}, which is no workload"),
        WaitKind::System => "behind the kernel's tasks".into(),
        WaitKind::Interrupts => "behind interrupts (softirqs)".into(),
        WaitKind::Idle => "for a CPU to wake up".into(),
        WaitKind::Others => "behind other groups".into(),
        WaitKind::Short => "too short to ask behind whom".into(),
    }
}

fn basis_points(part: u64, whole: u64) -> u32 {
    let share = u128::from(part) * 10_000 / u128::from(whole.max(1));
    u32::try_from(share).unwrap_or(u32::MAX)
}
