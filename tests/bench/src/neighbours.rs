//! A spinner and an allocator beside a server: what lending to them does to the server.
//!
//! All three are managed and stand under limits of their own. The server has the node to itself
//! for a while, then stands beside the two, in turn, so that a change of the machine meets both.
//! At the end the two are there without an agent, held by the limits that their owner set.

use std::{
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;
use trimtab_lab::{
    arrivals::{Pattern, Plan, Spacing},
    load::Load,
};
use trimtab_tests::{Agent, Group, Process, eventually, lab_bin};

use crate::{
    server::Server,
    spread::{Spread, count, number},
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How long the two are there, in all
    #[arg(long, default_value = "5m")]
    duration: humantime::Duration,
    /// How long it takes until they go or come
    #[arg(long, default_value = "30s")]
    turn: humantime::Duration,
}

/// What the server's owner gave it, in us per 100 ms.
const QUOTA_US: u64 = 30_000;
/// What the two have, in the same unit.
const TIGHT_US: u64 = 10_000;
/// CPU time of a request.
const REQUEST: &str = "5ms";
/// Requests a second: 0.2 CPU.
const RATE: f64 = 40.0;
/// What the allocator may use, and what it wants again and again, in MiB.
const LIMIT: u64 = 64 << 20;
const WANTED: &str = "256MiB";

/// What one kind of turn showed of the server.
#[derive(Debug, Default, Serialize)]
struct Seen {
    turns: usize,
    requests: u64,
    /// The 99th percentile of each turn, in milliseconds.
    p99_ms: Spread,
    /// Its quota, sampled four times a second, in milliseconds per period.
    quota_ms: Spread,
    #[serde(skip)]
    p99s: Vec<f64>,
    #[serde(skip)]
    quotas: Vec<f64>,
}

impl Seen {
    fn add(&mut self, turn: Turn) {
        self.turns += 1;
        self.requests += turn.requests;
        self.p99s.push(turn.p99_ms);
        self.quotas.extend(turn.quotas);
        self.p99_ms = Spread::of(self.p99s.iter().copied());
        self.quota_ms = Spread::of(self.quotas.iter().copied());
    }
}

#[derive(Debug, Serialize)]
struct Report {
    alone: Seen,
    beside: Seen,
    beside_without_trimtab: Seen,
    p99_ratio: f64,
    p99_ratio_without_trimtab: f64,
    quota_ratio: f64,
    writes_per_s: f64,
    spinner_cpus: f64,
    spinner_cpus_without_trimtab: f64,
    allocator_kills: u64,
    allocator_kills_without_trimtab: u64,
}

pub(crate) fn run(args: &Args, json: bool) -> Result<ExitCode> {
    let turn: Duration = args.turn.into();
    let turns = (args.duration.as_secs_f64() / turn.as_secs_f64()).ceil();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a quotient of two durations, rounded"
    )]
    let turns = turns.max(1.0) as usize;
    let stage = Stage::set()?;
    let mut agent = Agent::start(&stage.policy()?)?;
    let managed = || {
        agent
            .cli(&["workloads"])
            .is_ok_and(|list| list.as_array().is_some_and(|list| list.len() == 3))
    };
    ensure!(
        eventually(Duration::from_secs(10), managed),
        "not every group became a workload\n{}",
        agent.log()
    );
    eprintln!("10 s to settle ...");
    stage.watch(Duration::from_secs(10), 0)?;
    let (mut alone, mut beside, mut without) = (Seen::default(), Seen::default(), Seen::default());
    let (mut spun, mut kills) = (Duration::ZERO, 0);
    let before = writes(&agent)?;
    for number in 1..=turns {
        alone.add(stage.watch(turn, number)?);
        let with = stage.beside(turn, number)?;
        spun += with.spun;
        kills += with.kills;
        beside.add(with.turn);
        eprintln!(
            "turn {number} of {turns}: p99 {:.1} ms alone, {:.1} ms beside the two",
            alone.p99_ms.median, beside.p99_ms.median
        );
    }
    let written = writes(&agent)? - before;
    agent.stop()?;
    let (mut spun_without, mut kills_without) = (Duration::ZERO, 0);
    let rest = turns.div_ceil(3);
    for number in 1..=rest {
        let with = stage.beside(turn, number)?;
        spun_without += with.spun;
        kills_without += with.kills;
        without.add(with.turn);
    }
    let seconds = |turns: usize| turn.as_secs_f64() * count(turns);
    let report = Report {
        p99_ratio: beside.p99_ms.median / alone.p99_ms.median,
        p99_ratio_without_trimtab: without.p99_ms.median / alone.p99_ms.median,
        quota_ratio: beside.quota_ms.median / alone.quota_ms.median,
        writes_per_s: number(written) / seconds(2 * turns),
        spinner_cpus: spun.as_secs_f64() / seconds(turns),
        spinner_cpus_without_trimtab: spun_without.as_secs_f64() / seconds(rest),
        allocator_kills: kills,
        allocator_kills_without_trimtab: kills_without,
        alone,
        beside,
        beside_without_trimtab: without,
    };
    if json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        println!("{report:#?}");
    }
    Ok(ExitCode::SUCCESS)
}

