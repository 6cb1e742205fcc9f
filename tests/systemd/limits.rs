//! Limits of units, moved and put back, with systemd's consent.

use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use trimtab::act::limit_file::LimitFile;
use trimtab_tests::{Agent, eventually};

use crate::{
    dip::Dip,
    unit::{Kinds, SOON, Unit, enforce, in_guest, policy, say, systemctl},
};

/// A tenth of a CPU: every burst outgrows it.
const TIGHT: u64 = 100_000;
const MIB: u64 = 1 << 20;

/// For how long systemd's older value may stand: as long as it may take until anybody's is noticed.
const NOTICED: Duration = Duration::from_secs(1);

/// How long it may take until what was lent is taken back.
const PATIENCE: Duration = Duration::from_mins(1);

/// How often the agent has found somebody else's value.
fn foreign_writes(agent: &Agent, unit: &Unit) -> Result<u64> {
    let shown = agent.cli(&["show", unit.path()])?;
    let writes = shown["counters"]["foreign_writes"].as_u64();
    writes.with_context(|| format!("no foreign writes in {shown:#}"))
}

/// Waits until a unit's quota is one that is wanted.
fn comes_to(
    agent: &Agent,
    unit: &Unit,
    within: Duration,
    wanted: impl Fn(u64) -> bool,
) -> Result<u64> {
    let there = eventually(within, || unit.quota().is_ok_and(&wanted));
    let quota = unit.quota()?;
    ensure!(there, "{} holds {quota}\n{}", unit.name(), agent.log());
    Ok(quota)
}

#[test]
fn units_of_each_kind_grow_and_shrink_and_are_put_back() -> Result<()> {
    let Some(units) = Kinds::start("kinds", "256M")? else {
        return Ok(());
    };
    let (shown, held) = (units.shown()?, units.held()?);
    let config = policy(&units.paths(), 0.05)
        + "window = \"5s\"\nwarm_up = \"0s\"\ncooldown = \"12s\"\ncut_interval = \"1s\"\nchanges_per_minute = 60\n";
    let mut agent = Agent::start(&config)?;
    let mut owners = Vec::new();
    for (unit, bursts) in units.each() {
        let own = unit.quota()?;
        owners.push(own);
        unit.adopted(&agent, own)?;
        // Where CPUs are few, what is lent may be called in at once.
        let lifted = eventually(SOON, || {
            bursts.burst().is_ok() && unit.quota().is_ok_and(|now| now > own)
        });
        ensure!(lifted, "{} was not lifted\n{}", unit.name(), agent.log());
    }
    for (unit, _) in units.each() {
        unit.agrees(&agent)?;
    }
    for again in ["daemon-reload", "daemon-reexec"] {
        if again == "daemon-reexec" && !in_guest("executes systemd again") {
            break;
        }
        systemctl(&[again])?;
        for ((unit, _), own) in units.each().into_iter().zip(&owners) {
            // What systemd was told last is ours still, and nobody else has written.
            let held = unit.holds_ours(&agent)?;
            ensure!(held >= *own, "{again} took {} to {held}", unit.name());
            assert_eq!(foreign_writes(&agent, unit)?, 0, "{again}\n{}", agent.log());
        }
    }
    for ((unit, _), own) in units.each().into_iter().zip(&owners) {
        comes_to(&agent, unit, PATIENCE, |now| now == *own)?;
        unit.agrees(&agent)?;
    }
    agent.stop()?;
    assert_eq!(units.held()?, held, "{}", agent.log());
    systemctl(&["daemon-reload"])?;
    assert_eq!(units.shown()?, shown, "after another daemon-reload");
    assert!(!units.service.drop_in(LimitFile::CpuMax)?.exists());
    Ok(())
}

#[test]
fn what_an_administrator_had_set_until_the_next_boot_stays_set() -> Result<()> {
    let Some(unit) = Unit::service("set", "")? else {
        return Ok(());
    };
    systemctl(&["set-property", "--runtime", unit.name(), "CPUQuota=20%"])?;
    let before = unit.held()?;
    let mut agent = enforce(&[unit.path()])?;
    unit.adopted(&agent, 200_000)?;
    unit.lift(&agent)?;
    unit.agrees(&agent)?;
    agent.stop()?;
    assert_eq!(unit.held()?, before, "{}", agent.log());
    systemctl(&["daemon-reload"])?;
    assert_eq!(unit.held()?, before, "after another daemon-reload");
    assert!(unit.drop_in(LimitFile::CpuMax)?.exists());
    Ok(())
}

