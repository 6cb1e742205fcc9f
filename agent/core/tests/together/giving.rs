//! Memory that is not needed is given back, and put back where that hurts.

use crate::life::{MEMORY, SECOND, limit, live, rules, settings};
use crate::world::kernel::{Group, Version};
use crate::world::{self, World};
use insta::assert_snapshot;
use trimtab_core::decide::reason::{Guard, Rule};
use trimtab_core::decide::{Bounds, GiveBack, Headroom, Policy, Tick};
use trimtab_core::signal::{Amount, Mode, Nanos, Resource};
use trimtab_core::snapshot::MemorySignals;

const MIB: u64 = 1 << 20;

/// One workload that has 1 GiB and needs 200 MiB; the hard limit is what moves.
fn one(policy: Policy, bounds: Bounds) -> World {
    let mut world = World::new(Version::V1, 2, settings());
    let group = Group {
        parent: None,
        period_us: 100_000,
        limits: [Amount::UNLIMITED, Amount(1_024 * MIB)],
        needs: [Amount::ZERO, Amount(200 * MIB)],
        foreign: [false; 2],
    };
    world.adopt(0, group, Mode::Enforce, policy, [None, Some(bounds)]);
    world
}

fn giving() -> Bounds {
    Bounds {
        warm_up: Nanos(0),
        give_back: Some(GiveBack::default()),
        ..Bounds::of(Resource::Memory)
    }
}

/// A second in which the kernel counts something else than the world does.
fn second(world: &mut World, change: impl FnOnce(&mut MemorySignals)) -> Tick {
    world.now += SECOND;
    let mut snapshot = world.snapshot();
    change(
        snapshot.workloads[0]
            .memory
            .as_mut()
            .expect("it is managed"),
    );
    world.tick_on(&snapshot)
}

fn mib(world: &World) -> u64 {
    limit(world, 0, MEMORY) / MIB
}

fn held_back(world: &World) -> Option<Guard> {
    let view = world.engine.view(world::to_slot(0), Resource::Memory);
    view.expect("it is managed").held_back
}

#[test]
fn memory_is_kept_unless_somebody_asks() {
    let bounds = Bounds {
        give_back: None,
        ..giving()
    };
    let mut world = one(Policy::default(), bounds);
    assert!(rules(&live(&mut world, 300)).is_empty());
    assert_eq!(held_back(&world), Some(Guard::MemoryStays));
    let mut world = one(
        Policy::default(),
        Bounds {
            trim: false,
            ..giving()
        },
    );
    assert!(rules(&live(&mut world, 300)).is_empty());
    assert_eq!(held_back(&world), Some(Guard::Adopted));
}

#[test]
fn what_is_above_the_padded_working_set_is_given_back() {
    let mut world = one(Policy::default(), giving());
    let ticks = live(&mut world, 60);
    assert_eq!(rules(&ticks), [Rule::Trim, Rule::Trim]);
    assert_eq!(mib(&world), 280, "two fifths on top, since the limit kills");
    let why = ticks.iter().flat_map(|tick| &tick.decisions).last();
    assert_snapshot!(why.unwrap().reason, @"memory 512 MiB -> 280 MiB: need and margin are below the limit: p100 of the working set of 60 s is 200 MiB, margin 40 %, at least 64 MiB above, use 200 MiB; without this 232 MiB would stay held and unused");
    assert!(rules(&live(&mut world, 600)).is_empty(), "it stays there");
}

#[test]
fn where_the_limit_does_not_kill_less_is_left() {
    let mut world = one(Policy::default(), giving());
    for _ in 0..60 {
        second(&mut world, |memory| memory.hard = Amount::UNLIMITED);
    }
    assert_eq!(mib(&world), 256, "which is a fifth and a sixteenth on top");
    let small = |world: &mut World| {
        world.kernel.group_mut(0).needs[MEMORY] = Amount(20 * MIB);
        for _ in 0..200 {
            second(world, |memory| memory.hard = Amount::UNLIMITED);
        }
    };
    small(&mut world);
    assert_eq!(mib(&world), 52, "a lift needs 32 MiB to be in time");
}