/// Limits written since the agent started.
fn writes(agent: &Agent) -> Result<u64> {
    let list = agent.cli(&["workloads"])?;
    let list = list.as_array().context("no list of workloads")?;
    let mut writes = 0;
    for workload in list {
        let path = workload["path"]
            .as_str()
            .context("a workload without a path")?;
        let counters = &agent.cli(&["show", path])?["counters"];
        let counted = ["lifts", "trims"].map(|name| counters[name].as_u64());
        let [Some(lifts), Some(trims)] = counted else {
            anyhow::bail!("no counters in {counters}");
        };
        writes += lifts + trims;
    }
    Ok(writes)
}

/// The server, and room for the two.
struct Stage {
    victim: Group,
    spinner: Group,
    allocator: Group,
    server: Server,
}

/// What the server's clients and its group showed in one turn.
struct Turn {
    requests: u64,
    p99_ms: f64,
    quotas: Vec<f64>,
}

/// The same with the two beside it, and what they got.
struct Beside {
    turn: Turn,
    spun: Duration,
    kills: u64,
}

impl Stage {
    fn set() -> Result<Self> {
        let tight = |name, quota_us| -> Result<Group> {
            let group = Group::create(name)?;
            group.set_quota_us(Some(quota_us), 100_000)?;
            Ok(group)
        };
        let victim = tight("victim", QUOTA_US)?;
        let spinner = tight("spinner", TIGHT_US)?;
        let allocator = tight("allocator", TIGHT_US)?;
        allocator.set_memory_limit(Some(LIMIT))?;
        let server = Server::start(&mut Server::command(&victim, REQUEST)?)?;
        Ok(Self {
            victim,
            spinner,
            allocator,
            server,
        })
    }

    fn policy(&self) -> Result<String> {
        let (parent, _) = self.victim.path().rsplit_once('/').context("no parent")?;
        Ok(format!(
            "[[policy]]\nname = \"neighbours\"\nselect = [\"{parent}/*\"]\nmode = \"enforce\"\n\
             warm_up = \"0s\"\ncpu.floor = 0.1\nmemory.floor = \"32MiB\"\nmemory.ceiling = \"1GiB\"\n"
        ))
    }

    /// Sends requests for one turn; the same ones at the same times for the same number.
    fn watch(&self, turn: Duration, seed: usize) -> Result<Turn> {
        let load = Load {
            target: self.server.target,
            plan: Plan {
                rate: RATE,
                duration: turn,
                pattern: Pattern::Steady,
                spacing: Spacing::Poisson,
                seed: seed as u64,
            },
            connections: 8,
            patience: Duration::from_secs(5),
        };
        let over = AtomicBool::new(false);
        let (report, quotas) = thread::scope(|scope| {
            let sampler = scope.spawn(|| {
                let mut quotas = Vec::new();
                while !over.load(Ordering::Relaxed) {
                    quotas.extend(self.victim.quota_us().ok().flatten());
                    thread::sleep(Duration::from_millis(250));
                }
                quotas
            });
            let report = load.run();
            over.store(true, Ordering::Relaxed);
            (report, sampler.join().unwrap_or_default())
        });
        let report = report?;
        ensure!(
            report.unanswered == 0,
            "{} requests were never answered",
            report.unanswered
        );
        Ok(Turn {
            requests: report.answered,
            p99_ms: number(report.latency.p99_us) / 1e3,
            quotas: quotas
                .into_iter()
                .map(|quota| number(quota) / 1e3)
                .collect(),
        })
    }

    /// One turn with a spinner and an allocator.
    fn beside(&self, turn: Duration, seed: usize) -> Result<Beside> {
        let before = (
            self.spinner.cpu_stat()?.usage_ns,
            self.allocator.oom_kills()?,
        );
        let mut spin = self.spinner.command(lab_bin()?)?;
        let spinner = Process::spawn(spin.args(["burn", "--threads", "1", "--for", "1day"]))?;
        let mut again = self.allocator.command("sh")?;
        again
            .args(["-c", "while :; do \"$@\"; done", "sh"])
            .arg(lab_bin()?)
            .args(["grow", "--to", WANTED]);
        let allocator = Process::spawn(&mut again)?;
        let turn = self.watch(turn, seed)?;
        drop((spinner, allocator));
        self.allocator.kill_all()?;
        Ok(Beside {
            turn,
            spun: Duration::from_nanos(self.spinner.cpu_stat()?.usage_ns - before.0),
            kills: self.allocator.oom_kills()? - before.1,
        })
    }
}
