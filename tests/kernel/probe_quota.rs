//! CPU quota: the warning, and both ways into throttling, each by its own hook.
#![expect(clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::{thread, time::Duration};

use trimtab::probe::{Event, Probe, kind};
use trimtab_core::signal::Resource;

use crate::{
    probe_support::{collect, group, id, load, of_kind, shell, spin, turn, watch},
    ready::Ready,
    trust::SOON,
};

const SLOT: u32 = 7;
const MS: u64 = 1_000_000;

/// What a burst has brought.
struct Seen {
    events: Vec<Event>,
    /// `nr_throttled` at that moment.
    throttled: u64,
    /// Periods that ended meanwhile.
    periods: u64,
    /// The group's.
    id: u64,
}

/// A busy loop in a group of 10 ms per 100 ms; what was seen until an event of `kind` came.
fn burst(probes: &[Probe], detached: &[&str], kind: u32) -> Option<Seen> {
    let _turn = turn();
    let group = group()?;
    group.set_quota_us(Some(10_000), 100_000).expect("a quota");
    let (mut loaded, mut ring) = load(probes, detached)?;
    watch(&mut loaded, Resource::Cpu, &group, SLOT);
    // A shell that started in here would begin the period, which might be renewed within the burst.
    // On one CPU, so that no other one gives back a part of an earlier slice meanwhile.
    let mut running = Ready::spinner(&group).expect("a shell");
    running.pin().expect("taskset");
    let before = group.cpu_stat().expect("cpu.stat");
    running.go().expect("a waiting shell");
    let events = collect(&mut ring, Duration::from_secs(1), |events| {
        events.iter().any(|event| event.kind == kind)
    });
    let after = group.cpu_stat().expect("cpu.stat");
    Some(Seen {
        events,
        throttled: after.nr_throttled,
        periods: after.nr_periods - before.nr_periods,
        id: id(Resource::Cpu, &group),
    })
}

#[test]
fn a_burst_is_warned_of_before_it_is_throttled() {
    let mut tries = 0;
    let Seen {
        events,
        throttled,
        id,
        ..
    } = loop {
        let Some(seen) = burst(&[Probe::QuotaNear], &[], kind::QUOTA_NEAR) else {
            return;
        };
        // Periods go on by the clock: one may end within the burst, and renew the pool.
        if seen.periods == 0 {
            break seen;
        }
        tries += 1;
        assert!(tries < 50, "a period ended within each of fifty bursts");
    };
    let event = of_kind(&events, kind::QUOTA_NEAR)[0];
    assert_eq!(throttled, 0, "warned too late: {event:?}");
    assert_eq!(
        (event.lowest.id, event.lowest.slot, event.lowest.depth),
        (id, SLOT, 0)
    );
    assert_eq!(
        (event.lowest.limit, event.lowest.period),
        (10 * MS, 100 * MS)
    );
    // The first slice of 5 ms has been handed out, and is not used up yet.
    assert!(event.lowest.used >= 5 * MS, "{event:?}");
    assert_eq!(event.lowest, event.highest);
}

#[test]
fn without_its_hook_there_is_no_warning() {
    let Some(Seen {
        events, throttled, ..
    }) = burst(
        &[Probe::QuotaNear],
        &["sched_stat_runtime"],
        kind::QUOTA_NEAR,
    )
    else {
        return;
    };
    assert_eq!(events, [], "an event without a hook");
    assert_ne!(throttled, 0, "the group was not even throttled");
}

#[test]
fn a_group_throttled_while_running_raises_an_alarm() {
    let Some(Seen { events, id, .. }) =
        burst(&[Probe::ThrottledRunning], &[], kind::THROTTLED_RUNNING)
    else {
        return;
    };
    let event = of_kind(&events, kind::THROTTLED_RUNNING)[0];
    assert_eq!(
        (event.lowest.id, event.lowest.slot, event.lowest.limit),
        (id, SLOT, 10 * MS)
    );
    assert_eq!(event.lowest, event.highest);
}

