//! Policies that are asked beside the active ones.

use crate::invariants::run_beside;
use crate::life::{CPU, SECOND, bounds, burst, group, limit, live, settings};
use crate::world::World;
use crate::world::kernel::Version;
use proptest::prelude::*;
use trimtab_core::decide::{
    Beside, Bounds, Headroom, Policy, Predictive, Shadow, Shadows, Slo, Threshold,
};
use trimtab_core::signal::{Amount, Mode, Nanos, Resource, Slot};

fn policies() -> impl Strategy<Value = Policy> {
    let headroom = (50..=100_u32, 5..60_u64, 0..60_u32).prop_map(|(percentile, window, margin)| {
        let window = Nanos(window * Nanos::SECOND.0);
        Headroom {
            percentile,
            window,
            margin,
        }
    });
    (headroom, 0..4_u8).prop_map(|(reactive, kind)| match kind {
        0 => Policy::Threshold(Threshold::default()),
        1 => Policy::Headroom(reactive),
        2 => Policy::Slo(Slo {
            reactive,
            ..Slo::default()
        }),
        _ => Policy::Predictive(Predictive {
            reactive,
            ..Predictive::default()
        }),
    })
}

/// How CPU may move in most of these tests.
fn cpu_bounds() -> Bounds {
    bounds(10_000)[CPU].expect("CPU is managed")
}

fn beside(world: &World) -> Beside {
    *world.shadows.beside(Slot(0)).expect("it has a shadow")
}

/// One workload with a quota, and a shadow.
fn one(mode: Mode, policy: Policy, limit: u64, shadow: Shadow) -> World {
    let mut world = World::new(Version::V2, 8, settings());
    world.shadow = Some(shadow);
    world.adopt(0, group(limit, 100_000), mode, policy, bounds(10_000));
    world
}

/// Lets a second pass that ends on the second, as those of the agent do: events come in the middle of it.
fn second(world: &mut World) {
    let end = (world.now / SECOND + 1) * SECOND;
    world.now += SECOND / 2;
    burst(world);
    assert!(world.now < end, "events take a few milliseconds");
    world.now = end;
    let snapshot = world.snapshot();
    world.tick_on(&snapshot);
}

fn need(world: &mut World, need: u64) {
    world.kernel.group_mut(0).needs[CPU] = Amount(need);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn with_shadows_everything_is_decided_as_without(
        seed in 1..u64::MAX,
        old in any::<bool>(),
        policy in policies(),
        floor in 0..400_000_u64,
    ) {
        let version = if old { Version::V1 } else { Version::V2 };
        let bounds = Bounds { floor: Amount(floor), ..cpu_bounds() };
        let shadow = Some(Shadow { policy, bounds });
        let alone = run_beside(seed, version, 1_500, None);
        let beside = run_beside(seed, version, 1_500, shadow);
        let state = |world: &World| serde_json::to_string(&world.engine).expect("it is data");
        prop_assert!(state(&alone) == state(&beside));
        prop_assert_eq!(format!("{:?}", alone.desk), format!("{:?}", beside.desk));
        prop_assert_eq!(alone.writes, beside.writes);
    }

    #[test]
    fn the_policy_itself_as_a_shadow_holds_what_it_holds(
        policy in policies(),
        start in 100_000..4_000_000_u64,
        needs in prop::collection::vec((0..5_000_000_u64, 1..40_u64), 1..8),
    ) {
        let shadow = Shadow { policy, bounds: cpu_bounds() };
        let mut world = one(Mode::Enforce, policy, start / 10 * 10, shadow);
        // Before the first tick nothing can be lent.
        need(&mut world, 0);
        second(&mut world);
        for (amount, seconds) in needs {
            need(&mut world, amount);
            for _ in 0..seconds {
                second(&mut world);
                let Beside { active, shadow, .. } = beside(&world);
                prop_assert_eq!(active, shadow);
            }
        }
    }

    #[test]
    fn what_it_holds_is_within_its_own_bounds(
        policy in policies(),
        needs in prop::collection::vec((0..9_000_000_u64, 1..20_u64), 1..8),
        floor in 50_000..500_000_u64,
        more in 0..3_000_000_u64,
    ) {
        let ceiling = Amount(floor + more);
        let bounds = Bounds { floor: Amount(floor), ceiling, ..cpu_bounds() };
        let shadow = Shadow { policy, bounds };
        // It begins within them.
        let mut world = one(Mode::Enforce, Policy::default(), floor.next_multiple_of(10), shadow);
        for (amount, seconds) in needs {
            need(&mut world, amount);
            live(&mut world, seconds);
            let limit = beside(&world).shadow.limit;
            prop_assert!(limit >= Amount(floor) && limit <= ceiling.max(Amount(floor.next_multiple_of(10))));
        }
    }
}

