//! What everything together costs other programs, and what the agent itself uses.
//!
//! Two loads that do next to nothing but wake each other: `perf bench sched pipe`, and one byte to
//! and fro over TCP. Each round runs both with nobody watching, under an agent as it is by
//! default, under bpftrace's script, under a hash by pid, and with nobody again, which tells the
//! machine's own noise. Afterwards the agent is watched beside groups and processes that come and go.

mod node;
mod variant;

use std::{
    fmt::Write as _,
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use self::{node::Node, variant::Variant};
use crate::{
    cost::{cpu_s, rss_mib},
    host,
    spread::{Spread, number},
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Rounds; every variant runs once in each. With none, only the agent's own use is measured
    #[arg(long, default_value_t = 20)]
    rounds: usize,
    /// Operations per run of `perf bench sched pipe`
    #[arg(long, default_value_t = 100_000)]
    operations: u64,
    /// Requests per run over TCP
    #[arg(long, default_value_t = 30_000)]
    turns: u64,
    /// Workloads of the agent
    #[arg(long, default_value_t = 200)]
    workloads: usize,
    /// Processes that sleep in them
    #[arg(long, default_value_t = 1000)]
    processes: usize,
    /// How long the agent's own use is measured, beside groups and processes that come and go
    #[arg(long, alias = "duration", default_value = "2m")]
    watch: humantime::Duration,
}

/// What was found. Slowdowns are fractions, against nobody in the same round.
#[derive(Debug, Serialize)]
struct Report {
    kernel: String,
    rounds: usize,
    workloads: usize,
    processes: usize,
    /// Median of the agent's rounds.
    sched_pipe_slowdown: f64,
    tcp_rr_slowdown: f64,
    variants: Vec<Slowdown>,
    agent_cpu_cores: f64,
    agent_rss_mib: f64,
    watched_s: f64,
    /// Its memory when the watch began, and the most that it was.
    agent_rss_mib_before: f64,
    agent_rss_mib_max: f64,
    /// Its CPU in each quarter of the watch: whether it grows.
    agent_cpu_cores_quarters: [f64; 4],
}

#[derive(Debug, Serialize)]
struct Slowdown {
    variant: &'static str,
    sched_pipe: Spread,
    tcp_rr: Spread,
}

/// Operations a second of both loads.
type Rates = [f64; 2];

pub(crate) fn run(args: &Args, json: bool) -> Result<ExitCode> {
    let node = Node::new(args.workloads, args.processes)?;
    let mut rounds = Vec::with_capacity(args.rounds);
    for round in 0..args.rounds {
        rounds.push(one(&node, args, round)?);
        eprintln!("round {} of {}: {}", round + 1, args.rounds, said(&rounds));
    }
    let variants: Vec<Slowdown> = Variant::ALL[1..]
        .iter()
        .map(|variant| Slowdown {
            variant: variant.name(),
            sched_pipe: slowdown(&rounds, *variant, 0),
            tcp_rr: slowdown(&rounds, *variant, 1),
        })
        .collect();
    let own = watch(&node, args.watch.into())?;
    let report = Report {
        kernel: host::kernel(),
        rounds: rounds.len(),
        workloads: args.workloads,
        processes: args.processes,
        sched_pipe_slowdown: slowdown(&rounds, Variant::Trimtab, 0).median,
        tcp_rr_slowdown: slowdown(&rounds, Variant::Trimtab, 1).median,
        variants,
        agent_cpu_cores: own.cpu_cores,
        agent_rss_mib: own.rss_mib,
        watched_s: own.seconds,
        agent_rss_mib_before: own.rss_mib_before,
        agent_rss_mib_max: own.rss_mib_max,
        agent_cpu_cores_quarters: own.quarters,
    };
    if json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print!("{}", table(&report)?);
    }
    Ok(ExitCode::SUCCESS)
}

/// Every variant once, each round beginning with another one.
fn one(node: &Node, args: &Args, round: usize) -> Result<[Rates; Variant::ALL.len()]> {
    let mut rates = [[0.0; 2]; Variant::ALL.len()];
    for turn in 0..Variant::ALL.len() {
        let index = (round + turn) % Variant::ALL.len();
        let variant = Variant::ALL[index];
        let watching = variant
            .start(node)
            .with_context(|| format!("{}, round {round}", variant.name()))?;
        // Attaching patches the kernel's code, which goes on for a moment on other CPUs.
        thread::sleep(Duration::from_millis(500));
        rates[index] = [node.pipe(args.operations)?, node.turns(args.turns)?];
        drop(watching);
    }
    Ok(rates)
}

