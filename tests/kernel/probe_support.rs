//! What the probes' tests share: taking turns, loading, and what runs in a group.
#![expect(clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::{
    process::{Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use rustix::time::{ClockId, clock_gettime};
use trimtab::probe::{Event, Law, Options, Probe, ProbeSet, Probes, Ring};
use trimtab_core::signal::{Nanos, Resource};
use trimtab_ebpf::{bucket, bucket_start};
use trimtab_tests::{Group, Process, lab_bin, real_time};

/// Probe tests take turns: each loads its own probes, and all of them would hear of every group.
pub(crate) fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Loads only these probes, leaving the named hooks detached; `None`, with a loud line, where the
/// kernel or the permissions do not allow it.
pub(crate) fn load(probes: &[Probe], detached: &[&str]) -> Option<(Probes, Ring)> {
    load_with(probes, detached, Law::default())
}

/// The same, with another law for nearly spent quotas.
pub(crate) fn load_with(probes: &[Probe], detached: &[&str], law: Law) -> Option<(Probes, Ring)> {
    let options = Options {
        law,
        probes: probes
            .iter()
            .fold(ProbeSet::NONE, |set, probe| set.with(*probe)),
        detached: detached.iter().map(|hook| (*hook).to_owned()).collect(),
        ..Options::default()
    };
    match Probes::load(&options) {
        Ok(mut probes) => {
            let ring = probes.take_ring().expect("the ring is there once");
            Some((probes, ring))
        }
        Err(error) => {
            println!("SKIP: no probes here: {error}");
            None
        }
    }
}

/// Collects events until `done` says that they are enough, or the time is over.
pub(crate) fn collect(
    ring: &mut Ring,
    limit: Duration,
    mut done: impl FnMut(&[Event]) -> bool,
) -> Vec<Event> {
    let mut events = Vec::new();
    let end = Instant::now() + limit;
    while !done(&events) && Instant::now() < end {
        if ring.for_each(|event| events.push(*event)) == 0 {
            thread::sleep(Duration::from_micros(200));
        }
    }
    events
}

/// The events of one kind.
pub(crate) fn of_kind(events: &[Event], kind: u32) -> Vec<Event> {
    events
        .iter()
        .copied()
        .filter(|event| event.kind == kind)
        .collect()
}

/// Now, on the clock of the probes.
pub(crate) fn now() -> Nanos {
    let time = clock_gettime(ClockId::Monotonic);
    let part = |part: i64| u64::try_from(part).expect("after the start of the host");
    Nanos(part(time.tv_sec) * Nanos::SECOND.0 + part(time.tv_nsec))
}

/// Has a group's limit watched, under this slot.
pub(crate) fn watch(loaded: &mut Probes, resource: Resource, group: &Group, slot: u32) {
    loaded
        .watches()
        .set(resource, id(resource, group), slot, 0)
        .expect("watched");
}

/// A group's id in the hierarchy that limits a resource.
pub(crate) fn id(resource: Resource, group: &Group) -> u64 {
    match resource {
        Resource::Cpu => group.cpu_id(),
        Resource::Memory => group.memory_id(),
    }
    .expect("the group")
}

/// A group of this test's own; `None`, with a loud line, where none can be made. As tests take
/// turns, the name is free again.
pub(crate) fn group() -> Option<Group> {
    crate::trust::group("probe")
}

/// Runs a shell in a group.
pub(crate) fn shell(group: &Group, script: &str) -> Process {
    let mut command = group.command("sh").expect("the lab program");
    command.args(["-c", script]).stderr(Stdio::null());
    Process::spawn(&mut command).expect("sh")
}

/// Runs a process in a group that never stops running.
pub(crate) fn spin(group: &Group) -> Process {
    shell(group, "while :; do :; done")
}

/// Takes a CPU for a moment 125 times a second, before all that is not real-time; in the root, like
/// the kernel's own tasks, so that each time the scheduler chooses anew among the others.
///
/// The kernel books part of the interrupt that wakes it as its run time (`rq_clock_skip_update`), the
/// probe as time of whom it interrupts: 12 us, and 200 in emulation, must be little beside the moment.
pub(crate) fn interrupt(cpu: usize) -> Process {
    let mut command = Command::new("taskset");
    command.args(["-c", &cpu.to_string()]);
    command.arg(lab_bin().expect("the lab program"));
    command.args(["burn", "--for", "1ms", "--every", "8ms"]);
    Process::spawn(real_time(&mut command)).expect("a real-time process")
}

/// Keeps every CPU busy: with a process that stays there, so that the scheduler cannot put two of them on one
/// and have them wait for each other.
pub(crate) fn spin_everywhere(group: &Group) -> Vec<Process> {
    let script = |cpu| format!("exec taskset -c {cpu} sh -c 'while :; do :; done'");
    let cpus = trimtab::fast::cpus().into_iter();
    cpus.map(|cpu| shell(group, &script(cpu))).collect()
}

/// Works for longer than the scheduler lets it without a break, again and again.
pub(crate) fn work(group: &Group) -> Process {
    shell(
        group,
        "while :; do i=0; while [ $i -lt 50000 ]; do i=$((i + 1)); done; sleep 0.02; done",
    )
}

/// How many samples a histogram has.
pub(crate) fn samples(buckets: &[u64]) -> u64 {
    buckets.iter().sum()
}

/// The bucket in which the share of the samples is reached.
pub(crate) fn bucket_at(buckets: &[u64], share: f64) -> usize {
    #[expect(clippy::cast_precision_loss, reason = "counts of a test")]
    let enough =
        |index: &usize| samples(&buckets[..=*index]) as f64 >= share * samples(buckets) as f64;
    (0..buckets.len()).find(enough).unwrap_or_default()
}

/// The value that the share of the values does not exceed.
pub(crate) fn value_at(values: &mut [u64], share: f64) -> u64 {
    values.sort_unstable();
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counts of a test"
    )]
    let rank = (share * values.len() as f64).ceil() as usize;
    values.get(rank.max(1) - 1).copied().unwrap_or_default()
}

/// Whether p50 and p99 of a histogram lie in the buckets of those of exact values, or beside them.
pub(crate) fn agree(name: &str, buckets: &[u64], values: &mut [u64]) {
    for share in [0.5, 0.99] {
        let (ours, value) = (bucket_at(buckets, share), value_at(values, share));
        eprintln!(
            "{name}, {share}: {} ns and more, exactly {value} ns",
            bucket_start(ours)
        );
        assert!(
            ours.abs_diff(bucket(value)) <= 1,
            "{name}, {share}: from {} ns on, but exactly {value} ns",
            bucket_start(ours)
        );
    }
}
