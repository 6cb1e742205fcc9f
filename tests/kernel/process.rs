//! What is said of processes, against the kernel's own files of them.
#![expect(clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::{
    collections::HashMap,
    fs,
    os::unix::fs::MetadataExt as _,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use rustix::process::Signal;
use trimtab::{
    probe::Probe,
    sense::process::{Process as Sensed, Processes},
};
use trimtab_tests::{
    Agent, Group, Hierarchies, Process, Version, eventually, lab_bin, new_session, real_time,
};

use crate::{
    probe_support::{group, load, shell, spin, turn},
    trust::{SOON, adopted},
};

/// How far two accounts of the same may be apart.
const NEAR: f64 = 0.02;
/// Reading a thousand processes takes no longer, natively.
const COST: Duration = Duration::from_millis(20);

fn now() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

/// The groups of processes are those of the v2 hierarchy.
fn unified(group: &Group) -> bool {
    group.version() == Version::V2
}

/// Every process of the node by its number; `None` where the list cannot be had.
fn list(unified: bool) -> Option<HashMap<u32, Sensed>> {
    let (mut loaded, _ring) = load(&[Probe::Processes], &[])?;
    let (mut processes, now) = (Processes::new(unified), now());
    loaded
        .threads(|thread| processes.add(thread, now))
        .expect("a list of threads");
    Some(
        processes
            .finish()
            .map(|process| (process.pid, process))
            .collect(),
    )
}

/// What the kernel's files say of a process: ran, waited, times, in the threads that there are; and
/// its CPU time in ns, with those that have ended.
fn files(pid: u32) -> Result<([u64; 3], u64)> {
    let mut sums = [0; 3];
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = fs::read_to_string(thread?.path().join("schedstat"))?;
        for (sum, field) in sums.iter_mut().zip(text.split_whitespace()) {
            *sum += field.parse::<u64>()?;
        }
    }
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<_> = stat
        .rsplit_once(") ")
        .context("stat")?
        .1
        .split(' ')
        .collect();
    let ticks = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
    let per_tick = 1_000_000_000 / rustix::param::clock_ticks_per_second();
    Ok((sums, ticks * per_tick))
}

fn near(one: u64, other: u64, slack: u64) -> bool {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "ns of some seconds"
    )]
    let allowed = (one as f64 * NEAR) as u64;
    one.abs_diff(other) <= allowed + slack
}

/// A process that makes threads that end, one after another.
const BRIEF: [&str; 7] = [
    "burn",
    "--threads",
    "4",
    "--for",
    "50ms",
    "--every",
    "100ms",
];

#[test]
fn totals_agree_with_the_kernels_files() {
    let _turn = turn();
    let Some(group) = group() else {
        return;
    };
    let lab = |arguments: &[&str]| {
        let mut command = group.command(lab_bin().expect("lab")).expect("a command");
        command.args(arguments).stderr(Stdio::null());
        command
    };
    let mut running = vec![
        ("spinner", spin(&group)),
        ("another", spin(&group)),
        ("sleeper", shell(&group, "while :; do sleep 0.01; done")),
        (
            "threads",
            Process::spawn(&mut lab(&BRIEF)).expect("a process"),
        ),
    ];
    // Real-time from the start, in the root: a group of cgroup v1 may have no real-time budget.
    let root = &Hierarchies::find().expect("the hierarchies").cpu;
    let mut urgent = Command::new(lab_bin().expect("lab"));
    urgent.args(["burn", "--for", "1ms", "--every", "10ms"]);
    let urgent = Process::spawn(new_session(real_time(&mut urgent))).expect("a process");
    fs::write(root.join("cgroup.procs"), urgent.id().to_string()).expect("it joins");
    running.push(("real-time", urgent));
    thread::sleep(Duration::from_secs(2));
    for (_, process) in &running {
        process.signal(Signal::STOP).expect("stopped");
    }
    let stopped = eventually(SOON, || {
        running.iter().all(|(_, process)| {
            let stat = fs::read_to_string(format!("/proc/{}/stat", process.id()));
            stat.is_ok_and(|stat| stat.contains(") T "))
        })
    });
    assert!(stopped);
    // The last tick of a thread that was running when it was stopped.
    thread::sleep(Duration::from_millis(50));
    let Some(listed) = list(unified(&group)) else {
        return;
    };
    for (what, process) in &running {
        let sensed = &listed[&process.id()];
        let ([ran, waited, times], used) = files(process.id()).expect("its files");
        assert!(near(ran, sensed.ran_ns, 0), "{what}: {ran} in {sensed:?}");
        assert!(
            near(waited, sensed.waited_ns, 0),
            "{what}: {waited} in {sensed:?}"
        );
        assert!(
            near(times, sensed.waits, 0),
            "{what}: {times} in {sensed:?}"
        );
        // The kernel rounds to ticks.
        assert!(
            near(used, sensed.ran_ns, 20_000_000),
            "{what}: {used} in {sensed:?}"
        );
        let known = if *what == "real-time" {
            // A session of its own there may be an autogroup, which is no cgroup.
            fs::metadata(root).expect("the root").ino()
        } else {
            group.cpu_id().expect("the group")
        };
        assert_eq!(known, sensed.group, "{what}: {sensed:?}");
        let lived = sensed.ran_ns + sensed.waited_ns + sensed.blocked_ns;
        assert!(lived >= 2_000_000_000, "{what}: {sensed:?}");
    }
    let threads = |at: usize| listed[&running[at].1.id()].threads;
    assert_eq!((threads(0), threads(3)), (1, 5));
}

