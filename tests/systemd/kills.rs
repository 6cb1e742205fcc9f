//! Whatever an agent was about when it was killed, its units get their own limits back.

use std::{env, thread, time::Duration};

use anyhow::{Result, ensure};
use fastrand::Rng;
use trimtab::act::limit_file::LimitFile;
use trimtab_tests::{Agent, eventually};

use crate::unit::{Kinds, SOON, policy, say, systemctl};

/// How often it is killed, unless `TRIMTAB_KILLS` says how often.
const KILLS: u32 = 6;
/// How long it may go on before it is killed, in ms: from the first burst until after systemd has been told of it.
const ALIVE: u64 = 1_500;

#[test]
fn killed_at_random_an_agent_leaves_nothing_behind() -> Result<()> {
    let times = match env::var("TRIMTAB_KILLS") {
        Ok(times) => times.parse()?,
        Err(_) => KILLS,
    };
    let Some(units) = Kinds::start("kills", "64M")? else {
        return Ok(());
    };
    let seed = match env::var("TRIMTAB_SEED") {
        Ok(seed) => seed.parse()?,
        Err(_) => fastrand::u64(..),
    };
    say(&format!("{times} kills, TRIMTAB_SEED={seed}"))?;
    let mut random = Rng::with_seed(seed);
    let (shown, held) = (units.shown()?, units.held()?);
    let mut agent = Agent::start(&policy(&units.paths(), 0.05))?;
    for round in 0..times {
        units.service.adopted(&agent, 125_000)?;
        let told = || {
            let told = units.service.told(LimitFile::MemoryHigh);
            told.is_ok_and(|told| told != u64::MAX)
        };
        if random.bool() && eventually(SOON, told) {
            units.service.lab(&["grow", "--to", "96MiB"])?;
        }
        let mut bursts = Vec::new();
        for (_, bursting) in units.each() {
            bursts.push(bursting.begin_lab(&["burn", "--for", "300ms"])?);
        }
        let alive = Duration::from_millis(random.u64(..ALIVE));
        thread::sleep(alive);
        let guarded = random.bool();
        if guarded {
            agent.kill_worker()?;
            agent.wait(SOON)?;
        } else {
            agent.kill_all()?;
        }
        drop(bursts);
        let reloaded = random.bool();
        if reloaded {
            systemctl(&["daemon-reload"])?;
        }
        if !guarded {
            agent.cli(&["restore"])?;
        }
        let back = eventually(SOON, || units.held().is_ok_and(|now| now == held));
        ensure!(
            back,
            "round {round}, killed after {alive:?}, guarded: {guarded}, reloaded: {reloaded}: {:#?} instead of {held:#?}\n{}",
            units.held()?,
            agent.log()
        );
        agent.restart()?;
    }
    agent.stop()?;
    systemctl(&["daemon-reload"])?;
    assert_eq!(units.shown()?, shown, "{}", agent.log());
    Ok(())
}
