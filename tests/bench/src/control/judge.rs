//! Which parts are run, and how all of them are told.

use std::{
    num::{NonZeroU32, NonZeroUsize},
    path::PathBuf,
    process::ExitCode,
    time::Instant,
};

use anyhow::{Context, Result};
use serde::Serialize;
use trimtab::replay::{Options, Policy};

use super::{packing, sources, stability, sweep};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What to measure; may be given several times [default: all; with --only or --together `sources`]
    #[arg(long = "part", value_name = "PART")]
    parts: Vec<Part>,
    /// A directory of traces with an index.csv, for `sources` and `requests`
    #[arg(long, value_name = "DIRECTORY", env = "TRIMTAB_TRACES")]
    traces: Option<PathBuf>,
    /// About how many days of series to run of each source, under each policy
    #[arg(long, default_value_t = 300)]
    pub(super) days: u64,
    /// Only this policy; may be given several times [default: all; for `packing`, those that steer CPU within minutes]
    #[arg(long = "policy", value_name = "NAME")]
    policies: Vec<String>,
    /// Only sources whose name contains this
    #[arg(long, default_value = "")]
    pub(super) only: String,
    /// So many series on one node [default: a node each, with room enough]
    #[arg(long, value_name = "N")]
    pub(super) together: Option<NonZeroUsize>,
    /// What such a node has, in percent of what its workloads begin with
    #[arg(
        long,
        value_name = "PERCENT",
        default_value = "100",
        requires = "together"
    )]
    pub(super) room: NonZeroU32,
    /// How many mixes `packing` runs
    #[arg(long, default_value_t = 20)]
    pub(super) mixes: u64,
    /// How many nodes are run at once [default: as many as there are CPUs]
    #[arg(long)]
    threads: Option<NonZeroUsize>,
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Every policy on every source of traces
    Sources,
    /// Ours beside every setting of Autothrottle's scalers, on its request traces, with and without microbursts
    Requests,
    /// Guaranteed work beside best-effort work on one node
    Packing,
    /// Overshoot, settling time and direction changes for a step, a ramp, a wave and noise
    Stability,
}

#[derive(Debug, Serialize)]
struct Report {
    seconds: f64,
    threads: usize,
    /// Of `sources`.
    rows: Vec<sources::Row>,
    #[serde(skip_serializing_if = "Option::is_none")]
    requests: Option<sweep::Sweep>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    packing: Vec<packing::Row>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stability: Vec<stability::Row>,
}

impl Args {
    fn wants(&self, part: Part) -> bool {
        if self.parts.is_empty() {
            part == Part::Sources || self.only.is_empty() && self.together.is_none()
        } else {
            self.parts.contains(&part)
        }
    }

    /// The directory of traces.
    pub(super) fn traces(&self) -> Result<&str> {
        let traces = self.traces.as_ref();
        let traces = traces.context("name the traces with --traces or TRIMTAB_TRACES")?;
        traces.to_str().context("the path is no UTF-8")
    }

    fn policies(&self) -> Result<Vec<Policy>> {
        if self.policies.is_empty() {
            return Ok(Policy::all());
        }
        let named = self.policies.iter().map(|name| Policy::named(name));
        Ok(named.collect::<Result<_, _>>()?)
    }
}

pub(crate) fn run(args: &Args, json: bool) -> Result<ExitCode> {
    let began = Instant::now();
    let policies = args.policies()?;
    let threads = args.threads.unwrap_or(Options::default().threads);
    let mut report = Report {
        seconds: 0.0,
        threads: threads.get(),
        rows: Vec::new(),
        requests: None,
        packing: Vec::new(),
        stability: Vec::new(),
    };
    let told = |part: &str| eprintln!("{part}: {:.0} s so far", began.elapsed().as_secs_f64());
    if args.wants(Part::Sources) {
        report.rows = sources::run(args, &policies, threads)?;
        told("sources");
    }
    if args.wants(Part::Requests) {
        report.requests = Some(sweep::run(args, &policies, threads)?);
        told("requests");
    }
    if args.wants(Part::Packing) {
        let mut policies = policies.clone();
        policies.retain(|policy| !args.policies.is_empty() || packing::suits(policy));
        report.packing = packing::run(args.mixes, &policies, threads);
        told("packing");
    }
    if args.wants(Part::Stability) {
        report.stability = stability::run(&policies, threads);
        told("stability");
    }
    report.seconds = began.elapsed().as_secs_f64();
    if json {
        println!("{}", serde_json::to_string(&report)?);
        return Ok(ExitCode::SUCCESS);
    }
    println!("{} s on {} threads", report.seconds.round(), report.threads);
    sources::print(&report.rows);
    if let Some(requests) = &report.requests {
        sweep::print(requests);
    }
    packing::print(&report.packing);
    stability::print(&report.stability);
    Ok(ExitCode::SUCCESS)
}