#[test]
fn what_is_only_recommended_is_followed_the_same_way() {
    let policy = Policy::default();
    let shadow = Shadow {
        policy,
        bounds: cpu_bounds(),
    };
    let mut world = one(Mode::Recommend, policy, 4_000_000, shadow);
    let mut advised = Vec::new();
    let mut shadowed = Vec::new();
    for amount in [200_000, 900_000, 900_000, 300_000] {
        need(&mut world, amount);
        for _ in 0..60 {
            live(&mut world, 1);
            let view = world.engine.view(Slot(0), Resource::Cpu).expect("managed");
            advised.push(view.advised.unwrap_or(view.limit));
            shadowed.push(beside(&world).shadow.limit);
        }
    }
    advised.dedup();
    shadowed.dedup();
    assert!(advised.len() > 3, "{advised:?}");
    assert_eq!(advised[..shadowed.len()], shadowed);
    assert_eq!(limit(&world, 0, CPU), 4_000_000, "nothing was written");
}

#[test]
fn a_narrower_margin_holds_less_and_falls_short_sooner() {
    let headroom = |margin| {
        Policy::Headroom(Headroom {
            margin,
            ..Headroom::default()
        })
    };
    let shadow = Shadow {
        policy: headroom(20),
        bounds: cpu_bounds(),
    };
    let mut world = one(Mode::Enforce, headroom(200), 2_000_000, shadow);
    need(&mut world, 400_000);
    live(&mut world, 300);
    let calm = beside(&world);
    assert_eq!(calm.active.limit, Amount(1_200_000));
    // 480,000 would be less by too little to be worth it.
    assert_eq!(calm.shadow.limit, Amount(500_000));
    assert!(calm.shadow.mean_held(calm.time) < calm.active.mean_held(calm.time));
    let [active, shadow] = calm.slack();
    assert!(shadow < active, "{shadow:?} {active:?}");
    assert_eq!((calm.active.short, calm.shadow.short), (Nanos(0), Nanos(0)));
    assert_eq!(calm.mean_used(), Amount(400_000));
    // One that the active limit has room for, and the shadow's has not.
    need(&mut world, 1_000_000);
    live(&mut world, 30);
    let risen = beside(&world);
    assert_eq!(risen.active.short, Nanos(0));
    assert!(risen.shadow.short >= Nanos::SECOND, "{risen:?}");
    assert!(risen.shadow.limit >= Amount(1_000_000), "it was lifted");
    assert_eq!(limit(&world, 0, CPU), risen.active.limit.0);
}

#[test]
fn time_in_which_nothing_is_decided_does_not_count() {
    let shadow = Shadow {
        policy: Policy::default(),
        bounds: cpu_bounds(),
    };
    let mut world = one(Mode::Enforce, Policy::default(), 2_000_000, shadow);
    live(&mut world, 10);
    let before = beside(&world);
    world.engine.pin(Slot(0), true);
    live(&mut world, 10);
    assert_eq!(beside(&world).time, before.time);
    world.engine.pin(Slot(0), false);
    live(&mut world, 10);
    assert!(beside(&world).time > before.time);
}

#[test]
fn a_change_of_either_begins_anew_and_the_same_once_more_does_not() {
    let shadow = Shadow {
        policy: Policy::default(),
        bounds: cpu_bounds(),
    };
    let mut world = one(Mode::Enforce, Policy::default(), 2_000_000, shadow);
    live(&mut world, 10);
    let since = beside(&world).since;
    world.shadows.set(Slot(0), 1, Some(shadow));
    live(&mut world, 1);
    assert_eq!(beside(&world).since, since);
    let other = Shadow {
        policy: Policy::Threshold(Threshold::default()),
        ..shadow
    };
    world.shadows.set(Slot(0), 1, Some(other));
    assert_eq!(world.shadows.beside(Slot(0)), None);
    live(&mut world, 1);
    let second = beside(&world).since;
    assert!(second > since);
    let policy = Policy::Threshold(Threshold::default());
    let standing = world.engine.entitlement(Slot(0)).expect("it is there");
    world
        .engine
        .reconfigure(Slot(0), policy, standing, bounds(10_000));
    live(&mut world, 1);
    assert!(beside(&world).since > second);
    world.shadows.set(Slot(0), 1, None);
    assert_eq!(world.shadows.beside(Slot(0)), None);
}

#[test]
fn a_copy_goes_on_as_the_original() {
    let shadow = Shadow {
        policy: Policy::Predictive(Predictive::default()),
        bounds: cpu_bounds(),
    };
    let mut world = one(Mode::Enforce, Policy::default(), 2_000_000, shadow);
    live(&mut world, 100);
    let text = serde_json::to_string(&world.shadows).expect("it is data");
    let mut copy: Shadows = serde_json::from_str(&text).expect("it was written so");
    need(&mut world, 700_000);
    for _ in 0..100 {
        world.now += Nanos::SECOND.0;
        let snapshot = world.snapshot();
        for record in &world.records {
            copy.hear(record);
        }
        world.tick_on(&snapshot);
        copy.tick(Nanos(world.now), &world.engine, &snapshot);
        assert_eq!(copy.beside(Slot(0)), world.shadows.beside(Slot(0)));
    }
}
