//! What the recording of a live agent takes on disk, per workload and second.
//!
//! Steady workloads use a little CPU time evenly; busy ones burn in bursts that their quota is too
//! small for. So many floors that are asked for leave nothing to lend on a small node, so that each of their events is
//! refused, and recorded. The state with which the segment begins is left out.

use std::{
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use clap::Args as Arguments;
use serde::Serialize;
use serde_json::Value;
use trimtab_tests::{Agent, Group, Process, lab_bin};

use crate::spread::number;

#[derive(Debug, Arguments)]
pub(crate) struct Args {
    /// Workloads of each kind
    #[arg(long, default_value_t = 200)]
    workloads: usize,
    /// For how long each kind is recorded, in seconds
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

/// The goal, from the plan of the recording.
const GOAL: f64 = 30.0;
const PERIOD_US: u64 = 100_000;
const QUOTA_US: u64 = 10_000;
/// Until every group has been taken up and the first window has begun to fill.
const SETTLE: Duration = Duration::from_secs(10);

#[derive(Debug, Serialize)]
struct Row {
    kind: &'static str,
    workloads: usize,
    seconds: f64,
    ticks: u64,
    lifts: u64,
    decisions: u64,
    /// Without the states with which segments begin.
    bytes_per_workload_second: f64,
    /// The agent's CPU time meanwhile, in percent of one CPU.
    cpu_percent: f64,
    goal: f64,
}

pub(crate) fn run(args: &Args, json: bool) -> Result<ExitCode> {
    let steady = ["burn", "--for", "200us", "--every", "100ms"];
    let busy = ["burn", "--for", "25ms", "--every", "2900ms"];
    let rows = [
        measure("steady", args, &steady)?,
        measure("busy", args, &busy)?,
    ];
    for row in &rows {
        if !json {
            println!(
                "{:7} {} workloads for {:.0} s: {:.1} bytes per workload and second (goal {GOAL}); {} lifts, {} decisions; agent {:.2} % of a CPU",
                row.kind,
                row.workloads,
                row.seconds,
                row.bytes_per_workload_second,
                row.lifts,
                row.decisions,
                row.cpu_percent
            );
        }
    }
    if json {
        println!("{}", serde_json::json!({ "record": rows }));
    }
    let good = rows.iter().all(|row| row.bytes_per_workload_second <= GOAL);
    Ok(ExitCode::from(u8::from(!good)))
}

fn measure(kind: &'static str, args: &Args, load: &[&str]) -> Result<Row> {
    let root = Group::create(&format!("record-{kind}"))?;
    let mut groups = Vec::new();
    let mut processes = Vec::new();
    for index in 0..args.workloads {
        let group = root.child(&format!("w{index}"))?;
        group.set_quota_us(Some(QUOTA_US), PERIOD_US)?;
        group.set_memory_limit(Some(256 << 20))?;
        let mut command = group.command(lab_bin()?)?;
        processes.push(Process::spawn(command.args(load))?);
        groups.push(group);
        // So that they do not all burn at the same time.
        thread::sleep(Duration::from_millis(13));
    }
    let directory = tempfile::Builder::new()
        .prefix("trimtab-bench-")
        .tempdir()?;
    let agent = Agent::start(&format!(
        "[record]\nenabled = true\ndirectory = \"{}\"\n[[policy]]\nname = \"bench\"\nselect = [\"{}/*\"]\n\
         mode = \"enforce\"\nwarm_up = \"0s\"\ncooldown = \"5s\"\ncpu = {{ floor = 0.1 }}\n",
        directory.path().display(),
        root.path()
    ))?;
    thread::sleep(SETTLE);
    let (bytes, cpu) = look(&agent)?;
    let begun = Instant::now();
    thread::sleep(Duration::from_secs(args.seconds));
    let (more_bytes, more_cpu) = look(&agent)?;
    let seconds = begun.elapsed().as_secs_f64();
    let verdict = agent.cli(&["record", "verify"])?;
    ensure!(verdict["identical"] == true, "{verdict:#}");
    let segments = verdict["segments"].as_array().context("segments")?;
    ensure!(
        segments.len() == 1,
        "a segment ended meanwhile: measure for a shorter time"
    );
    let field = |name: &str| segments[0][name].as_u64().unwrap_or_default();
    drop(processes);
    Ok(Row {
        kind,
        workloads: args.workloads,
        seconds,
        ticks: field("ticks"),
        lifts: field("lifts"),
        decisions: field("decisions"),
        bytes_per_workload_second: number(more_bytes - bytes)
            / number(args.workloads as u64)
            / seconds,
        cpu_percent: number(more_cpu - cpu) / 1e7 / seconds,
        goal: GOAL,
    })
}

/// What is on disk, and the CPU time that the agent has used in ns.
fn look(agent: &Agent) -> Result<(u64, u64)> {
    let status: Value = agent.cli(&["status"])?;
    let recorded = agent.cli(&["record", "status"])?;
    Ok((
        recorded["bytes"].as_u64().context("bytes")?,
        status["cpu_time_ns"].as_u64().context("CPU time")?,
    ))
}
