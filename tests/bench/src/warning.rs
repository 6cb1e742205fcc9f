//! Which law for nearly spent quotas: false and missed warnings of each, over several loads.

use std::{
    env,
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use rustix::{
    event::{PollFd, PollFlags, poll},
    time::{ClockId, Timespec, clock_gettime},
};
use serde::Serialize;
use trimtab::probe::{Event, Law, Options, Probe, ProbeSet, Probes, Ring, kind};
use trimtab_core::signal::Resource;
use trimtab_tests::{Group, Process};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// For how many seconds each load is watched under each law
    #[arg(long, default_value_t = 6)]
    seconds: u64,
    /// What this program does in a group, when it starts itself: busy and idle times in us
    #[arg(long, hide = true)]
    work: Option<String>,
}

/// The quota of every load, in ns, and its period.
const QUOTA: u64 = 50_000_000;
const PERIOD: u64 = 100_000_000;
/// How long a load is watched before, to learn what is usual for it.
const LEARN: Duration = Duration::from_secs(3);

const LAWS: [Law; 4] = [Law::Fixed, Law::Burn, Law::FixedAndBurn, Law::FixedAndUsual];

/// Name, and pairs of busy and idle time in us that follow each other for ever.
const LOADS: [(&str, &str); 8] = [
    ("4 of every 10 ms (80 %)", "4000 6000"),
    ("8 of every 20 ms (80 %)", "8000 12000"),
    ("40 of every 100 ms (80 %)", "40000 60000"),
    ("3 of every 10 ms (60 %)", "3000 7000"),
    ("15 and 45 of 100 ms in turn", "15000 85000 45000 55000"),
    (
        "4 of 10 ms, every 2 s 60 ms",
        "4000 6000 4000 6000 4000 6000 4000 6000 4000 1500000 60000 440000",
    ),
    (
        "20 ms, every 2 s a burst of 200",
        "20000 80000 20000 80000 20000 1560000 200000 0",
    ),
    ("5 of every 10 ms (100 %)", "5000 5000"),
];

/// One load under one law.
#[derive(Debug, Serialize)]
struct Row {
    load: &'static str,
    law: String,
    warnings: usize,
    alarms: usize,
    /// Alarms that no warning came before in the same period.
    missed: usize,
}

pub(crate) fn run(args: &Args, json: bool) -> Result<ExitCode> {
    if let Some(times) = &args.work {
        return work(times);
    }
    let mut rows = Vec::new();
    for (load, times) in LOADS {
        for law in LAWS {
            eprintln!("{load}, {law:?} ...");
            rows.push(measure(
                load,
                times,
                law,
                Duration::from_secs(args.seconds),
            )?);
        }
    }
    if json {
        println!("{}", serde_json::json!({ "rows": rows }));
        return Ok(ExitCode::SUCCESS);
    }
    println!(
        "{:33} {:>14} {:>9} {:>7} {:>7}",
        "load", "law", "warnings", "alarms", "missed"
    );
    for row in rows {
        let Row {
            load,
            law,
            warnings,
            alarms,
            missed,
        } = row;
        println!("{load:33} {law:>14} {warnings:>9} {alarms:>7} {missed:>7}");
    }
    Ok(ExitCode::SUCCESS)
}

fn measure(load: &'static str, times: &str, law: Law, watched: Duration) -> Result<Row> {
    let group = Group::create("warning")?;
    group.set_quota_us(Some(QUOTA / 1000), PERIOD / 1000)?;
    let probes = ProbeSet::of(Probe::QuotaNear).with(Probe::ThrottledRunning);
    let mut probes = Probes::load(&Options {
        probes,
        law,
        ..Options::default()
    })?;
    let mut ring = probes.take_ring().context("the ring is taken")?;
    let id = group.cpu_id()?;
    probes.watches().set(Resource::Cpu, id, 0, 0)?;
    let mut command = group.command(env::current_exe()?)?;
    let worker = Process::spawn(command.args(["warning", "--work", times]))?;
    // What is usual, as the slow loop learns it: the busiest period, and a little more.
    collect(&mut ring, LEARN)?;
    let peak = probes
        .watches()
        .take_peak(id)?
        .context("the group is not watched")?;
    let usual = (peak + QUOTA / 16).min(QUOTA * 15 / 16);
    probes
        .watches()
        .set_thresholds(Resource::Cpu, id, usual, 0)?;
    let events = collect(&mut ring, watched)?;
    drop(worker);
    let of = |kind: u32| events.iter().filter(move |event| event.kind == kind);
    let warned = |alarm: &&Event| {
        of(kind::QUOTA_NEAR).any(|near| near.time <= alarm.time && alarm.time - near.time < PERIOD)
    };
    Ok(Row {
        load,
        law: format!("{law:?}"),
        warnings: of(kind::QUOTA_NEAR).count(),
        alarms: of(kind::THROTTLED_RUNNING).count(),
        missed: of(kind::THROTTLED_RUNNING)
            .filter(|alarm| !warned(alarm))
            .count(),
    })
}

/// Every event of some time.
fn collect(ring: &mut Ring, time: Duration) -> Result<Vec<Event>> {
    let mut events = Vec::new();
    let end = Instant::now() + time;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(events);
        }
        let left = Timespec::try_from(left)?;
        poll(&mut [PollFd::new(&*ring, PollFlags::IN)], Some(&left))?;
        ring.for_each(|event| events.push(*event));
    }
}

/// Busy and idle in turn, for ever.
fn work(times: &str) -> Result<ExitCode> {
    let times = times
        .split(' ')
        .map(str::parse)
        .collect::<Result<Vec<u64>, _>>()?;
    let mut start = Instant::now();
    for pair in times.chunks_exact(2).cycle() {
        // Busy by the CPU's own clock: being throttled does not make the work less.
        let goal = thread_time() + Duration::from_micros(pair[0]);
        while thread_time() < goal {}
        start += Duration::from_micros(pair[0] + pair[1]);
        thread::sleep(start.saturating_duration_since(Instant::now()));
    }
    Ok(ExitCode::SUCCESS)
}

fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}