#[test]
fn threads_that_have_ended_count_for_their_process() {
    let _turn = turn();
    let burn = || trimtab_lab::cpu::spend(Duration::from_millis(500));
    let threads = || fs::read_dir("/proc/self/task").map_or(0, Iterator::count);
    let before = threads();
    thread::scope(|scope| {
        scope.spawn(burn);
        scope.spawn(burn);
    });
    // They are joined a moment before the kernel has let go of them: one that goes while the list
    // is read may be missed.
    assert!(eventually(Duration::from_secs(5), || threads() <= before));
    let (ran, used) = files(std::process::id()).expect("this process's files");
    let Some(listed) = list(false) else {
        return;
    };
    let sensed = &listed[&std::process::id()];
    assert!(
        ran[0] + 900_000_000 < sensed.ran_ns,
        "{ran:?} in {sensed:?}"
    );
    // Loading the probes took a while as well.
    assert!(
        sensed.ran_ns > used - used / 50 - 20_000_000,
        "{used} in {sensed:?}"
    );
}

#[test]
fn a_thousand_are_read_at_one_go() {
    let _turn = turn();
    let Some(group) = group() else {
        return;
    };
    let _sleeping = shell(
        &group,
        "i=0; while [ $i -lt 1000 ]; do sleep 1000 & i=$((i + 1)); done; wait",
    );
    let all = eventually(Duration::from_mins(1), || group.pids().len() > 1000);
    assert!(all, "{} processes", group.pids().len());
    let Some((mut loaded, _ring)) = load(&[Probe::Processes], &[]) else {
        return;
    };
    let id = group.cpu_id().expect("the group");
    let mut best = Duration::MAX;
    for _ in 0..10 {
        let (mut processes, time) = (Processes::new(unified(&group)), now());
        let start = Instant::now();
        loaded
            .threads(|thread| processes.add(thread, time))
            .expect("a list of threads");
        best = best.min(start.elapsed());
        let there = processes.finish().filter(|one| one.group == id).count();
        assert!(there > 1000, "{there}");
    }
    println!("1,000 processes in {best:?}");
    assert!(best < crate::trust::promised(COST), "{best:?}");
}

#[test]
fn a_workload_has_its_processes_with_the_list_and_without() -> Result<()> {
    for off in ["", "[probes]\noff = [\"processes\"]\n"] {
        let Some(root) = crate::trust::group("processes") else {
            return Ok(());
        };
        let workload = root.child("workload")?;
        let below = workload.child("below")?;
        workload.set_quota_us(Some(50_000), 100_000)?;
        let agent = Agent::start(&format!(
            "{off}[[policy]]\nname = \"processes\"\nselect = [\"{}/workload\"]\nmode = \"observe\"\nresources = [\"cpu\"]\n",
            root.path()
        ))?;
        adopted(&agent, &workload, 50_000)?;
        let running = spin(&below);
        thread::sleep(Duration::from_secs(1));
        let asked = Instant::now();
        let told = agent.cli(&["processes", workload.path(), "--window", "1s"])?;
        let asked = asked.elapsed();
        let process = &told["processes"][0];
        assert_eq!(process["pid"], running.id(), "{told}");
        let name = process["workload"].as_str();
        assert!(
            name.is_some_and(|name| name.ends_with("/workload")),
            "{told}"
        );
        let (ran, waited) = (process["ran_ns"].as_u64(), process["waited_ns"].as_u64());
        let share = u128::from(ran.context("ran")?) * 100 / asked.as_nanos();
        assert!((30..70).contains(&share), "half a CPU: {told}");
        assert!(waited.context("waited")? > 300_000_000, "throttled: {told}");
        if off.is_empty() {
            let all = agent.cli(&["processes", "--total"])?;
            let own = agent.worker().context("the agent's process")?;
            let pids = all["processes"].as_array().context("a list")?;
            assert!(pids.iter().any(|one| one["pid"] == own), "{all}");
        } else {
            let why = told["degraded"].as_str().context("a reason")?;
            assert!(why.contains("switched off"), "{why}");
            assert!(agent.cli(&["processes"]).is_err(), "all without a list");
        }
    }
    Ok(())
}
