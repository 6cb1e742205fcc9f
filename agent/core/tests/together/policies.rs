//! What the policies do over minutes.

use crate::life::{CPU, SECOND, bounds, group, limit, live, one, rules, settings};
use crate::world::kernel::Version;
use crate::world::{self, World};
use trimtab_core::decide::reason::{Guard, Rule};
use trimtab_core::decide::{Bounds, Headroom, Policy, Predictive, Slo, Threshold};
use trimtab_core::signal::{Amount, Mode, Nanos, Resource, Slot};

#[test]
fn two_hundred_steady_workloads_are_left_alone() {
    for policy in [
        Policy::default(),
        Policy::Threshold(Threshold::default()),
        Policy::Predictive(Predictive::default()),
        Policy::Slo(Slo::default()),
    ] {
        let mut world = World::new(Version::V2, 64, settings());
        for slot in 0..200 {
            let workload = group(500_000 + 1_000 * slot as u64, 0);
            world.adopt(slot, workload, Mode::Enforce, policy, bounds(10_000));
        }
        let mut seed = 1_u64;
        for _ in 0..600 {
            for slot in 0..200 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let percent = 80 + (seed >> 33) % 6;
                let need = limit(&world, slot, CPU) * percent / 100;
                world.kernel.group_mut(slot).needs[CPU] = Amount(need);
            }
            let ticks = live(&mut world, 1);
            assert!(ticks[0].twins.is_empty() && ticks[0].audits.is_empty());
        }
        assert_eq!(world.writes, 0, "{policy:?}");
    }
}

#[test]
fn steady_workloads_are_told_from_unusual_ones() {
    let mut world = one(500_000, 420_000);
    live(&mut world, 10);
    let usual: Vec<_> = live(&mut world, 10)
        .into_iter()
        .flat_map(|tick| tick.thresholds)
        .collect();
    assert!(usual.is_empty(), "nothing new: {usual:?}");
    let mut world = one(500_000, 420_000);
    let first = live(&mut world, 1).remove(0);
    let cpu = first
        .thresholds
        .iter()
        .find(|thresholds| thresholds.resource == Resource::Cpu)
        .unwrap();
    assert_eq!(
        (cpu.usual, cpu.own),
        (46_000_000, 50_000_000),
        "halfway between 42 ms and 50 ms of each 100 ms, which is all its own"
    );
    let mut idle = one(500_000, 20_000);
    assert_eq!(
        live(&mut idle, 1)[0].thresholds[0].usual,
        2_500_000,
        "a quarter more than the 2 ms that an idle one uses"
    );
}

#[test]
fn after_a_burst_the_limit_comes_down_to_the_need() {
    let mut world = one(100_000, 20_000);
    live(&mut world, 60);
    world.kernel.group_mut(0).needs[CPU] = Amount(1_900_000);
    live(&mut world, 1);
    assert_eq!(
        limit(&world, 0, CPU),
        2_000_000,
        "the whole node, without waiting for a tick"
    );
    world.kernel.group_mut(0).needs[CPU] = Amount(60_000);
    let ticks = live(&mut world, 200);
    assert_eq!(limit(&world, 0, CPU), 72_000, "need and margin");
    assert!(world.desk.pool(Resource::Cpu).lent == Amount::ZERO);
    assert!(rules(&ticks).iter().all(|rule| *rule == Rule::Trim));
    let busiest = ticks.windows(60).map(|minute| rules(minute).len()).max();
    assert!(busiest <= Some(6), "{busiest:?} changes in a minute");
}

#[test]
fn a_trim_that_hurts_is_given_back_twice_and_widens_the_margin() {
    let mut world = one(1_000_000, 300_000);
    let ticks = live(&mut world, 20);
    assert_eq!(rules(&ticks), [Rule::Trim, Rule::Trim]);
    let (before, after) = (500_000, 360_000);
    assert_eq!(limit(&world, 0, CPU), after);
    // Throttled without any event: the hooks are gone, and so are the twins.
    world.kernel.group_mut(0).needs[CPU] = Amount(365_000);
    world.now += SECOND;
    let snapshot = world.snapshot();
    let tick = world.tick_on(&snapshot);
    assert_eq!(tick.decisions[0].reason.rule, Rule::Undo);
    assert_eq!(tick.decisions[0].to, Amount(before + before - after));
    assert_eq!(limit(&world, 0, CPU), 2 * before - after);
    world.kernel.group_mut(0).needs[CPU] = Amount(300_000);
    let ticks = live(&mut world, 240);
    assert!(rules(&ticks[..115]).is_empty(), "twice the cooldown");
    assert_eq!(limit(&world, 0, CPU), 390_000, "ten points more margin");
}

/// The default warm-up.
fn warm(bounds: [Option<Bounds>; 2]) -> [Option<Bounds>; 2] {
    bounds.map(|bounds| {
        bounds.map(|bounds| Bounds {
            warm_up: Bounds::default().warm_up,
            ..bounds
        })
    })
}

