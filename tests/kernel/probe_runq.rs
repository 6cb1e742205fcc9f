//! Run-queue waiting: behind others, throttled, and what the kernel itself says.
#![expect(clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::{collections::HashMap, fs, thread, time::Duration};

use trimtab::probe::{Error, Options, Probe, ProbeSet, Probes, RunqHist, Waits};
use trimtab_ebpf::bucket_start;
use trimtab_tests::{Group, Process, eventually};

use crate::{
    probe_support::{group, load, now, shell, spin, turn},
    ready::{Ready, contenders, go, halt, run_delay},
    trust::SOON,
};

const MS: u64 = 1_000_000;
const WHILE: Duration = Duration::from_secs(1);

fn count(buckets: &[u64]) -> u64 {
    buckets.iter().sum()
}

/// The start of the bucket below which the share of the samples lies.
fn quantile(buckets: &[u64], share: f64) -> u64 {
    #[expect(clippy::cast_precision_loss, reason = "counts of a second")]
    let below = |index: usize| count(&buckets[..=index]) as f64 >= share * count(buckets) as f64;
    (0..buckets.len())
        .find(|index| below(*index))
        .map_or(0, bucket_start)
}

/// What the group's histogram shows while `run` is in it.
fn histogram<T>(
    detached: &[&str],
    group: &Group,
    run: impl FnOnce(&Group) -> T,
) -> Option<RunqHist> {
    let (mut loaded, _ring) = load(&[Probe::RunqLatency], detached)?;
    let id = group.cpu_id().expect("the group");
    loaded.runq().register(id).expect("registered");
    let running = run(group);
    let waits = loaded.runq().read(id).expect("read").expect("registered");
    drop(running);
    group.kill_all().expect("an empty group");
    Some(waits.hist)
}

/// Three busy loops and one CPU for a while, and what the kernel says that they have waited.
fn contend(group: &Group) -> (Vec<Ready>, u64) {
    let mut running = contenders([group; 3]).expect("three shells");
    let before = run_delay(&running).expect("schedstat");
    go(&mut running).expect("waiting shells");
    thread::sleep(WHILE);
    halt(&running).expect("they stop");
    let after = run_delay(&running).expect("schedstat");
    (running, after - before)
}

#[test]
fn waiting_behind_others_adds_up_to_what_the_kernel_says() {
    let _turn = turn();
    let Some(group) = group() else {
        return;
    };
    let mut delay = 0;
    let Some(hist) = histogram(&[], &group, |group| {
        let (running, waited) = contend(group);
        delay = waited;
        running
    }) else {
        return;
    };
    assert_eq!(count(&hist.throttled), 0, "nothing is throttled here");
    assert!(
        quantile(&hist.waiting, 0.5) >= MS,
        "three loops on one CPU wait for milliseconds"
    );
    let (ours, kernels) = (hist.waiting_ns, delay);
    assert!(
        ours.abs_diff(kernels) <= kernels / 50,
        "{ours} ns in the histogram, {kernels} ns by schedstat"
    );
}

#[test]
fn without_the_switch_there_is_nothing() {
    let _turn = turn();
    let Some(group) = group() else {
        return;
    };
    let Some(hist) = histogram(&["sched_switch"], &group, contend) else {
        return;
    };
    assert_eq!(hist, RunqHist::default());
}

/// One process that sleeps and wakes on a CPU with a busy loop of another group.
fn wake(group: &Group) -> Process {
    let waking = shell(
        group,
        "exec taskset -c 0 sh -c 'while :; do sleep 0.01; done'",
    );
    thread::sleep(WHILE);
    waking
}

#[test]
fn waits_after_a_wake_need_their_hooks() {
    let _turn = turn();
    let Some(group) = group() else {
        return;
    };
    let Some(with) = histogram(&[], &group, wake) else {
        return;
    };
    let Some(without) = histogram(&["sched_wakeup", "sched_wakeup_new"], &group, wake) else {
        return;
    };
    let (with, without) = (count(&with.waiting), count(&without.waiting));
    // Each turn starts a process and wakes it when its time is over: far more wakes than preemptions.
    assert!(
        with > 100 && without < with / 2,
        "{with} waits with the hooks, {without} without"
    );
}

