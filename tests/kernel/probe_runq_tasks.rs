//! Run-queue waiting of every kind of task and group, beside the kernel's own account of it (`schedstat`).

use std::{
    fs, io, os::unix::fs::MetadataExt as _, path::Path, process::Command, thread, time::Duration,
};

use anyhow::{Context as _, Error, Result, ensure};
use trimtab::probe::Probe;
use trimtab_tests::{Hierarchies, Scheduling, Version, new_session, skip};

use crate::{
    probe_support::{group, load, turn},
    ready::{Ready, contenders, go, halt, run_delay, spinning, spinning_on_first},
};

/// How long they run.
const WHILE: Duration = Duration::from_secs(1);

/// What the probe says that the group has waited while these run, and what the kernel says that they have; `None`,
/// with a loud line, without the probe.
fn waited(id: u64, running: &mut [Ready]) -> Result<Option<[u64; 2]>> {
    let Some((mut loaded, _ring)) = load(&[Probe::RunqLatency], &[]) else {
        return Ok(None);
    };
    loaded.runq().register(id)?;
    let begun = run_delay(running)?;
    go(running)?;
    thread::sleep(WHILE);
    // The kernel counts a part of a wait that goes on, where the task is put elsewhere.
    halt(running)?;
    let counted = loaded.runq().read(id)?.context("registered")?.hist;
    let ours = counted.waiting_ns + counted.throttled_ns;
    Ok(Some([ours, run_delay(running)? - begun]))
}

/// They have waited for as long as the kernel says.
fn agree(id: u64, running: &mut [Ready]) -> Result<()> {
    let Some([ours, kernels]) = waited(id, running)? else {
        return Ok(());
    };
    ensure!(kernels > 100_000_000, "they waited for {kernels} ns only");
    ensure!(
        ours.abs_diff(kernels) <= kernels / 50,
        "{ours} ns by the probe, {kernels} ns by the kernel"
    );
    Ok(())
}

#[test]
fn of_a_group_deep_below_others() -> Result<()> {
    let _turn = turn();
    let Some(group) = group() else {
        return Ok(());
    };
    let above = group.child("a")?;
    let between = above.child("b")?;
    let deep = between.child("c")?;
    let mut running = contenders([&deep; 3])?;
    agree(deep.cpu_id()?, &mut running)
}

#[test]
fn of_a_group_of_threads() -> Result<()> {
    let _turn = turn();
    let Some(group) = group() else {
        return Ok(());
    };
    let mut running = contenders([&group; 3])?;
    let threads = group.cpu_dir().join("threads");
    fs::create_dir(&threads)?;
    let file = match group.version() {
        // Any group of this hierarchy takes single threads.
        Version::V1 => "tasks",
        Version::V2 => {
            fs::write(threads.join("cgroup.type"), "threaded")?;
            fs::write(group.cpu_dir().join("cgroup.subtree_control"), "+cpu")?;
            "cgroup.threads"
        }
    };
    for process in &running {
        fs::write(threads.join(file), process.id().to_string())?;
    }
    agree(id(&threads)?, &mut running)
}

#[test]
fn of_deadline_tasks() -> Result<()> {
    let _turn = turn();
    let Some(group) = group() else {
        return Ok(());
    };
    let mut running = Vec::new();
    for _ in 0..3 {
        // On any CPU, or the kernel does not let it in. What it waits for is most of all its next period.
        let ready = match Ready::spawn(Scheduling::Deadline.start(&mut spinning())) {
            Err(error) if is_refused(&error) => {
                skip(
                    "the kernel takes no deadline tasks of ours: they must be allowed on every CPU",
                );
                return Ok(());
            }
            ready => ready?,
        };
        group.add(ready.id())?;
        running.push(ready);
    }
    agree(group.cpu_id()?, &mut running)
}

fn is_refused(error: &Error) -> bool {
    let error = error.root_cause().downcast_ref::<io::Error>();
    error.is_some_and(|error| {
        matches!(
            error.kind(),
            io::ErrorKind::PermissionDenied | io::ErrorKind::ResourceBusy
        )
    })
}

fn id(directory: &Path) -> Result<u64> {
    Ok(fs::metadata(directory)?.ino())
}

/// Some that spin in the root, where there are others as well, of whom the kernel's account knows nothing.
fn agree_in_the_root(count: usize, prepare: impl Fn(&mut Command) -> &mut Command) -> Result<()> {
    let root = &Hierarchies::find()?.cpu;
    let mut running = Vec::new();
    for _ in 0..count {
        let ready = Ready::spawn(prepare(&mut spinning_on_first()))?;
        fs::write(root.join("cgroup.procs"), ready.id().to_string())?;
        running.push(ready);
    }
    let Some([ours, kernels]) = waited(id(root)?, &mut running)? else {
        return Ok(());
    };
    ensure!(kernels > 100_000_000, "they waited for {kernels} ns only");
    ensure!(
        ours >= kernels - kernels / 50,
        "{ours} ns by the probe, {kernels} ns by the kernel"
    );
    Ok(())
}

#[test]
fn of_real_time_tasks_in_the_root() -> Result<()> {
    let _turn = turn();
    // A group of cgroup v1 may have no real-time budget.
    agree_in_the_root(2, |command| Scheduling::RoundRobin.start(command))
}

#[test]
fn of_sessions_in_the_root() -> Result<()> {
    let _turn = turn();
    if fs::read_to_string("/proc/sys/kernel/sched_autogroup_enabled").unwrap_or_default() != "1\n" {
        skip("sched_autogroup_enabled is off");
        return Ok(());
    }
    agree_in_the_root(3, new_session)
}
