//! What the agent itself costs with many workloads, most of which do nothing.
//!
//! So many groups, each of them a workload, of which some wake up ten times a second; an agent that
//! observes them, and one that says what it would do about them; and what it costs to scrape its metrics
//! in the end, which nobody has asked for until then. Nothing else of the node is measured:
//! see `overhead` for what probes cost other programs, and for groups that come and go.

use std::{
    fmt::Write as _,
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use trimtab_tests::{Agent, Group, Process, eventually, free_address, lab_bin};

use crate::{
    cost::{cpu_s, rss_mib},
    scrapes::{Scrapes, scrapes},
    spread::number,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many workloads, one after the other
    #[arg(long, value_delimiter = ',', default_value = "200,1000,5000")]
    workloads: Vec<usize>,
    /// How many of a hundred do something
    #[arg(long, default_value_t = 5)]
    active: usize,
    /// What the agent may do
    #[arg(long, value_delimiter = ',', default_value = "observe,recommend")]
    modes: Vec<String>,
    /// For how long the agent is watched, each time
    #[arg(long, default_value = "1m")]
    duration: humantime::Duration,
    /// How long it looks at them before that; no shorter than the policies' and the models' first steps
    #[arg(long, default_value = "15s")]
    settle: humantime::Duration,
    /// How often metrics are scraped after that
    #[arg(long, default_value_t = 10)]
    scrapes: usize,
}

/// CPU time of one turn of a workload that does something, and how often there is one.
const EACH: &str = "100us";
const EVERY: &str = "100ms";
/// By when every group must be a workload.
const ADOPTION: Duration = Duration::from_mins(2);
/// Each workload's limits, far above what is used.
const QUOTA_US: u64 = 100_000;
const PERIOD_US: u64 = 100_000;
const MEMORY: u64 = 1 << 30;

/// What one agent used.
#[derive(Debug, Serialize)]
struct Row {
    workloads: usize,
    active: usize,
    mode: String,
    seconds: f64,
    /// Until every group was a workload.
    adoption_s: f64,
    /// CPU of all threads of the agent, in CPUs.
    agent_cpu_cores: f64,
    agent_rss_mib: f64,
    maps_mib: f64,
    /// The last of the watch, and the longest since the start, which the first may be: it takes all in.
    tick_ms: f64,
    longest_tick_ms: f64,
    sharing: u64,
    scrapes: Scrapes,
}

pub(crate) fn run(args: &Args, json: bool) -> Result<ExitCode> {
    let mut rows = Vec::new();
    for workloads in &args.workloads {
        let node = Node::new(*workloads, workloads * args.active / 100)?;
        for mode in &args.modes {
            let row = watch(&node, mode, args)?;
            eprintln!("{row:?}");
            rows.push(row);
        }
    }
    if json {
        println!("{}", serde_json::to_string(&rows)?);
    } else {
        print!("{}", table(&rows)?);
    }
    Ok(ExitCode::SUCCESS)
}

/// The groups, and what runs in some of them.
struct Node {
    processes: Vec<Process>,
    groups: Vec<Group>,
    root: Group,
}

impl Node {
    fn new(workloads: usize, active: usize) -> Result<Self> {
        ensure!(workloads > 0, "--workloads must be above zero");
        let root = Group::create("many")?;
        let groups = (0..workloads)
            .map(|number| {
                let group = root.child(&format!("w{number}"))?;
                group.set_quota_us(Some(QUOTA_US), PERIOD_US)?;
                group.set_memory_limit(Some(MEMORY))?;
                Ok(group)
            })
            .collect::<Result<Vec<_>>>()?;
        let mut processes = Vec::with_capacity(active);
        // Spread over the groups, as they are in a node's tree.
        for group in groups
            .iter()
            .step_by(workloads / active.max(1))
            .take(active)
        {
            let mut command = group.command(lab_bin()?)?;
            command.args(["burn", "--threads", "1", "--every", EVERY, "--for", EACH]);
            processes.push(Process::spawn(&mut command)?);
        }
        Ok(Self {
            processes,
            groups,
            root,
        })
    }
}

fn watch(node: &Node, mode: &str, args: &Args) -> Result<Row> {
    let count = node.groups.len();
    let begun = Instant::now();
    let address = free_address()?;
    let agent = Agent::start(&format!(
        "[agent.room]\nworkloads = {}\n\
         [report.prometheus]\nenabled = true\nlisten = \"{address}\"\n\
         [[policy]]\nname = \"many\"\nselect = [\"{}/*\"]\nmode = \"{mode}\"\n",
        count.max(4096),
        node.root.path()
    ))?;
    let status = || agent.cli(&["status"]);
    let taken = eventually(ADOPTION, || {
        status().is_ok_and(|status| {
            let [observed, recommended] =
                ["observed", "recommended"].map(|mode| status[mode].as_u64().unwrap_or_default());
            observed + recommended >= count as u64
        })
    });
    ensure!(taken, "not every group became a workload\n{}", agent.log());
    let adoption_s = begun.elapsed().as_secs_f64();
    thread::sleep(args.settle.into());
    let pid = agent.worker().context("the agent has no worker")?;
    let (before, begun) = (cpu_s(pid)?, Instant::now());
    thread::sleep(args.duration.into());
    let seconds = begun.elapsed().as_secs_f64();
    let used = cpu_s(pid)? - before;
    let status = status()?;
    let cost = &status["cost"];
    let ms = |name: &str| number(cost[name].as_u64().unwrap_or_default()) / 1e6;
    Ok(Row {
        workloads: count,
        active: node.processes.len(),
        mode: mode.into(),
        seconds,
        adoption_s,
        agent_cpu_cores: used / seconds,
        agent_rss_mib: rss_mib(pid)?,
        maps_mib: number(cost["map_bytes"].as_u64().unwrap_or_default()) / f64::from(1 << 20),
        tick_ms: ms("tick_ns"),
        longest_tick_ms: ms("longest_tick_ns"),
        sharing: status["room"]["sharing"].as_u64().unwrap_or_default(),
        scrapes: scrapes(address, args.scrapes)?,
    })
}

fn table(rows: &[Row]) -> Result<String> {
    let mut text = String::from(
        "workloads  active  mode       cores    RSS MiB  maps MiB  tick ms  longest ms  sharing  taken up s  scrape: held ms  answer ms     KiB\n",
    );
    for row in rows {
        writeln!(
            text,
            "{:9}  {:6}  {:9}  {:.4}  {:8.1}  {:8.1}  {:7.2}  {:10.1}  {:7}  {:10.1}  {:15.2}  {:9.2}  {:6.1}",
            row.workloads,
            row.active,
            row.mode,
            row.agent_cpu_cores,
            row.agent_rss_mib,
            row.maps_mib,
            row.tick_ms,
            row.longest_tick_ms,
            row.sharing,
            row.adoption_s,
            row.scrapes.held_ms.median,
            row.scrapes.answer_ms.median,
            row.scrapes.kib
        )?;
    }
    Ok(text)
}