#[test]
fn waiting_throttled_is_told_apart() {
    let _turn = turn();
    let Some(group) = group() else {
        return;
    };
    group.set_quota_us(Some(10_000), 100_000).expect("a quota");
    let mut before = RunqHist::default();
    let Some((mut loaded, _ring)) = load(&[Probe::RunqLatency], &[]) else {
        return;
    };
    let id = group.cpu_id().expect("the group");
    loaded.runq().register(id).expect("registered");
    let mut read = || loaded.runq().read(id).expect("read").expect("registered");
    let _running = spin(&group);
    // A start-up is no burst.
    let begun = eventually(SOON, || {
        before = read().hist;
        before.throttled_ns > 0
    });
    assert!(begun, "it is never throttled");
    thread::sleep(WHILE);
    let after = read().hist;
    let throttled: Vec<u64> = after
        .throttled
        .iter()
        .zip(&before.throttled)
        .map(|(after, before)| after - before)
        .collect();
    let periods = count(&throttled);
    assert!(
        (5..=40).contains(&periods),
        "{periods} waits throttled in ten periods"
    );
    let throttled_ns = after.throttled_ns - before.throttled_ns;
    assert!(
        throttled_ns > 500 * MS,
        "throttled for {throttled_ns} ns of a second"
    );
    assert!(
        quantile(&throttled, 0.9) > 50 * MS,
        "a throttling lasts most of a period"
    );
}

#[test]
fn a_group_that_is_not_registered_is_counted_as_unknown() {
    let _turn = turn();
    let Some(group) = group() else {
        return;
    };
    let Some((mut loaded, _ring)) = load(&[Probe::RunqLatency], &[]) else {
        return;
    };
    let _running = contend(&group);
    assert!(loaded.lost().read().unknown_group > 0);
    assert_eq!(
        loaded
            .runq()
            .read(group.cpu_id().expect("the group"))
            .expect("read"),
        None
    );
}

#[test]
fn the_table_of_groups_keeps_what_it_is_told() {
    let _turn = turn();
    let options = Options {
        probes: ProbeSet::of(Probe::RunqLatency),
        max_groups: 64,
        ..Options::default()
    };
    let Ok(mut loaded) = Probes::load(&options) else {
        println!("SKIP: no probes here");
        return;
    };
    let runq = loaded.runq();
    // Ids that all pick the same cell fill the eight cells where the kernel looks, and no more.
    let same: Vec<u64> = (1..=9).map(|number| number << 32 | 5).collect();
    for id in &same[..8] {
        runq.register(*id).expect("registered");
        runq.register(*id).expect("registered again");
    }
    assert!(matches!(runq.register(same[8]), Err(Error::Full { .. })));
    assert!(runq.unregister(same[3]).expect("removed") && !runq.unregister(same[3]).expect("gone"));
    assert_eq!(
        runq.read(same[7]).expect("read"),
        Some(Waits::default()),
        "found behind the gap"
    );
    runq.register(same[8]).expect("the gap is used again");
    let mut seen = HashMap::new();
    runq.for_each(|id, hist| _ = seen.insert(id, *hist))
        .expect("read");
    assert_eq!(seen.len(), 8);
    assert!(!seen.contains_key(&same[3]) && seen.contains_key(&same[8]));
}

/// Whether a process sleeps as the program `sleep`, and for longer than a moment.
fn is_asleep(process: &Process) -> bool {
    let read = |file| fs::read_to_string(format!("/proc/{}/{file}", process.id()));
    let is_there = read("cmdline").is_ok_and(|line| line == "sleep\x001000\0");
    is_there && read("stat").is_ok_and(|stat| stat.contains("(sleep) S "))
}

#[test]
fn who_got_no_cpu_is_known_without_a_look_at_it() {
    let _turn = turn();
    let Some(group) = group() else {
        return;
    };
    let Some((mut loaded, _ring)) = load(&[Probe::RunqLatency], &[]) else {
        return;
    };
    assert!(loaded.tells_who_runs());
    let id = group.cpu_id().expect("the group");
    loaded.runq().register(id).expect("registered");
    // Longer than a note is coarse.
    let while_ago = || {
        let time = now();
        thread::sleep(Duration::from_millis(300));
        time
    };
    let begun = now();
    // Whoever joins a group while running is not given a CPU there before it has waited for something.
    let sleeper = shell(&group, "sleep 0.01; exec sleep 1000");
    assert!(eventually(SOON, || is_asleep(&sleeper)), "it still starts");
    assert!(loaded.runq().may_have_run(id, begun), "it has started");
    let calm = while_ago();
    let slept = while_ago();
    assert!(!loaded.runq().may_have_run(id, slept), "it sleeps");
    let spinner = shell(&group, "sleep 0.01; while :; do :; done");
    let spun = while_ago();
    let spins = eventually(SOON, || loaded.runq().may_have_run(id, calm));
    assert!(spins, "it is not seen to spin");
    drop((sleeper, spinner));
    assert!(
        loaded.runq().may_have_run(u64::MAX - 1, spun),
        "of a group that is not registered nothing is known"
    );
}