#[test]
fn nothing_is_trimmed_in_the_first_minutes() {
    let mut world = World::new(Version::V2, 2, settings());
    world.adopt(
        0,
        group(1_000_000, 100_000),
        Mode::Enforce,
        Policy::default(),
        warm(bounds(10_000)),
    );
    assert!(rules(&live(&mut world, 179)).is_empty());
    assert_eq!(
        world
            .engine
            .view(world::to_slot(0), Resource::Cpu)
            .unwrap()
            .held_back,
        Some(Guard::WarmUp)
    );
    assert_eq!(rules(&live(&mut world, 2)), [Rule::Trim]);
}

#[test]
fn recommending_decides_alike_and_writes_nothing() {
    let mut world = World::new(Version::V2, 2, settings());
    world.adopt(
        0,
        group(1_000_000, 300_000),
        Mode::Recommend,
        Policy::default(),
        bounds(10_000),
    );
    let ticks = live(&mut world, 60);
    assert_eq!(rules(&ticks), [Rule::Trim, Rule::Trim]);
    let view = world.engine.view(world::to_slot(0), Resource::Cpu).unwrap();
    assert_eq!(
        (view.limit, view.advised),
        (Amount(1_000_000), Some(Amount(360_000)))
    );
    assert_eq!(world.writes, 0);
    assert!(ticks.iter().all(|tick| tick.settles.is_empty()));
}

#[test]
fn threshold_grows_and_shrinks_without_swinging() {
    let policy = Policy::Threshold(Threshold::default());
    let mut world = World::new(Version::V2, 8, settings());
    world.adopt(
        0,
        group(1_000_000, 950_000),
        Mode::Enforce,
        policy,
        bounds(10_000),
    );
    assert_eq!(rules(&live(&mut world, 10)), [Rule::Grow]);
    assert_eq!(limit(&world, 0, CPU), 1_500_000);
    world.kernel.group_mut(0).needs[CPU] = Amount(430_000);
    let ticks = live(&mut world, 180);
    assert!(rules(&ticks).iter().all(|rule| *rule == Rule::Shrink));
    let utilisation = 430_000 * 100 / limit(&world, 0, CPU);
    assert!((50..=70).contains(&utilisation), "{utilisation} %");
    assert!(rules(&live(&mut world, 600)).is_empty());
}

#[test]
fn bursts_do_not_make_the_limit_swing() {
    for period in [2, 7, 15, 30, 45] {
        let mut world = one(100_000, 20_000);
        let mut moves: Vec<(u64, bool)> = Vec::new();
        let mut before = limit(&world, 0, CPU);
        for second in 0..1_800 {
            world.kernel.group_mut(0).needs[CPU] = Amount(if second % period == 0 {
                800_000
            } else {
                20_000
            });
            live(&mut world, 1);
            let after = limit(&world, 0, CPU);
            if after != before {
                moves.push((second, after > before));
            }
            before = after;
        }
        let turns: Vec<u64> = moves
            .windows(2)
            .filter(|pair| pair[0].1 != pair[1].1)
            .map(|pair| pair[1].0)
            .collect();
        let busiest = (0..1_800).map(|start| {
            turns
                .iter()
                .filter(|turn| (start..start + 60).contains(*turn))
                .count()
        });
        let busiest = busiest.max();
        assert!(
            busiest <= Some(2),
            "every {period} s: {busiest:?} turns in a minute"
        );
    }
}

#[test]
fn a_headroom_window_looks_further_back_when_asked() {
    let mut world = World::new(Version::V2, 2, settings());
    let policy = Policy::Headroom(Headroom {
        window: Nanos(10 * Nanos::MINUTE.0),
        ..Headroom::default()
    });
    world.adopt(
        0,
        group(1_000_000, 800_000),
        Mode::Enforce,
        policy,
        bounds(10_000),
    );
    live(&mut world, 60);
    world.kernel.group_mut(0).needs[CPU] = Amount(100_000);
    assert!(
        rules(&live(&mut world, 300)).is_empty(),
        "a tenth of the window was busy"
    );
}

#[test]
fn a_trim_has_its_threshold_before_the_next_tick() {
    let mut world = one(1_000_000, 420_000);
    let trimmed = (0..300).any(|_| !rules(&live(&mut world, 1)).is_empty());
    assert!(trimmed);
    let slot = Slot(0);
    assert_eq!(
        world.engine.thresholds(slot, Resource::Cpu),
        None,
        "known since the last tick"
    );
    for record in world.records.drain(..) {
        world.engine.record(&record);
    }
    let limit = limit(&world, 0, CPU);
    let usual = world
        .engine
        .thresholds(slot, Resource::Cpu)
        .map(|thresholds| thresholds.usual);
    assert!(
        usual.is_some_and(|ns| ns < limit * 100),
        "{usual:?} ns of each 100 ms under {limit}"
    );
}
