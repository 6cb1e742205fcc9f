//! Energy and whose it was. The counters are a fake, a tree with powercap's layout that the test writes:
//! few hosts have the real ones, and on none can they be set.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;
use trimtab_tests::{Agent, Group, eventually};

use crate::{
    ready::Ready,
    trust::{SOON, group, policy, promised, show},
};

/// A counter of a package that goes on by itself, at a power that may be changed.
struct Package {
    directory: TempDir,
    milliwatts: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Package {
    fn new(milliwatts: u64) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("powercap-").tempdir()?;
        let package = directory.path().join("intel-rapl:0");
        fs::create_dir(&package)?;
        fs::write(package.join("name"), "package-0\n")?;
        fs::write(package.join("max_energy_range_uj"), "262143328850\n")?;
        let counter = File::create(package.join("energy_uj"))?;
        let milliwatts = Arc::new(AtomicU64::new(milliwatts));
        let stop = Arc::new(AtomicBool::new(false));
        let (power, ended) = (Arc::clone(&milliwatts), Arc::clone(&stop));
        put(&counter, 0)?;
        let thread = thread::spawn(move || {
            let (mut last, mut total) = (Instant::now(), 0);
            while !ended.load(Relaxed) {
                thread::sleep(Duration::from_millis(5));
                let now = Instant::now();
                let micros = u64::try_from((now - last).as_micros()).unwrap_or(0);
                last = now;
                total += power.load(Relaxed) * micros / 1_000;
                if put(&counter, total).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            directory,
            milliwatts,
            stop,
            thread: Some(thread),
        })
    }

    fn draw(&self, milliwatts: u64) {
        self.milliwatts.store(milliwatts, Relaxed);
    }
}

impl Drop for Package {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}

/// Written in one go and in one width, so that no reader sees half a number.
fn put(counter: &File, value: u64) -> std::io::Result<()> {
    counter.write_all_at(format!("{value:020}\n").as_bytes(), 0)
}

fn agent(root: &Group, powercap: &Path) -> Result<Agent> {
    Agent::start(&format!(
        "[agent]\ntick = \"200ms\"\n[gpu]\nenabled = false\n[energy]\npowercap = \"{}\"\n{}",
        powercap.display(),
        policy(&format!("{}/*", root.path()), "observe")
    ))
}

fn energy(agent: &Agent) -> Result<Value> {
    Ok(agent.cli(&["status"])?["energy"].clone())
}

fn number(value: &Value, key: &str) -> Result<u64> {
    value[key]
        .as_u64()
        .with_context(|| format!("no {key} in {value}"))
}

/// Waits until a workload's energy is told.
fn share(agent: &Agent, group: &Group) -> Result<Value> {
    let mut share = Value::Null;
    let told = eventually(promised(SOON), || {
        share = show(agent, group).map_or(Value::Null, |shown| shown["workload"]["energy"].clone());
        !share.is_null()
    });
    ensure!(told, "no energy of {}\n{}", group.path(), agent.log());
    Ok(share)
}

#[test]
fn what_is_drawn_is_idle_somebodys_or_nobodys() -> Result<()> {
    let Some(root) = group("energy") else {
        return Ok(());
    };
    let (busy, calm) = (root.child("busy")?, root.child("calm")?);
    let mut spinner = Ready::spinner(&busy)?;
    let package = Package::new(20_000)?;
    let agent = agent(&root, package.directory.path())?;
    for group in [&busy, &calm] {
        share(&agent, group)?;
    }
    thread::sleep(promised(Duration::from_secs(2)));
    let before = energy(&agent)?;
    ensure!(before["state"] == "here", "{before:#}");
    let idle = number(&before, "idle_milliwatts")?;
    ensure!(
        (10_000..=20_500).contains(&idle),
        "20 W were drawn: {before:#}"
    );

    package.draw(100_000);
    spinner.go()?;
    thread::sleep(promised(Duration::from_secs(3)));
    let text = agent.command(&["status"])?.output()?.stdout;
    let text = String::from_utf8(text)?;
    ensure!(text.contains("W packages"), "{text}");
    let mut during = Value::Null;
    let is_told = eventually(SOON, || {
        during = energy(&agent).unwrap_or_default();
        let drawn = number(&during, "package_milliwatts");
        drawn.is_ok_and(|drawn| (80_000..=120_000).contains(&drawn))
    });
    ensure!(is_told, "100 W: {during:#}");
    let shown = String::from_utf8(agent.command(&["show", busy.path()])?.output()?.stdout)?;
    ensure!(shown.contains("since adoption"), "{shown}");

    // With nothing drawn any more nothing changes between two questions.
    package.draw(0);
    thread::sleep(promised(Duration::from_secs(1)));
    let after = energy(&agent)?;
    let (hers, others) = (share(&agent, &busy)?, share(&agent, &calm)?);
    let of = |value: &Value, key: &str| number(value, key);
    let (hers, others) = (of(&hers, "millijoules")?, of(&others, "millijoules")?);
    let all = of(&after, "millijoules")?;
    let rest = of(&after, "idle_millijoules")? + of(&after, "unattributed_millijoules")?;
    // Each of four sums is rounded down to a millijoule.
    let missing = all.checked_sub(hers + others + rest);
    ensure!(
        missing.is_some_and(|missing| missing <= 4),
        "{hers} + {others} + {rest} of {all} mJ"
    );
    ensure!(
        hers > 80_000,
        "some 3 s of 80 W were the spinner's: {hers} mJ"
    );
    ensure!(others * 20 < hers, "{others} mJ of one that does nothing");
    Ok(())
}

#[test]
fn without_counters_of_energy_there_is_no_word_of_it() -> Result<()> {
    let Some(root) = group("energy-none") else {
        return Ok(());
    };
    let leaf = root.child("leaf")?;
    let agent = agent(&root, Path::new("/nowhere/powercap"))?;
    let adopted = eventually(promised(SOON), || show(&agent, &leaf).is_ok());
    ensure!(adopted, "no workload\n{}", agent.log());
    let said = energy(&agent)?;
    assert_eq!(
        (&said["state"], &said["milliwatts"]),
        (&"none".into(), &Value::Null)
    );
    assert_eq!(show(&agent, &leaf)?["workload"]["energy"], Value::Null);
    let text = String::from_utf8(agent.command(&["status"])?.output()?.stdout)?;
    assert!(!text.contains("power"), "{text}");
    let findings = agent.cli(&["doctor"])?;
    let findings = findings.as_array().context("findings")?;
    let about: Vec<_> = findings
        .iter()
        .filter(|one| one["area"] == "energy")
        .collect();
    assert_eq!((about.len(), &about[0]["state"]), (1, &Value::from("none")));
    Ok(())
}
