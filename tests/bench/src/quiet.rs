//! Steady workloads: how often their limits are written, and what the agent itself costs.
//!
//! Every workload uses some 82 % of its quota in each period, in a group of its own. Nothing needs to
//! be done, so nothing should be. Afterwards one of them bursts, and its quota has to come back
//! down to its need.

use std::{
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use serde_json::Value;
use trimtab_tests::{Agent, Group, Process, eventually, lab_bin};

use crate::{
    cost::{cpu_s, rss_mib},
    spread::number,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many workloads
    #[arg(long, default_value_t = 200)]
    workloads: usize,
    /// How long they are watched
    #[arg(long, default_value = "10m")]
    duration: humantime::Duration,
    /// How long the agent looks at them before that
    #[arg(long, default_value = "1m")]
    settle: humantime::Duration,
}

/// Each one's quota, in us per period. Under one of 1 ms workloads were throttled at 78 % use: the
/// kernel leaves up to 1 ms with a CPU that a task has left (`min_cfs_rq_runtime`).
const QUOTA_US: u64 = 5_000;
/// The groups' period in us, the longest that the kernel admits: the quotas of 200 workloads must
/// leave half of a node with two CPUs to lend from.
const PERIOD_US: u64 = 1_000_000;
/// Its quota and its floor, for the configuration.
const FLOOR: &str = "5m";
/// CPU time of a burst, of which there are ten in a period: 82 % of the quota.
const EACH: &str = "410us";
/// How long one workload bursts at the end.
const BURST: Duration = Duration::from_secs(2);
/// By when its quota must have come back.
const BACK: Duration = Duration::from_mins(3);

#[derive(Debug, Default, Serialize)]
struct Report {
    workloads: usize,
    seconds: f64,
    writes: u64,
    writes_per_workload_minute: f64,
    direction_changes_per_minute_max: f64,
    use_of_quota: f64,
    throttled_periods_share: f64,
    agent_cpu_percent: f64,
    agent_rss_mib: f64,
    guardian_rss_mib: f64,
    events: u64,
    quota_ms_before_burst: f64,
    quota_ms_in_burst: f64,
    quota_ms_after: f64,
    back_after_s: Option<f64>,
}

pub(crate) fn run(args: &Args, json: bool) -> Result<ExitCode> {
    let root = Group::create("quiet")?;
    let mut groups = Vec::new();
    let mut processes = Vec::new();
    for number in 0..args.workloads {
        let group = root.child(&format!("w{number}"))?;
        let mut command = group.command(lab_bin()?)?;
        command.args(["burn", "--threads", "1", "--every", "100ms", "--for", EACH]);
        processes.push(Process::spawn(&mut command)?);
        groups.push(group);
    }
    // Periods begin with the quota. Had the start been under it, every burst would come just when a
    // period begins, and now and then one too many would fall into a period.
    thread::sleep(Duration::from_secs(2));
    for group in &groups {
        thread::sleep(Duration::from_millis(7));
        group.set_quota_us(Some(QUOTA_US), PERIOD_US)?;
    }
    let agent = Agent::start(&config(root.path()))?;
    let managed = eventually(Duration::from_secs(30), || {
        agent.cli(&["workloads"]).is_ok_and(|list| {
            list.as_array()
                .is_some_and(|list| list.len() == args.workloads)
        })
    });
    ensure!(
        managed,
        "not every group became a workload\n{}",
        agent.log()
    );
    eprintln!("{} workloads; {} to settle ...", groups.len(), args.settle);
    thread::sleep(args.settle.into());

    let mut report = watch(&agent, &groups, args.duration.into())?;
    let group = groups.first().context("at least one workload is needed")?;
    come_back(&mut report, group)?;
    drop(processes);
    if json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        println!("{report:#?}");
    }
    Ok(ExitCode::SUCCESS)
}

fn config(root: &str) -> String {
    format!(
        "[[policy]]\nname = \"quiet\"\nselect = [\"{root}/*\"]\nmode = \"enforce\"\nresources = [\"cpu\"]\n\
         warm_up = \"0s\"\ncpu = {{ floor = \"{FLOOR}\", step = \"{FLOOR}\" }}\n"
    )
}

