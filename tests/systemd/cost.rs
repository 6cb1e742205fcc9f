//! What it costs systemd to be told.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt as _,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use trimtab::act::{limit_file::LimitFile, systemd::bus::Bus};
use trimtab_tests::{Agent, Group, Systemd};

use crate::unit::{Unit, is_here, policy, say};

/// Units that burst at the same time.
const UNITS: u64 = 10;
/// For how long they are looked at.
const WHILE: Duration = Duration::from_secs(20);
/// How often the agent tells one at most.
const EVERY: Duration = Duration::from_secs(2);

/// CPU time of a process's first thread, by the scheduler's account.
pub(crate) fn cpu_time(pid: u32) -> Result<Duration> {
    let text = fs::read_to_string(format!("/proc/{pid}/schedstat"))?;
    let field = text.split_whitespace().next().context("schedstat")?;
    Ok(Duration::from_nanos(field.parse()?))
}

/// Says, and returns, what share of a CPU systemd took; in per mille.
fn share(whose: &str, used: Duration, words: u64) -> Result<u128> {
    let share = used.as_micros() * 1000 / WHILE.as_micros();
    say(&format!(
        "{whose}, {UNITS} units for {WHILE:?}: {words} words, {used:?} of its CPU time: {}.{} % of a CPU",
        share / 10,
        share % 10
    ))?;
    Ok(share)
}

#[test]
fn units_that_burst_are_told_a_bounded_number_of_times() -> Result<()> {
    let mut units = Vec::new();
    for number in 0..UNITS {
        let Some(unit) = Unit::service(&format!("burst{number}"), "CPUQuota=10%")? else {
            return Ok(());
        };
        units.push(unit);
    }
    // What is lent is taken back at once, so that each burst is lifted anew.
    let config = policy(&["/system.slice/trimtab-burst*"], 0.05)
        + "window = \"5s\"\nwarm_up = \"0s\"\ncooldown = \"0s\"\ncut_interval = \"0s\"\nchanges_per_minute = 60\nlifts_per_minute = 600\n";
    let agent = Agent::start(&config)?;
    let mut bursts = Vec::new();
    for unit in &units {
        unit.adopted(&agent, 100_000)?;
        bursts.push(unit.begin_lab(&["burn", "--every", "1s", "--for", "30ms"])?);
    }
    let (begun, before) = (Instant::now(), cpu_time(1)?);
    let mut words = BTreeMap::new();
    let mut last = BTreeMap::new();
    while begun.elapsed() < WHILE {
        for unit in &units {
            // systemd writes a new file each time, and puts it in the place of the old one.
            let Ok(drop_in) = fs::metadata(unit.drop_in(LimitFile::CpuMax)?) else {
                continue;
            };
            let file = (drop_in.ino(), drop_in.mtime(), drop_in.mtime_nsec());
            if last.insert(unit.name(), file) != Some(file) {
                *words.entry(unit.name()).or_insert(0) += 1;
            }
        }
        thread::sleep(Duration::from_millis(20));
    }
    let used = cpu_time(1)?.saturating_sub(before);
    drop(bursts);
    share("the first process", used, words.values().sum())?;
    // One at the beginning, and one that was under way.
    let most = WHILE.as_secs() / EVERY.as_secs() + 2;
    let bounded = words.values().all(|words| *words <= most);
    ensure!(bounded, "more than {most}: {words:?}\n{}", agent.log());
    let told = words.values().sum::<u64>();
    ensure!(told > UNITS, "hardly told: {words:?}\n{}", agent.log());
    Ok(())
}

#[test]
fn ten_units_take_little_of_a_users_manager() -> Result<()> {
    // In an emulation a word takes tens of times as long.
    if is_here() {
        return Ok(());
    }
    let group = Group::create("cost")?;
    let names: Vec<_> = (0..UNITS)
        .map(|unit| format!("unit{unit}.service"))
        .collect();
    let text = "[Service]\nExecStart=sleep 1000\nSlice=app.slice\n";
    let services: Vec<_> = names.iter().map(|name| (name.as_str(), text)).collect();
    let Some(systemd) = Systemd::start(&group, &services)? else {
        return Ok(());
    };
    let pid = systemd.pid().context("a running manager")?;
    let (used, words) = told_by_turns(&systemd.bus(), pid, &names)?;
    let share = share("a user's manager", used, words)?;
    ensure!(share <= 20, "{share} per mille");
    Ok(())
}

/// Tells units as often as the agent would at most: how much CPU time that took, and how many words.
fn told_by_turns(bus: &Path, pid: u32, names: &[String]) -> Result<(Duration, u64)> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let bus = Bus::connect(bus).await?;
        let before = cpu_time(pid)?;
        let (begun, mut words) = (Instant::now(), 0);
        while begun.elapsed() < WHILE {
            for name in names {
                words += 1;
                let values = [
                    (LimitFile::CpuMax, 100_000 + words * 10_000),
                    (LimitFile::MemoryHigh, (64 << 20) + (words << 12)),
                ];
                ensure!(bus.set(name, &values).await?, "there is no {name}");
            }
            bus.settled().await?;
            tokio::time::sleep(EVERY).await;
        }
        Ok((cpu_time(pid)?.saturating_sub(before), words))
    })
}