fn slowdown(rounds: &[[Rates; Variant::ALL.len()]], variant: Variant, load: usize) -> Spread {
    let fraction = |round: &[Rates; Variant::ALL.len()]| {
        1.0 - round[variant as usize][load] / round[Variant::Nobody as usize][load]
    };
    Spread::of(rounds.iter().map(fraction))
}

fn said(rounds: &[[Rates; Variant::ALL.len()]]) -> String {
    let one = |variant: Variant| {
        format!(
            "{} {:.1} % and {:.1} %",
            variant.name(),
            slowdown(rounds, variant, 0).median * 100.0,
            slowdown(rounds, variant, 1).median * 100.0
        )
    };
    let all: Vec<_> = Variant::ALL[1..]
        .iter()
        .map(|variant| one(*variant))
        .collect();
    all.join(", ")
}

/// What the agent used.
struct Own {
    seconds: f64,
    cpu_cores: f64,
    rss_mib_before: f64,
    rss_mib_max: f64,
    rss_mib: f64,
    quarters: [f64; 4],
}

/// Watches an agent that has looked at everything for a while.
fn watch(node: &Node, duration: Duration) -> Result<Own> {
    let agent = variant::agent(node)?;
    let pid = agent.worker().context("the agent has no worker")?;
    node.churn(Duration::from_secs(10), || Ok(()))?;
    let (cpu, rss_mib_before) = (cpu_s(pid)?, rss_mib(pid)?);
    let begun = Instant::now();
    let mut said = 0;
    let mut rss_mib_max = rss_mib_before;
    // When each quarter ended, and the agent's CPU time by then.
    let mut ends = vec![(0.0, cpu)];
    node.churn(duration, || {
        said += 1;
        let (elapsed, used, rss) = (begun.elapsed().as_secs_f64(), cpu_s(pid)?, rss_mib(pid)?);
        rss_mib_max = rss_mib_max.max(rss);
        if elapsed >= duration.as_secs_f64() * number(ends.len() as u64) / 4.0 {
            ends.push((elapsed, used));
        }
        if said % 60 == 0 {
            eprintln!(
                "{said} s: {:.4} cores, {rss:.1} MiB",
                (used - cpu) / elapsed
            );
        }
        Ok(())
    })?;
    ends.truncate(4);
    ends.push((begun.elapsed().as_secs_f64(), cpu_s(pid)?));
    let quarter = |index: usize| match ends.get(index..index + 2) {
        Some([from, to]) => (to.1 - from.1) / (to.0 - from.0),
        _ => 0.0,
    };
    let seconds = begun.elapsed().as_secs_f64();
    ensure!(seconds > 0.0, "--watch must be above zero");
    Ok(Own {
        seconds,
        cpu_cores: (cpu_s(pid)? - cpu) / seconds,
        rss_mib_before,
        rss_mib_max,
        rss_mib: rss_mib(pid)?,
        quarters: [0, 1, 2, 3].map(quarter),
    })
}

fn table(report: &Report) -> Result<String> {
    let percent = |spread: &Spread| {
        let [p25, median, p75] = [spread.p25, spread.median, spread.p75].map(|part| part * 100.0);
        format!("{median:.1} % ({p25:.1} to {p75:.1})")
    };
    let mut text = format!(
        "slower than with nobody watching, kernel {}, {} rounds; median (quartiles)\n",
        report.kernel, report.rounds
    );
    for Slowdown {
        variant,
        sched_pipe,
        tcp_rr,
    } in &report.variants
    {
        writeln!(
            text,
            "  {variant:20} sched pipe {:26} TCP {}",
            percent(sched_pipe),
            percent(tcp_rr)
        )?;
    }
    let quarters = report.agent_cpu_cores_quarters;
    let quarters = quarters.map(|cores| format!("{cores:.4}"));
    writeln!(
        text,
        "the agent with {} workloads and {} processes, for {:.0} s: {:.4} cores ({}), {:.1} MiB ({:.1} at first, {:.1} at most)",
        report.workloads,
        report.processes,
        report.watched_s,
        report.agent_cpu_cores,
        quarters.join(", "),
        report.agent_rss_mib,
        report.agent_rss_mib_before,
        report.agent_rss_mib_max
    )?;
    Ok(text)
}
