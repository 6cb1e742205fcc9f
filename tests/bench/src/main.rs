//! Measures what docs/OVERHEAD.md and the README claim, each against a baseline in the same run.

mod anomalies;
mod control;
mod core;
mod cost;
mod demo;
mod host;
mod live;
mod many;
mod memory;
mod neighbours;
mod overhead;
mod programs;
mod quiet;
mod reaction;
mod record;
mod replay;
mod requests;
mod runq;
mod scrapes;
mod server;
mod simulator;
mod speed;
mod spread;
mod statistics;
mod stop;
mod tie;
mod warning;
mod writes;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// The benchmarks of Trimtab.
#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Cli {
    /// Print one JSON object instead of text.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Debug, Subcommand)]
enum Bench {
    /// From a burst to the lifted quota, with and without Trimtab.
    Reaction(reaction::Args),
    /// Growing at full speed inside a small memory limit.
    Memory(memory::Args),
    /// What the run-queue probe costs per wake-run-sleep cycle.
    Runq(runq::Args),
    /// What everything together costs other programs, and what the agent itself uses.
    Overhead(overhead::Args),
    /// What the agent itself uses with many workloads, most of which do nothing.
    Many(many::Args),
    /// What it costs to let the kernel count what the probes cost.
    Statistics(statistics::Args),
    /// Steady workloads: writes, direction changes and the agent's own cost.
    Quiet(quiet::Args),
    /// False and missed warnings of each law for a nearly spent quota.
    Warning(warning::Args),
    /// Latency of one quota write with many groups.
    Writes(writes::Args),
    /// A spinner and an allocator beside a server: the server's latency and limits.
    Neighbours(neighbours::Args),
    /// What one tick of the decision core costs per workload, and how fast the simulated node is.
    Core(core::Args),
    /// Every policy on every source of a directory of traces.
    Control(control::Args),
    /// Trimtab, Captain's law and static limits, each live under the same requests.
    Live(live::Args),
    /// What would have been found out of the ordinary in recorded history.
    Anomalies(anomalies::Args),
    /// What a recording takes on disk, per workload and second.
    Record(record::Args),
    /// What the probe of TCP requests says beside a packet capture, and what it costs.
    Requests(requests::Args),
    /// What very many rows of history take: memory and time.
    Replay(replay::Args),
    /// The same loads in the kernel and in the simulated node.
    Simulator(simulator::Args),
    /// The main job, live, on this host.
    Demo(demo::Args),
}

fn main() -> Result<ExitCode> {
    let Cli { json, bench } = Cli::parse();
    match bench {
        Bench::Reaction(args) => reaction::run(&args, json),
        Bench::Memory(args) => memory::run(&args, json),
        Bench::Runq(args) => runq::run(&args, json),
        Bench::Overhead(args) => overhead::run(&args, json),
        Bench::Many(args) => many::run(&args, json),
        Bench::Statistics(args) => statistics::run(&args, json),
        Bench::Quiet(args) => quiet::run(&args, json),
        Bench::Warning(args) => warning::run(&args, json),
        Bench::Writes(args) => writes::run(&args, json),
        Bench::Neighbours(args) => neighbours::run(&args, json),
        Bench::Core(args) => core::run(&args, json),
        Bench::Control(args) => control::run(&args, json),
        Bench::Live(args) => live::run(&args, json),
        Bench::Anomalies(args) => anomalies::run(&args, json),
        Bench::Record(args) => record::run(&args, json),
        Bench::Requests(args) => requests::run(&args, json),
        Bench::Replay(args) => replay::run(&args, json),
        Bench::Simulator(args) => simulator::run(&args, json),
        Bench::Demo(args) => demo::run(&args, json),
    }
}
