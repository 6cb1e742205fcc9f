//! `trimtab compare`.

use std::process::ExitCode;

use super::{
    Failure,
    context::Context,
    output::{FAINT, FAIR, paint, print},
    table::Table,
    units::{duration, percent, quantity},
};
use crate::api::view::{Comparison, Course};

const HOUR: u128 = 3_600_000_000_000;

/// Options of `trimtab compare`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name, cgroup path, or a part of either that no other workload has; without it, all that have a
    /// shadow
    workload: Option<String>,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<ExitCode, Failure> {
    let workload = args.workload.as_deref().unwrap_or_default();
    let comparisons = context.ask(async |mut agent| Ok(agent.compare(workload).await?))?;
    print(context.json, &comparisons, |comparisons| {
        render(comparisons)
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The whole text.
pub(super) fn render(comparisons: &[Comparison]) -> String {
    if comparisons.is_empty() {
        return "no policy that has a workload has a shadow: shadow = \"...\" names another policy to ask beside it\n"
            .to_owned();
    }
    let mut table = Table::new(&[
        "WORKLOAD", "POLICY", ">USED", ">HELD", ">SLACK", ">LIMIT", ">NOW", ">CHANGES", ">TURNS",
        ">SHORT", "OVER",
    ]);
    for comparison in comparisons {
        let time = comparison.compared_ns;
        let [used, over] = [quantity(comparison.used), duration(time)];
        let name = comparison.workload.clone();
        row(
            &mut table,
            [name, String::new(), used, over],
            &comparison.active,
            time,
        );
        let aside = paint(FAINT, " (shadow)");
        row(
            &mut table,
            [String::new(), aside, String::new(), String::new()],
            &comparison.shadow,
            time,
        );
    }
    let known = "Use is what the limits in force let through. A shadow would have been short for no less than is said.";
    table.render() + &paint(FAINT, known) + "\n"
}

/// One policy's row; what both have in common stands in the first.
fn row(table: &mut Table, [name, aside, used, over]: [String; 4], course: &Course, time: u64) {
    if time == 0 {
        let policy = course.policy.clone() + &aside;
        let nothing = std::iter::repeat_n(paint(FAINT, "-"), 8);
        table.row([name, policy].into_iter().chain(nothing).chain([over]));
        return;
    }
    let short = share(course.short_ns, time);
    table.row([
        name,
        course.policy.clone() + &aside,
        used,
        quantity(course.mean_held),
        course
            .slack_per_mille
            .map_or_else(|| paint(FAINT, "-"), slack),
        quantity(course.mean_limit),
        quantity(course.limit),
        hourly(course.changes, time),
        hourly(course.turns, time),
        if course.short_ns > 0 {
            paint(FAIR, short)
        } else {
            short
        },
        over,
    ]);
}

/// Thousandths: `12.3 %`, `-4 %`.
fn slack(per_mille: i64) -> String {
    let sign = if per_mille < 0 { "-" } else { "" };
    let size = u32::try_from(per_mille.unsigned_abs()).unwrap_or(u32::MAX);
    sign.to_owned() + &percent(size.saturating_mul(10))
}

fn share(part: u64, whole: u64) -> String {
    let share = u128::from(part) * 10_000 / u128::from(whole.max(1));
    percent(u32::try_from(share).unwrap_or(u32::MAX))
}

/// So many in that time, per hour: `7.2/h`.
fn hourly(count: u64, time: u64) -> String {
    let tenths = u128::from(count) * HOUR * 10 / u128::from(time.max(1));
    match (tenths / 10, tenths % 10) {
        (whole, 0) => format!("{whole}/h"),
        (whole, tenth) => format!("{whole}.{tenth}/h"),
    }
}