#[test]
fn without_its_hook_throttling_while_running_is_not_seen() {
    let Some(Seen {
        events, throttled, ..
    }) = burst(
        &[Probe::ThrottledRunning],
        &["sched_switch"],
        kind::THROTTLED_RUNNING,
    )
    else {
        return;
    };
    assert_eq!(events, [], "an event without a hook");
    assert_ne!(throttled, 0, "the group was not even throttled");
}

/// One process spends the quota, another in the same group wakes up now and then.
fn wake_into_spent(detached: &[&str]) -> Option<Vec<Event>> {
    let _turn = turn();
    let group = group()?;
    let (mut loaded, mut ring) = load(&[Probe::ThrottledWaking], detached)?;
    group.set_quota_us(Some(10_000), 100_000).expect("a quota");
    watch(&mut loaded, Resource::Cpu, &group, SLOT);
    let _waking = shell(&group, "while :; do sleep 0.01; done");
    let _running = [spin(&group), spin(&group)];
    Some(collect(&mut ring, Duration::from_secs(2), |events| {
        !of_kind(events, kind::THROTTLED_WAKING).is_empty()
    }))
}

#[test]
fn a_wake_into_a_spent_group_raises_an_alarm() {
    let Some(events) = wake_into_spent(&[]) else {
        return;
    };
    let events = of_kind(&events, kind::THROTTLED_WAKING);
    assert!(!events.is_empty(), "no alarm");
    assert_eq!(
        (events[0].lowest.slot, events[0].lowest.limit),
        (SLOT, 10 * MS)
    );
}

#[test]
fn without_its_hooks_a_wake_into_a_spent_group_is_not_seen() {
    let Some(events) = wake_into_spent(&["sched_wakeup", "sched_wakeup_new"]) else {
        return;
    };
    assert_eq!(events, [], "an event without a hook");
}

/// A pod: the parent may use 50 ms, and so may each of its two children.
fn pod(watch_parent: bool, probe: Probe, kind: u32) -> Option<(Vec<Event>, u64)> {
    let _turn = turn();
    let parent = group()?;
    let children = ["a", "b"].map(|name| parent.child(name).expect("a child group"));
    let (mut loaded, mut ring) = load(&[probe], &[])?;
    parent.set_quota_us(Some(50_000), 100_000).expect("a quota");
    for (slot, child) in (1..).zip(&children) {
        child.set_quota_us(Some(50_000), 100_000).expect("a quota");
        watch(&mut loaded, Resource::Cpu, child, slot);
    }
    if watch_parent {
        watch(&mut loaded, Resource::Cpu, &parent, SLOT);
    }
    // Both at once: one that has the first period to itself is at its own limit, too.
    let spinner = |child| Ready::spinner(child).expect("a shell");
    let mut running = children.each_ref().map(spinner);
    for spinner in &mut running {
        spinner.go().expect("a waiting shell");
    }
    let events = collect(&mut ring, Duration::from_secs(2), |events| {
        of_kind(events, kind).len() >= 3
    });
    Some((of_kind(&events, kind), id(Resource::Cpu, &parent)))
}

#[test]
fn a_pod_whose_parent_runs_dry_names_the_parent_in_the_warning() {
    let Some((events, parent)) = pod(true, Probe::QuotaNear, kind::QUOTA_NEAR) else {
        return;
    };
    assert!(!events.is_empty(), "no warning");
    let event = events[0];
    assert_eq!(
        (event.highest.id, event.highest.slot, event.highest.depth),
        (parent, SLOT, 1),
        "{event:?}"
    );
    assert_eq!(event.lowest, event.highest, "the child is not at its limit");
}

#[test]
fn a_pod_whose_parent_is_throttled_names_the_parent_even_if_nobody_watches_it() {
    let Some((events, parent)) = pod(false, Probe::ThrottledRunning, kind::THROTTLED_RUNNING)
    else {
        return;
    };
    assert!(!events.is_empty(), "no alarm");
    let event = events[0];
    assert_eq!(
        (event.lowest.id, event.lowest.depth),
        (parent, 1),
        "{event:?}"
    );
    assert_eq!(event.lowest.slot, trimtab_ebpf::NO_SLOT);
}