#[test]
fn a_reload_takes_nothing_away() -> Result<()> {
    for again in ["daemon-reload", "daemon-reexec"] {
        if again == "daemon-reexec" && !in_guest("executes systemd again") {
            break;
        }
        let Some(unit) = Unit::service("behind", "CPUQuota=10%")? else {
            return Ok(());
        };
        let agent = enforce(&[unit.path()])?;
        unit.adopted(&agent, TIGHT)?;
        let lifted = unit.lift(&agent)?;
        let dip = Dip::watch(&unit, lifted);
        // It may or may not have been told of this one.
        systemctl(&[again])?;
        unit.keeps(&agent, lifted)?;
        unit.agrees(&agent)?;
        let seen = dip.end()?;
        say(&format!("{again}: {seen}"))?;
        ensure!(seen.longest < NOTICED, "{seen}\n{}", unit.story(&agent));
        assert_eq!(foreign_writes(&agent, &unit)?, 0, "{}", unit.story(&agent));
    }
    Ok(())
}

#[test]
fn what_an_administrator_sets_meanwhile_stays() -> Result<()> {
    let Some(unit) = Unit::service("theirs", "CPUQuota=10%")? else {
        return Ok(());
    };
    let mut agent = enforce(&[unit.path()])?;
    unit.adopted(&agent, TIGHT)?;
    unit.lift(&agent)?;
    unit.agrees(&agent)?;
    systemctl(&["set-property", "--runtime", unit.name(), "CPUQuota=33%"])?;
    unit.adopted(&agent, 330_000)?;
    assert!(foreign_writes(&agent, &unit)? > 0);
    agent.stop()?;
    assert_eq!(unit.quota()?, 330_000);
    assert_eq!(unit.told(LimitFile::CpuMax)?, 330_000);
    Ok(())
}

#[test]
fn a_killed_agent_leaves_nothing_behind() -> Result<()> {
    let Some(unit) = Unit::service("killed", "CPUQuota=10%\nMemoryMax=256M")? else {
        return Ok(());
    };
    let before = unit.held()?;
    let mut agent = enforce(&[unit.path()])?;
    unit.adopted(&agent, TIGHT)?;
    unit.lift(&agent)?;
    let told = unit.agrees(&agent)?;
    let text =
        fs::read_to_string(unit.drop_in(LimitFile::CpuMax)?).with_context(|| unit.story(&agent))?;
    let line = format!("CPUQuota={}%", told / 10_000);
    assert!(text.contains(&line), "{text} does not say {line}");
    agent.kill_worker()?;
    let back = eventually(SOON, || unit.held().is_ok_and(|held| held == before));
    ensure!(
        back,
        "the guardian left {} instead of {before}\n{}",
        unit.held()?,
        agent.log()
    );
    assert!(!agent.wait(SOON)?, "a killed agent is a failure");
    // With its guardian it can only be put back by the next start.
    agent.restart()?;
    unit.adopted(&agent, TIGHT)?;
    unit.lift(&agent)?;
    unit.agrees(&agent)?;
    agent.kill_all()?;
    assert_ne!(unit.held()?, before);
    systemctl(&["daemon-reload"])?;
    agent.restart()?;
    unit.adopted(&agent, TIGHT)?;
    agent.stop()?;
    assert_eq!(unit.held()?, before, "{}", agent.log());
    Ok(())
}

#[test]
fn a_unit_that_is_started_again_begins_with_its_own_limits() -> Result<()> {
    let Some(unit) = Unit::service("again", "CPUQuota=10%")? else {
        return Ok(());
    };
    let before = unit.held()?;
    let mut agent = enforce(&[unit.path()])?;
    unit.adopted(&agent, TIGHT)?;
    for _ in 0..2 {
        unit.lift(&agent)?;
        unit.agrees(&agent)?;
        systemctl(&["restart", unit.name()])?;
        let back = eventually(SOON, || unit.quota().is_ok_and(|now| now == TIGHT));
        ensure!(back, "{}\n{}", unit.held()?, agent.log());
        unit.adopted(&agent, TIGHT)?;
    }
    agent.stop()?;
    assert_eq!(unit.held()?, before, "{}", agent.log());
    Ok(())
}