#[test]
fn the_own_policy_of_a_workload_has_the_last_word() {
    let wide = Policy::Headroom(Headroom {
        margin: 200,
        ..Headroom::default()
    });
    let mut world = one(wide, giving());
    let ticks = live(&mut world, 120);
    assert_eq!(mib(&world), 600, "need and twice as much");
    let why = ticks.iter().flat_map(|tick| &tick.decisions).last();
    let why = why.unwrap().reason.to_string();
    assert!(
        why.contains("p95 of 60 s is 200 MiB, margin 200 %"),
        "{why}"
    );
    assert!(rules(&live(&mut world, 600)).is_empty(), "no swinging");
}

#[test]
fn a_trim_that_hurts_is_given_back_twice_and_leaves_more_next_time() {
    let mut world = one(Policy::default(), giving());
    live(&mut world, 20);
    assert_eq!(mib(&world), 280);
    let tick = second(&mut world, |memory| memory.refaults = 100);
    assert_eq!(mib(&world), 512 + (512 - 280));
    assert_snapshot!(tick.decisions[0].reason.to_string(), @"memory 280 MiB -> 744 MiB: the last trim hurt and is given back twice: trimmed from 512 MiB to 280 MiB 6 s ago, 100 pages came back and 0 us were lost to stalls, use 200 MiB; without this it would be reclaimed from or killed at 280 MiB");
    let ticks = live(&mut world, 115);
    assert!(rules(&ticks).is_empty(), "twice the cooldown");
    let ticks = live(&mut world, 60);
    assert_eq!(rules(&ticks), [Rule::Trim, Rule::Trim]);
    assert_eq!(mib(&world), 300, "ten points more");
}

#[test]
fn nothing_is_given_back_while_memory_is_short() {
    let mut world = one(Policy::default(), giving());
    for _ in 0..60 {
        second(&mut world, |memory| memory.stalled_ns = 2_000_000);
    }
    assert_eq!(mib(&world), 1_024);
    assert_eq!(held_back(&world), Some(Guard::Short));
}

#[test]
fn page_cache_that_is_there_is_not_reclaimed_by_a_write() {
    let mut world = one(Policy::default(), giving());
    for _ in 0..60 {
        second(&mut world, |memory| {
            memory.used = Amount(800 * MIB);
            memory.inactive_file = Amount(600 * MIB);
        });
    }
    assert_eq!(mib(&world), 812, "800 MiB and a sixty-fourth");
    // The half of it that is used again and again is needed, too.
    let mut world = one(Policy::default(), giving());
    for _ in 0..60 {
        second(&mut world, |memory| {
            memory.used = Amount(400 * MIB);
            memory.inactive_file = Amount(100 * MIB);
        });
    }
    assert_eq!(mib(&world), 420);
}

#[test]
fn growth_up_to_what_the_owner_had_set_is_free() {
    let mut world = one(Policy::default(), giving());
    live(&mut world, 46);
    assert_eq!(mib(&world), 280);
    world.kernel.group_mut(0).needs[MEMORY] = Amount(900 * MIB);
    live(&mut world, 1);
    assert!(mib(&world) >= 900, "{} MiB", mib(&world));
    assert_eq!(
        world.desk.pool(Resource::Memory).lent,
        Amount(limit(&world, 0, MEMORY).saturating_sub(1_024 * MIB)),
        "up to what its owner had set nothing is lent"
    );
    world.kernel.group_mut(0).needs[MEMORY] = Amount(200 * MIB);
    live(&mut world, 400);
    assert_eq!(
        mib(&world),
        280,
        "half a minute later it is not the trim's fault"
    );
}

#[test]
fn growth_right_after_a_trim_makes_the_next_one_careful() {
    let mut world = one(Policy::default(), giving());
    live(&mut world, 16);
    assert_eq!(mib(&world), 280);
    world.kernel.group_mut(0).needs[MEMORY] = Amount(300 * MIB);
    live(&mut world, 1);
    world.kernel.group_mut(0).needs[MEMORY] = Amount(200 * MIB);
    assert!(
        rules(&live(&mut world, 118)).is_empty(),
        "twice the cooldown"
    );
    live(&mut world, 300);
    assert_eq!(mib(&world), 300, "ten points more");
}