#[test]
fn a_group_that_stays_spent_raises_at_most_one_event_a_period() {
    let _turn = turn();
    let Some(group) = group() else {
        return;
    };
    let Some((mut loaded, mut ring)) = load(&[Probe::QuotaNear, Probe::ThrottledRunning], &[])
    else {
        return;
    };
    group.set_quota_us(Some(10_000), 100_000).expect("a quota");
    watch(&mut loaded, Resource::Cpu, &group, SLOT);
    let _running = spin(&group);
    let begun = collect(&mut ring, SOON, |events| {
        !of_kind(events, kind::THROTTLED_RUNNING).is_empty()
    });
    assert!(!begun.is_empty(), "it is never throttled");
    let before = group.cpu_stat().expect("cpu.stat");
    let events = collect(&mut ring, Duration::from_secs(1), |_| false);
    let counted = group.cpu_stat().expect("cpu.stat").since(before);
    assert!(counted.nr_throttled >= 5, "{counted:?}");
    for kind in [kind::QUOTA_NEAR, kind::THROTTLED_RUNNING] {
        let events = of_kind(&events, kind).len() as u64;
        // The first and the last period are not there as a whole.
        let most = counted.nr_periods + 1;
        assert!(
            (counted.nr_throttled / 2..=most).contains(&events),
            "{events} events of kind {kind}, {counted:?}"
        );
    }
}

#[test]
fn a_muted_group_and_a_usual_period_raise_nothing() {
    let _turn = turn();
    let Some(group) = group() else {
        return;
    };
    let Some((mut loaded, mut ring)) = load(&[Probe::QuotaNear, Probe::ThrottledRunning], &[])
    else {
        return;
    };
    let (watches, id) = (loaded.watches(), id(Resource::Cpu, &group));
    group.set_quota_us(Some(10_000), 100_000).expect("a quota");
    watches.set(Resource::Cpu, id, SLOT, 0).expect("watched");
    assert!(watches.mute(Resource::Cpu, id, true).expect("muted"));
    let _running = spin(&group);
    let events = collect(&mut ring, Duration::from_millis(500), |_| false);
    assert_eq!(events, [], "events of a muted group");

    // Nobody gets through a usual period of more than the quota.
    assert!(
        watches
            .set_thresholds(Resource::Cpu, id, 20 * MS, 0)
            .expect("set")
    );
    assert!(watches.mute(Resource::Cpu, id, false).expect("unmuted"));
    let events = collect(&mut ring, Duration::from_millis(500), |_| false);
    assert_eq!(
        of_kind(&events, kind::QUOTA_NEAR),
        [],
        "warnings of a usual period"
    );
    assert!(
        !of_kind(&events, kind::THROTTLED_RUNNING).is_empty(),
        "alarms do not ask what is usual"
    );
    let watch = watches
        .get(Resource::Cpu, id)
        .expect("read")
        .expect("watched");
    assert!(watch.spent > 0 && watch.slot == SLOT, "{watch:?}");
    assert!(watches.remove(Resource::Cpu, id).expect("removed"));
    assert!(!watches.remove(Resource::Cpu, id).expect("removed twice"));
}

#[test]
fn two_threads_spend_together() {
    let _turn = turn();
    let Some(group) = group() else {
        return;
    };
    let Some((mut loaded, mut ring)) = load(&[Probe::QuotaNear], &[]) else {
        return;
    };
    group.set_quota_us(Some(40_000), 100_000).expect("a quota");
    watch(&mut loaded, Resource::Cpu, &group, SLOT);
    let _running = [spin(&group), spin(&group)];
    let events = collect(&mut ring, Duration::from_secs(1), |events| {
        !events.is_empty()
    });
    assert!(!events.is_empty(), "no warning");
    thread::sleep(Duration::from_millis(300));
    let watch = loaded
        .watches()
        .get(Resource::Cpu, id(Resource::Cpu, &group))
        .expect("read")
        .expect("watched");
    // A period's run time is the quota, give or take a slice for each CPU.
    assert!((1..=60 * MS).contains(&watch.spent), "{watch:?}");
}
