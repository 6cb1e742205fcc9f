//! How long it takes until a limit stands: by a write to the file, and by a word to systemd.

use std::{
    fs::File,
    os::unix::fs::FileExt as _,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use trimtab::act::{limit_file::LimitFile, systemd::bus::Bus};
use trimtab_tests::{Group, Systemd};

use crate::{
    cost::cpu_time,
    unit::{BUS, Unit, is_here, say},
};

const ROUNDS: u32 = 200;

/// The middle and the 99th of a hundred.
fn quantiles(mut times: Vec<Duration>) -> [Duration; 2] {
    times.sort();
    [50, 99].map(|per_cent| times[(times.len() - 1) * per_cent / 100])
}

/// Sets a unit's quota over and over: until systemd has answered, and until the limit stands.
fn words(bus: &Path, unit: &str, pid: u32) -> Result<[Duration; 2]> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let bus = Bus::connect(bus).await?;
        let (mut answered, mut stands) = (Vec::new(), Vec::new());
        let before = cpu_time(pid)?;
        for round in 0..ROUNDS {
            let value = 100_000 + u64::from(round) * 10_000;
            let begun = Instant::now();
            let set = bus.set(unit, &[(LimitFile::CpuMax, value)]).await?;
            ensure!(set, "there is no {unit}");
            answered.push(begun.elapsed());
            bus.settled().await?;
            stands.push(begun.elapsed());
        }
        let cost = cpu_time(pid)?.saturating_sub(before) / ROUNDS;
        let last = 100_000 + u64::from(ROUNDS - 1) * 10_000;
        let held = bus.unit_of(unit).await?.values;
        ensure!(held.get(&LimitFile::CpuMax) == Some(&last), "{held:?}");
        let (answered, stands) = (quantiles(answered), quantiles(stands));
        say(&format!(
            "systemd, p50 and p99: answers after {answered:?}, the limit stands after {stands:?}; {cost:?} of its CPU time a word"
        ))?;
        Ok(stands)
    })
}

#[test]
fn a_write_is_quicker_than_a_word() -> Result<()> {
    let Some(unit) = Unit::service("speed", "CPUQuota=10%")? else {
        return Ok(());
    };
    let file = format!("/sys/fs/cgroup{}/cpu.max", unit.path());
    let file = File::options().write(true).open(file)?;
    let mut direct = Vec::new();
    for round in 0..ROUNDS {
        let text = format!("{} 100000", 10_000 + round * 1_000);
        let begun = Instant::now();
        file.write_at(text.as_bytes(), 0)?;
        direct.push(begun.elapsed());
    }
    let direct = quantiles(direct);
    say(&format!("direct, p50 and p99: {direct:?}"))?;
    let stands = words(Path::new(BUS), unit.name(), 1)?;
    assert!(direct[0] < stands[0]);
    assert_eq!(unit.quota()?, 100_000 + u64::from(ROUNDS - 1) * 10_000);
    Ok(())
}

#[test]
fn a_users_manager_takes_words_too() -> Result<()> {
    // Where systemd has booted the host, the other test tells more.
    if is_here() {
        return Ok(());
    }
    let group = Group::create("speed")?;
    let unit = (
        "speed.service",
        "[Service]\nExecStart=sleep 1000\nSlice=app.slice\n",
    );
    let Some(systemd) = Systemd::start(&group, &[unit])? else {
        return Ok(());
    };
    let pid = systemd.pid().context("a running manager")?;
    words(&systemd.bus(), unit.0, pid).map(drop)
}
