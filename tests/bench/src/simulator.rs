//! The same loads under the same limits in the kernel and in the simulated node, side by side.
//!
//! Bursts come at distances that are no multiple of the period, so that they meet it at many phases. The
//! simulated node is told two things of the kernel: when periods ended, which the kernel draws by lot,
//! and what a piece of the load really cost, since serving a request takes more than the request.

mod case;
mod kernel;
mod memory;
mod simulated;

use std::{process::ExitCode, time::Duration};

use anyhow::Result;
use serde::Serialize;

use self::case::{Case, Figures};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How long each load lasts that is not about memory
    #[arg(long, default_value = "12s")]
    duration: humantime::Duration,
    /// Only the loads whose name contains this
    #[arg(long, default_value = "")]
    only: String,
}

/// One figure of one load.
#[derive(Debug, Serialize)]
struct Row {
    load: &'static str,
    /// What a piece of the load costs, which the simulated node is given; `None` of memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    demand_ms: Option<f64>,
    figure: &'static str,
    kernel: f64,
    simulated: f64,
    /// The simulated node against the kernel.
    ratio: f64,
}

#[derive(Debug, Serialize)]
struct Report {
    rows: Vec<Row>,
    /// The largest distance of a ratio from 1.
    worst_deviation: f64,
}

pub(crate) fn run(args: &Args, json: bool) -> Result<ExitCode> {
    let mut rows = Vec::new();
    for case in case::all().filter(|case| case.name.contains(&args.only)) {
        eprintln!("{} ...", case.name);
        let (kernel, phase) = kernel::run(&case, args.duration.into())?;
        let demand = Duration::from_secs_f64(kernel.demand_ms / 1e3);
        let simulated = simulated::run(&case, args.duration.into(), demand, phase)?;
        rows.extend(compare(&case, &kernel, &simulated));
    }
    rows.extend(memory::rows(&args.only)?);
    let deviations = rows.iter().map(|row| (row.ratio - 1.0).abs());
    let report = Report {
        worst_deviation: deviations.fold(0.0, f64::max),
        rows,
    };
    if json {
        println!("{}", serde_json::to_string(&report)?);
        return Ok(ExitCode::SUCCESS);
    }
    for row in &report.rows {
        println!(
            "{:43} {:18} kernel {:10.2}  simulated {:10.2}  ratio {:.3}",
            row.load, row.figure, row.kernel, row.simulated, row.ratio
        );
    }
    println!("worst deviation: {:.1} %", report.worst_deviation * 100.0);
    Ok(ExitCode::SUCCESS)
}

fn compare(case: &Case, of_kernel: &Figures, simulated: &Figures) -> Vec<Row> {
    let pairs = of_kernel.all().into_iter().zip(simulated.all());
    pairs
        .map(|((figure, kernel), (_, simulated))| Row {
            load: case.name,
            demand_ms: Some(of_kernel.demand_ms),
            figure,
            kernel,
            simulated,
            ratio: simulated / kernel,
        })
        // Nothing on both sides is agreement.
        .filter(|row| row.kernel > 0.0 || row.simulated > 0.0)
        .collect()
}