#[test]
fn memory_grows_without_a_kill_and_goes_back() -> Result<()> {
    let Some(unit) = Unit::service("memory", "MemoryMax=32M")? else {
        return Ok(());
    };
    let before = unit.held()?;
    let mut agent = Agent::start(&format!(
        "[[policy]]\nname = \"units\"\nselect = [\"{}\"]\nmode = \"enforce\"\n",
        unit.path()
    ))?;
    // Growth is slowed a little below.
    let slowed = 28 * MIB;
    let told = |file: LimitFile, wanted: fn(u64) -> bool| -> Result<()> {
        let told = eventually(SOON, || unit.told(file).is_ok_and(wanted));
        ensure!(told, "{file}: {:?}\n{}", unit.told(file), agent.log());
        Ok(())
    };
    told(LimitFile::MemoryHigh, |told| told == 28 * MIB)?;
    assert_eq!(unit.file("memory.high")?, slowed.to_string());
    systemctl(&["daemon-reload"])?;
    assert_eq!(unit.file("memory.max")?, (32 * MIB).to_string());
    assert_eq!(unit.told(LimitFile::MemoryMax)?, 32 * MIB, "its owner's");
    let mut growing = unit.begin_lab(&["grow", "--to", "48MiB"])?;
    let behind = behind(&unit)?;
    say(&format!(
        "systemd knows of a raised MemoryMax after {behind:?}"
    ))?;
    ensure!(behind < NOTICED, "{behind:?}\n{}", unit.story(&agent));
    ensure!(growing.wait()?.success(), "{}", unit.story(&agent));
    told(LimitFile::MemoryMax, |told| told > 48 * MIB)?;
    systemctl(&["daemon-reload"])?;
    unit.lab(&["grow", "--to", "48MiB"])?;
    assert_eq!(foreign_writes(&agent, &unit)?, 0, "{}", agent.log());
    let kills = unit.file("memory.events")?;
    ensure!(kills.contains("oom_kill 0"), "{kills}\n{}", agent.log());
    agent.stop()?;
    assert_eq!(unit.held()?, before, "{}", agent.log());
    Ok(())
}

/// How long systemd has a lower hard limit than the kernel, from when that is raised.
fn behind(unit: &Unit) -> Result<Duration> {
    let (own, drop_in) = (
        unit.file("memory.max")?,
        unit.drop_in(LimitFile::MemoryMax)?,
    );
    let raised = || unit.file("memory.max").is_ok_and(|now| now != own);
    ensure!(eventually(SOON, raised), "memory.max stays {own}");
    let begun = Instant::now();
    ensure!(eventually(SOON, || drop_in.exists()), "it is not told");
    Ok(begun.elapsed())
}

#[test]
fn a_bus_that_is_gone_is_waited_for() -> Result<()> {
    if !in_guest("stops the bus") {
        return Ok(());
    }
    let Some(unit) = Unit::service("alone", "CPUQuota=10%")? else {
        return Ok(());
    };
    let before = unit.held()?;
    let mut agent = enforce(&[unit.path()])?;
    unit.adopted(&agent, TIGHT)?;
    let no_bus = NoBus::begin()?;
    let lifted = unit.lift(&agent)?;
    // That takes another way, and systemd has not heard of the lift.
    let mut dipped = false;
    for _ in 0..5 {
        let dip = Dip::watch(&unit, lifted);
        systemctl(&["daemon-reload"])?;
        unit.keeps(&agent, lifted)?;
        let seen = dip.end()?;
        say(&format!("daemon-reload without a bus: {seen}"))?;
        ensure!(seen.longest < NOTICED, "{seen}\n{}", unit.story(&agent));
        // It may be put back between two looks.
        dipped |= seen.least == TIGHT;
        if dipped {
            break;
        }
    }
    ensure!(dipped, "a reload does nothing\n{}", unit.story(&agent));
    // What is pinned is not written, but nobody else's either; it is told when that can be.
    agent.cli(&["pin", unit.path()])?;
    systemctl(&["daemon-reload"])?;
    drop(no_bus);
    unit.keeps(&agent, lifted)?;
    unit.agrees(&agent)?;
    assert_eq!(foreign_writes(&agent, &unit)?, 0, "{}", unit.story(&agent));
    agent.stop()?;
    assert_eq!(unit.held()?, before, "{}", agent.log());
    Ok(())
}

/// The bus, gone until this is dropped.
struct NoBus;

impl NoBus {
    fn begin() -> Result<Self> {
        let gone = Self;
        systemctl(&["stop", "dbus.socket", "dbus.service"])?;
        Ok(gone)
    }
}

impl Drop for NoBus {
    fn drop(&mut self) {
        // Whoever needs it says what is wrong.
        let _ = systemctl(&["start", "dbus.service"]);
    }
}
