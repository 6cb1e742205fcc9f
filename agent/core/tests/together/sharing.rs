//! The pool, loans, and the tree.

use crate::life::{CPU, alike, bounds, burst, group, limit, live, one, rules, settings};
use crate::world::kernel::{Group, Version};
use crate::world::{self, World};
use trimtab_core::decide::reason::Rule;
use trimtab_core::decide::{Bounds, Policy, Settings};
use trimtab_core::signal::{Amount, Cause, Denial, Mode, Resource};

#[test]
fn only_loans_are_taken_back_when_trimming_is_off() {
    let mut world = World::new(Version::V2, 2, settings());
    let mut bounds = bounds(10_000);
    bounds[CPU] = bounds[CPU].map(|cpu| Bounds { trim: false, ..cpu });
    world.adopt(
        0,
        group(100_000, 1_000_000),
        Mode::Enforce,
        Policy::default(),
        bounds,
    );
    live(&mut world, 1);
    world.kernel.group_mut(0).needs[CPU] = Amount(5_000);
    live(&mut world, 200);
    assert_eq!(limit(&world, 0, CPU), 100_000);
}

#[test]
fn one_burst_gets_the_whole_pool_and_the_next_one_gets_what_lies_idle() {
    let mut world = alike(4, 21, group(100_000, 5_000), 50_000);
    live(&mut world, 3);
    let size = world.desk.pool(Resource::Cpu).size.0;
    assert_eq!(size, 4_000_000 - 21 * 50_000);
    world.kernel.group_mut(7).needs[CPU] = Amount(4_000_000);
    burst(&mut world);
    assert!(
        world.desk.pool(Resource::Cpu).lent.0 * 100 >= size * 95,
        "{:?}",
        world.desk.pool(Resource::Cpu)
    );
    live(&mut world, 3);
    // It is over; another one bursts while the loan is still out.
    world.kernel.group_mut(7).needs[CPU] = Amount(5_000);
    live(&mut world, 3);
    world.kernel.group_mut(9).needs[CPU] = Amount(3_000_000);
    let ticks = live(&mut world, 2);
    assert_eq!(rules(&ticks), [Rule::Recall, Rule::Raise]);
    assert!(
        limit(&world, 9, CPU) >= 2_900_000,
        "{}",
        limit(&world, 9, CPU)
    );
}

#[test]
fn a_floor_that_nobody_asked_for_can_be_lent_until_it_is_needed() {
    let world = |default_floor| {
        let mut world = World::new(Version::V2, 2, settings());
        for slot in 0..30 {
            let mut bounds = bounds(100_000);
            bounds[CPU] = bounds[CPU].map(|cpu| Bounds {
                default_floor: default_floor && slot > 0,
                ..cpu
            });
            let group = group(100_000, 2_000);
            world.adopt(slot, group, Mode::Enforce, Policy::default(), bounds);
        }
        live(&mut world, 3);
        world
    };
    let size = |world: &World| world.desk.pool(Resource::Cpu).size.0;
    assert_eq!(size(&world(false)), 0, "30 floors of 0.1 CPU on two CPUs");
    let mut world = world(true);
    assert_eq!(size(&world), 2_000_000 - 100_000 - 29 * 2_200);
    assert_eq!(
        limit(&world, 3, CPU),
        100_000,
        "it stands there all the same"
    );
    world.kernel.group_mut(0).needs[CPU] = Amount(1_900_000);
    burst(&mut world);
    assert!(limit(&world, 0, CPU) > 1_800_000);
    live(&mut world, 3);
    world.kernel.group_mut(0).needs[CPU] = Amount(300_000);
    assert!(rules(&live(&mut world, 5)).is_empty(), "nobody needs it");
    for slot in 1..30 {
        world.kernel.group_mut(slot).needs[CPU] = Amount(50_000);
    }
    assert_eq!(rules(&live(&mut world, 1)), [Rule::Recall], "within a tick");
    assert!(limit(&world, 0, CPU) <= 100_000 + size(&world));
}