/// What is counted at the beginning and at the end.
struct Counted {
    at: Instant,
    cpu_s: f64,
    periods: u64,
    throttled: u64,
    used_ns: u64,
    events: u64,
}

impl Counted {
    fn now(agent: &Agent, groups: &[Group]) -> Result<Self> {
        let (mut periods, mut throttled, mut used_ns) = (0, 0, 0);
        for group in groups {
            let stat = group.cpu_stat()?;
            periods += stat.nr_periods;
            throttled += stat.nr_throttled;
            used_ns += stat.usage_ns;
        }
        let status = agent.cli(&["status"])?;
        Ok(Self {
            at: Instant::now(),
            cpu_s: cpu_s(agent.worker().context("the agent has no worker")?)?,
            periods,
            throttled,
            used_ns,
            events: status["fast_loop"]["events"].as_u64().unwrap_or_default(),
        })
    }
}

fn watch(agent: &Agent, groups: &[Group], duration: Duration) -> Result<Report> {
    let before = Counted::now(agent, groups)?;
    let seq = agent.cli(&["status"])?["journal_seq"]
        .as_u64()
        .unwrap_or_default();
    let end = Instant::now() + duration;
    while Instant::now() < end {
        let left = end.saturating_duration_since(Instant::now());
        eprintln!("{} s left", left.as_secs());
        thread::sleep(left.min(Duration::from_secs(30)));
    }
    let after = Counted::now(agent, groups)?;
    let seconds = after.at.duration_since(before.at).as_secs_f64();
    let minutes = seconds / 60.0;
    let (mut writes, mut turns) = (0, 0);
    for group in groups {
        let entries = agent.cli(&["explain", group.path(), "--last", "1000"])?;
        let steps = steps(&entries, seq);
        writes += steps.len() as u64;
        turns = turns.max(steps.windows(2).filter(|pair| pair[0] != pair[1]).count());
    }
    let worker = agent.worker().context("the agent has no worker")?;
    let guardian = agent.guardian().context("the agent has no guardian")?;
    Ok(Report {
        workloads: groups.len(),
        seconds,
        writes,
        writes_per_workload_minute: number(writes) / number(groups.len() as u64) / minutes,
        direction_changes_per_minute_max: number(turns as u64) / minutes,
        use_of_quota: number(after.used_ns - before.used_ns)
            / (seconds * 1e9)
            / (number(groups.len() as u64) * number(QUOTA_US) / number(PERIOD_US)),
        throttled_periods_share: number(after.throttled - before.throttled)
            / number((after.periods - before.periods).max(1)),
        agent_cpu_percent: (after.cpu_s - before.cpu_s) / seconds * 100.0,
        agent_rss_mib: rss_mib(worker)?,
        guardian_rss_mib: rss_mib(guardian)?,
        events: after.events - before.events,
        ..Report::default()
    })
}

/// The written changes of one workload since `seq`: whether each went up.
fn steps(entries: &Value, seq: u64) -> Vec<bool> {
    let amount = |value: &Value| value["micro_cpus"].as_u64().unwrap_or(u64::MAX);
    let entries = entries.as_array().map(Vec::as_slice).unwrap_or_default();
    entries
        .iter()
        .filter(|entry| entry["written"] == true && entry["seq"].as_u64() > Some(seq))
        .map(|entry| amount(&entry["to"]) > amount(&entry["from"]))
        .collect()
}

/// One workload bursts, and its quota comes back down to the need.
fn come_back(report: &mut Report, group: &Group) -> Result<()> {
    let quota_ms = || -> Result<f64> { Ok(number(group.quota_us()?.unwrap_or(u64::MAX)) / 1e3) };
    report.quota_ms_before_burst = quota_ms()?;
    let mut command = group.command(lab_bin()?)?;
    let burst = Process::spawn(command.args(["burn", "--threads", "1"]))?;
    thread::sleep(BURST);
    report.quota_ms_in_burst = quota_ms()?;
    drop(burst);
    let ended = Instant::now();
    let need = report.quota_ms_before_burst * 1.5;
    let back = eventually(BACK, || quota_ms().is_ok_and(|quota| quota <= need));
    report.quota_ms_after = quota_ms()?;
    report.back_after_s = back.then(|| ended.elapsed().as_secs_f64());
    Ok(())
}
