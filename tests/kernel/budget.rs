//! The agent's own budget: a storm of switches makes the dearest probe go, limits are lifted all the
//! same, and it comes back when the storm is over.

use std::{
    io::{PipeReader, PipeWriter, Read as _, Write as _, pipe},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;
use serde_json::Value;
use trimtab::probe::Probe;
use trimtab_ebpf::bucket_start;
use trimtab_tests::{Agent, Group, skip};

use crate::{
    probe_support::{group as probe_group, load, shell, turn},
    trust::{TIGHT, adopted, group, journal, lift, promised},
};

const PERIOD: u64 = 100_000;

/// Pairs of threads, one per CPU, that do nothing but wake each other.
struct Storm {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Storm {
    fn begin() -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let mut threads = Vec::new();
        for _ in 0..thread::available_parallelism()?.get() {
            let (there, back) = (pipe()?, pipe()?);
            for (mut from, mut to, first) in [(there.0, back.1, false), (back.0, there.1, true)] {
                let stop = Arc::clone(&stop);
                threads.push(thread::spawn(move || {
                    pass_on(&stop, &mut from, &mut to, first);
                }));
            }
        }
        Ok(Self { stop, threads })
    }
}

/// Passes a byte on until told to stop; who stops closes its ends, which stops the other.
fn pass_on(stop: &AtomicBool, from: &mut PipeReader, to: &mut PipeWriter, first: bool) {
    let mut byte = [0];
    let mut goes_on = !first || to.write_all(&byte).is_ok();
    while goes_on && !stop.load(Relaxed) {
        goes_on = from.read_exact(&mut byte).is_ok() && to.write_all(&byte).is_ok();
    }
}

impl Drop for Storm {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}

fn cost(agent: &Agent) -> Result<Value> {
    Ok(agent.cli(&["status"])?["cost"].clone())
}

/// What the agent and its programs take, in micro-CPUs, after a while in which nothing has changed.
fn taken(agent: &Agent) -> Result<u64> {
    thread::sleep(promised(Duration::from_secs(3)));
    let cost = cost(agent)?;
    let of = |key: &str| cost[key].as_u64().with_context(|| format!("{key}: {cost}"));
    Ok(of("cpu_micro_cpus")? + of("probes_micro_cpus")?)
}

/// Waits until something is so, and asks once in a while only: what is asked costs the agent too.
fn sometime(limit: Duration, mut is_so: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + promised(limit);
    while Instant::now() < end {
        thread::sleep(Duration::from_millis(700));
        if is_so() {
            return true;
        }
    }
    false
}

fn programs(cost: &Value) -> Vec<&str> {
    let programs = cost["programs"].as_array();
    let names = programs.into_iter().flatten();
    names
        .filter_map(|program| program["name"].as_str())
        .collect()
}

/// No tick comes to help: what is lifted is lifted by an event.
fn config(root: &Group, micro_cpus: u64) -> String {
    format!(
        "[agent]\ntick = \"60s\"\n[agent.budget]\ncpu = {}.{:06}\npatience = \"1s\"\n\
         [[policy]]\nname = \"budget\"\nselect = [\"{}/*\"]\nmode = \"enforce\"\nresources = [\"cpu\"]\n\
         cpu = {{ floor = 0.5 }}\n",
        micro_cpus / 1_000_000,
        micro_cpus % 1_000_000,
        root.path()
    )
}

#[test]
fn in_a_storm_the_dearest_probe_goes_and_limits_are_lifted_all_the_same() -> Result<()> {
    let _turn = turn();
    let Some(root) = group("budget") else {
        return Ok(());
    };
    let leaf = root.child("leaf")?;
    leaf.set_quota_us(Some(TIGHT), PERIOD)?;
    let agent = Agent::start(&config(&root, 2_000_000))?;
    if agent.cli(&["status"])?["probes_on"] == 0 {
        skip("no probe can be loaded here");
        return Ok(());
    }
    adopted(&agent, &leaf, TIGHT)?;
    let calm = taken(&agent)?;
    if cost(&agent)?["why"] != "" {
        skip("the kernel does not count what programs cost");
        return Ok(());
    }
    let storm = Storm::begin()?;
    let wild = taken(&agent)?;
    ensure!(wild > 2 * calm, "no storm: {calm} before, {wild} in it");
    let budget = calm.midpoint(wild);
    agent.configure(&config(&root, budget))?;
    agent.signal(Signal::HUP)?;

    let mut said = Value::Null;
    let gone = sometime(Duration::from_secs(15), || {
        said = cost(&agent).unwrap_or_default();
        said["shed"][0]["probe"] == "runq-latency"
    });
    ensure!(gone, "over {budget} of {wild}: {said:#}\n{}", agent.log());
    let less = taken(&agent)?;
    eprintln!("micro-CPUs: calm {calm}, in the storm {wild}, budget {budget}, without {less}");
    ensure!(less < wild - (wild - calm) / 4, "{less} of {wild}");
    said = cost(&agent)?;
    assert!(!programs(&said).contains(&"sched_switch"), "{said:#}");
    assert!(programs(&said).contains(&"sched_stat_runtime"), "{said:#}");
    let findings = agent.cli(&["doctor"])?;
    let finding = |name: &str| {
        let all = findings.as_array().into_iter().flatten();
        all.clone().find(|one| one["name"] == name).cloned()
    };
    let why = |name| finding(name).map(|one| one["why"].to_string());
    assert!(why("runq-latency").is_some_and(|why| why.contains("left out for now")));
    assert!(why("loan-delays").is_some_and(|why| why.contains("needs runq-latency")));
    assert_eq!(finding("budget").expect("a finding")["state"], "degraded");

    assert!(lift(&agent, &leaf)? > TIGHT);
    let lifted = journal(&agent, &leaf)?;
    let by_event = |entry: &Value| entry["kind"] == "spend" && entry["cause"] != "twin";
    assert!(lifted.iter().any(by_event), "{lifted:?}");

    drop(storm);
    let back = sometime(Duration::from_secs(30), || {
        said = cost(&agent).unwrap_or_default();
        said["shed"] == serde_json::json!([]) && programs(&said).contains(&"sched_switch")
    });
    ensure!(back, "it is calm: {said:#}\n{}", agent.log());
    ensure!(!programs(&said).contains(&"throttled_switch"), "{said:#}");
    Ok(())
}

#[test]
fn what_waited_while_the_probe_was_off_has_not_waited_ever_since() {
    let _turn = turn();
    let Some(group) = probe_group() else {
        return;
    };
    let on = [
        Probe::RunqLatency,
        Probe::QuotaNear,
        Probe::ThrottledRunning,
        Probe::ThrottledWaking,
    ];
    let Some((mut loaded, _ring)) = load(&on, &[]) else {
        return;
    };
    let id = group.cpu_id().expect("the group");
    loaded.runq().register(id).expect("registered");
    let spin = || shell(&group, "exec taskset -c 0 sh -c 'while :; do :; done'");
    // One of the three runs, and the others wait at any moment.
    let _running = [spin(), spin(), spin()];
    thread::sleep(Duration::from_millis(500));
    let read = |loaded: &mut trimtab::probe::Probes| {
        let waits = loaded.runq().read(id).expect("read").expect("registered");
        waits.hist.waiting
    };
    loaded
        .shed([(Probe::RunqLatency, "for a test")])
        .expect("shed");
    let before = read(&mut loaded);
    thread::sleep(Duration::from_secs(2));
    assert_eq!(read(&mut loaded), before, "nobody counts while it is off");
    loaded.shed([]).expect("taken back");
    thread::sleep(Duration::from_millis(500));
    let after = read(&mut loaded);
    let long: u64 = (0..after.len())
        .filter(|bucket| bucket_start(*bucket) >= 1_000_000_000)
        .map(|bucket| after[bucket] - before[bucket])
        .sum();
    assert_eq!(long, 0, "none of them waited for a second");
    assert!(after.iter().sum::<u64>() > before.iter().sum(), "it counts");
}