#[test]
fn who_spins_first_gains_nothing() {
    let mut world = alike(4, 2, group(500_000, 100_000), 500_000);
    world.kernel.group_mut(0).needs[CPU] = Amount(4_000_000);
    live(&mut world, 30);
    assert_eq!(
        limit(&world, 0, CPU),
        3_500_000,
        "while nobody else wants it"
    );
    world.kernel.group_mut(1).needs[CPU] = Amount(4_000_000);
    burst(&mut world);
    assert_eq!(
        [limit(&world, 0, CPU), limit(&world, 1, CPU)],
        [2_000_000; 2],
        "without waiting for a tick"
    );
    let writes = world.writes;
    assert!(rules(&live(&mut world, 300)).is_empty());
    assert_eq!(
        [limit(&world, 0, CPU), limit(&world, 1, CPU)],
        [2_000_000; 2]
    );
    assert_eq!(
        world.writes, writes,
        "both want more for five minutes, and nothing is written"
    );
}

#[test]
fn loans_in_use_stay_when_unmanaged_use_grows() {
    let mut world = one(100_000, 1_000_000);
    live(&mut world, 3);
    assert_eq!(limit(&world, 0, CPU), 2_000_000);
    world.node.unmanaged_cpu = Amount(1_500_000);
    assert_eq!(rules(&live(&mut world, 3)), [Rule::Recall]);
    assert_eq!(limit(&world, 0, CPU), 1_100_000, "use and a tenth");
}

#[test]
fn a_little_overdrawn_is_left_alone() {
    let reserve = Amount(200_000);
    let mut world = World::new(
        Version::V2,
        2,
        Settings {
            reserve: [reserve, Amount::ZERO],
            ..settings()
        },
    );
    world.adopt(
        0,
        group(100_000, 1_000_000),
        Mode::Enforce,
        Policy::default(),
        bounds(10_000),
    );
    live(&mut world, 3);
    assert_eq!(limit(&world, 0, CPU), 1_890_000);
    world.node.unmanaged_cpu = reserve.percent(45);
    assert!(rules(&live(&mut world, 10)).is_empty());
    world.node.unmanaged_cpu = reserve.percent(55);
    assert_eq!(rules(&live(&mut world, 3)), [Rule::Recall]);
}

#[test]
fn what_is_often_needed_is_called_in_last() {
    let mut world = alike(4, 2, group(100_000, 5_000), 50_000);
    live(&mut world, 3);
    for _ in 0..60 {
        world.kernel.group_mut(1).needs[CPU] = Amount(400_000);
        live(&mut world, 1);
        world.kernel.group_mut(1).needs[CPU] = Amount(5_000);
        live(&mut world, 3);
    }
    let often = limit(&world, 1, CPU);
    assert!((400_000..1_000_000).contains(&often), "{often}");
    world.kernel.group_mut(0).needs[CPU] = Amount(4_000_000);
    live(&mut world, 1);
    world.kernel.group_mut(0).needs[CPU] = Amount(5_000);
    live(&mut world, 4);
    assert!(limit(&world, 0, CPU) > 2_000_000, "still lent");
    world.node.unmanaged_cpu = Amount(1_000_000);
    assert_eq!(rules(&live(&mut world, 3)), [Rule::Recall]);
    assert_eq!(
        limit(&world, 1, CPU),
        often,
        "idle for seconds, but it would be asked for again"
    );
}

#[test]
fn limits_that_sum_to_five_nodes_are_adopted_as_they_are() {
    let mut world = alike(4, 20, group(1_000_000, 830_000), 500_000);
    assert!(rules(&live(&mut world, 120)).is_empty());
    assert_eq!(
        (world.writes, world.desk.pool(Resource::Cpu).size),
        (0, Amount::ZERO)
    );
}

#[test]
fn a_pod_is_lifted_from_the_top() {
    for version in [Version::V1, Version::V2] {
        let mut world = World::new(version, 4, settings());
        world.adopt(
            0,
            group(500_000, 0),
            Mode::Enforce,
            Policy::default(),
            bounds(100_000),
        );
        for slot in [1, 2] {
            let child = Group {
                parent: Some(0),
                ..group(500_000, 100_000)
            };
            world.adopt(
                slot,
                child,
                Mode::Enforce,
                Policy::default(),
                bounds(100_000),
            );
        }
        live(&mut world, 2);
        assert_eq!(
            world.desk.pool(Resource::Cpu).size,
            Amount(3_800_000),
            "the pod's floor is the sum of its children's"
        );
        world.kernel.group_mut(1).needs[CPU] = Amount(1_200_000);
        let child = world
            .event(1, Resource::Cpu, Cause::ThrottledRunning)
            .unwrap();
        assert_eq!(
            child.denial,
            Some(Denial::LimitedAbove),
            "not written in vain"
        );
        let pod = world
            .event(0, Resource::Cpu, Cause::ThrottledRunning)
            .unwrap();
        let child = world
            .event(1, Resource::Cpu, Cause::ThrottledRunning)
            .unwrap();
        assert_eq!((pod.to, pod.granted), (Amount(1_000_000), Amount(500_000)));
        assert_eq!((child.to, child.granted), (Amount(1_000_000), Amount::ZERO));
        live(&mut world, 1);
        assert!(limit(&world, 1, CPU) >= 1_200_000);
        world.kernel.group_mut(1).needs[CPU] = Amount(100_000);
        live(&mut world, 240);
        assert!(limit(&world, 0, CPU) <= 270_000 && limit(&world, 1, CPU) <= 135_000);
        assert_eq!(world.einvals, 0);
    }
}

#[test]
fn what_was_lent_returns_when_the_borrower_goes() {
    let mut world = alike(4, 2, group(100_000, 5_000), 50_000);
    live(&mut world, 1);
    world.kernel.group_mut(0).needs[CPU] = Amount(4_000_000);
    burst(&mut world);
    assert!(world.desk.pool(Resource::Cpu).lent > Amount(3_000_000));
    world.remove(0);
    world.check();
    assert_eq!(world.desk.pool(Resource::Cpu).lent, Amount::ZERO);
    world.adopt(
        0,
        group(200_000, 5_000),
        Mode::Enforce,
        Policy::default(),
        bounds(50_000),
    );
    live(&mut world, 1);
    assert_eq!(
        world
            .engine
            .view(world::to_slot(0), Resource::Cpu)
            .unwrap()
            .limit,
        Amount(200_000)
    );
}

#[test]
fn who_keeps_others_waiting_is_held_to_its_own_and_tried_again_less_and_less() {
    let mut world = World::new(Version::V2, 2, settings());
    for (slot, need) in [(0, 4_000_000), (1, 80_000)] {
        world.adopt(
            slot,
            group(100_000, need),
            Mode::Enforce,
            Policy::default(),
            bounds(50_000),
        );
    }
    live(&mut world, 1);
    assert!(limit(&world, 0, CPU) > 100_000);
    world.delay(0, 1);
    assert!(limit(&world, 0, CPU) > 100_000, "it may be a burst");
    let mut lent = 0;
    for _ in 0..300 {
        live(&mut world, 1);
        // It spins for a second before the kernel tells whom that delays.
        if limit(&world, 0, CPU) > 100_000 {
            lent += 1;
            world.delay(0, 1);
            assert_eq!(limit(&world, 0, CPU), 100_000);
        }
    }
    assert_eq!(
        lent, 8,
        "at once, and 2, 6, 14, 30, 62, 126 and 254 s later"
    );
    assert!(
        world.writes <= 25,
        "{} writes in five minutes",
        world.writes
    );
    assert_eq!(limit(&world, 1, CPU), 100_000);
}

#[test]
fn a_burst_goes_before_who_borrows_all_the_time() {
    let mut world = alike(4, 4, group(500_000, 100_000), 500_000);
    world.kernel.group_mut(0).needs[CPU] = Amount(4_000_000);
    live(&mut world, 30);
    assert!(world.desk.pool(Resource::Cpu).left() < Amount(500_000));
    for slot in [1, 2, 3] {
        world.kernel.group_mut(slot).needs[CPU] = Amount(1_000_000);
    }
    burst(&mut world);
    let limits = [0, 1, 2, 3].map(|slot| limit(&world, slot, CPU));
    assert!(
        limits
            .iter()
            .all(|limit| (900_000..1_100_000).contains(limit)),
        "an even share of the pool for each: {limits:?}"
    );
    let spent = world.event(0, Resource::Cpu, Cause::QuotaNear);
    assert_eq!(
        spent.and_then(|spent| spent.denial),
        Some(Denial::PoolEmpty),
        "nobody gives way to who borrows all the time"
    );
}
