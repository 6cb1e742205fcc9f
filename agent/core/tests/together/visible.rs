//! What applications are to see of their limits bounds trims, and nothing else.

use crate::life::{CPU, MEMORY, bounds, group, limit, live, rules, settings};
use crate::world::kernel::{Group, Version};
use crate::world::{self, World};
use insta::assert_snapshot;
use proptest::prelude::*;
use trimtab_core::decide::reason::{Guard, Rule};
use trimtab_core::decide::{Bounds, GiveBack, Policy, Predictive, Slo, Threshold};
use trimtab_core::signal::{Amount, Mode, Nanos, Resource};

/// The usual bounds, and how much CPU is to be seen at least.
fn showing(visible: u64) -> [Option<Bounds>; 2] {
    let mut bounds = bounds(10_000);
    bounds[CPU] = bounds[CPU].map(|cpu| Bounds {
        visible: Amount(visible),
        ..cpu
    });
    bounds
}

/// A workload on eight CPUs.
fn one(group: Group, bounds: [Option<Bounds>; 2]) -> World {
    let mut world = World::new(Version::V2, 8, settings());
    world.adopt(0, group, Mode::Enforce, Policy::default(), bounds);
    world
}

fn held_back(world: &World) -> Option<Guard> {
    let view = world.engine.view(world::to_slot(0), Resource::Cpu);
    view.expect("it is managed").held_back
}

#[test]
fn a_trim_stops_there_and_says_so() {
    let mut world = one(group(4_000_000, 300_000), showing(1_500_000));
    let ticks = live(&mut world, 60);
    assert_eq!(rules(&ticks), [Rule::Trim, Rule::Trim]);
    assert_eq!(limit(&world, 0, CPU), 1_500_000);
    let why = ticks.iter().flat_map(|tick| &tick.decisions).last();
    assert_snapshot!(why.unwrap().reason, @"cpu 2.00 CPU -> 1.50 CPU: need and margin are below the limit: p95 of 60 s is 0.30 CPU, margin 20 %, use 0.30 CPU; bounded from 0.36 CPU to 1.00 CPU by the largest cut; bounded from 1.00 CPU to 1.50 CPU by the least that applications are to see; without this 0.50 CPU would stay held and unused");
    assert_eq!(held_back(&world), Some(Guard::Visible));
    assert_snapshot!(Guard::Visible, @"the least that applications are to see");
}

#[test]
fn what_is_lent_beyond_comes_back_to_what_the_owner_set() {
    let mut world = one(group(2_000_000, 300_000), showing(1_500_000));
    live(&mut world, 60);
    assert_eq!(limit(&world, 0, CPU), 1_500_000);
    world.kernel.group_mut(0).needs[CPU] = Amount(5_000_000);
    live(&mut world, 2);
    assert!(limit(&world, 0, CPU) > 4_000_000, "bursts are not bounded");
    world.kernel.group_mut(0).needs[CPU] = Amount(300_000);
    live(&mut world, 200);
    assert_eq!(limit(&world, 0, CPU), 1_500_000);
}

#[test]
fn nothing_is_raised_to_it() {
    let mut world = one(group(1_000_000, 300_000), showing(2_000_000));
    live(&mut world, 120);
    assert_eq!(limit(&world, 0, CPU), 1_000_000, "as its owner had set");
    assert_eq!(world.writes, 0);
    assert_eq!(held_back(&world), Some(Guard::Visible));
    let mut bounds = showing(2_000_000);
    bounds[CPU] = bounds[CPU].map(|cpu| Bounds {
        ceiling: Amount(1_200_000),
        ..cpu
    });
    let mut world = one(group(4_000_000, 300_000), bounds);
    live(&mut world, 120);
    assert_eq!(limit(&world, 0, CPU), 1_200_000, "the ceiling wins");
}

#[test]
fn the_limits_above_are_seen_as_well() {
    let mut world = World::new(Version::V2, 8, settings());
    let mode = Mode::Enforce;
    let parent = group(4_000_000, 0);
    world.adopt(0, parent, mode, Policy::default(), bounds(10_000));
    for (slot, (owned, visible)) in [(2_000_000, 1_500_000), (1_000_000, 3_000_000)]
        .into_iter()
        .enumerate()
    {
        let child = Group {
            parent: Some(0),
            ..group(owned, 100_000)
        };
        world.adopt(slot + 1, child, mode, Policy::default(), showing(visible));
    }
    live(&mut world, 120);
    let limits = [0, 1, 2].map(|slot| limit(&world, slot, CPU));
    assert_eq!(
        limits,
        [1_500_000, 1_500_000, 1_000_000],
        "the second child sees no more than its owner gave it"
    );
    world.remove(1);
    live(&mut world, 120);
    assert_eq!(limit(&world, 0, CPU), 1_000_000, "one has gone");
}

#[test]
fn what_is_only_recommended_stops_there_too() {
    let mut world = World::new(Version::V2, 8, settings());
    let group = group(4_000_000, 300_000);
    let mode = Mode::Recommend;
    world.adopt(0, group, mode, Policy::default(), showing(1_500_000));
    live(&mut world, 60);
    let view = world.engine.view(world::to_slot(0), Resource::Cpu);
    let advised = view.and_then(|view| view.advised);
    assert_eq!(advised, Some(Amount(1_500_000)));
}

#[test]
fn memory_is_given_back_no_further() {
    let mut world = World::new(Version::V1, 2, settings());
    let group = Group {
        limits: [Amount::UNLIMITED, Amount(1 << 30)],
        ..group(0, 0)
    };
    let memory = Bounds {
        warm_up: Nanos(0),
        give_back: Some(GiveBack::default()),
        visible: Amount(400 << 20),
        ..Bounds::of(Resource::Memory)
    };
    let bounds = [None, Some(memory)];
    world.adopt(0, group, Mode::Enforce, Policy::default(), bounds);
    live(&mut world, 120);
    assert_eq!(limit(&world, 0, MEMORY), 400 << 20);
}

/// A workload that never wants more than it has.
#[derive(Clone, Copy, Debug)]
struct Case {
    policy: Policy,
    adopted: Amount,
    need: u64,
    bounds: Bounds,
}

impl Case {
    /// Two of it, one below the other, and how much of CPU each is to see.
    fn world(&self, visible: [Amount; 2]) -> World {
        let mut world = World::new(Version::V2, 8, settings());
        for (slot, visible) in visible.into_iter().enumerate() {
            let group = Group {
                parent: slot.checked_sub(1),
                limits: [self.adopted, Amount::UNLIMITED],
                needs: [Amount(self.need), Amount::ZERO],
                ..group(0, 0)
            };
            let cpu = Bounds {
                visible,
                ..self.bounds
            };
            world.adopt(slot, group, Mode::Enforce, self.policy, [Some(cpu), None]);
        }
        world
    }
}

fn case() -> impl Strategy<Value = Case> {
    let policy = prop_oneof![
        Just(Policy::default()),
        Just(Policy::Threshold(Threshold::default())),
        Just(Policy::Predictive(Predictive::default())),
        Just(Policy::Slo(Slo::default())),
    ];
    let adopted = prop_oneof![
        4 => (20..800_u64).prop_map(|cpu| Amount(cpu * 10_000)),
        1 => Just(Amount::UNLIMITED),
    ];
    let parts = (0..35_u64, 0..50_u64, 100..200_u64);
    (policy, adopted, parts, any::<bool>()).prop_map(|(policy, adopted, parts, default_floor)| {
        let own = adopted.min(Amount(8_000_000)).0;
        let (need, floor, ceiling) = parts;
        Case {
            policy,
            adopted,
            need: own / 100 * need,
            bounds: Bounds {
                floor: Amount(own / 100 * floor),
                default_floor,
                ceiling: Amount(own / 100 * ceiling),
                warm_up: Nanos(0),
                ..Bounds::of(Resource::Cpu)
            },
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_trim_goes_below_and_nothing_is_set_aside_for_it(
        case in case(),
        visible in proptest::array::uniform2(0..10_000_u64),
    ) {
        let visible = visible.map(|milli| Amount(milli * 1_000));
        let mut plain = case.world([Amount::ZERO; 2]);
        let mut shown = case.world(visible);
        let least = visible.map(|visible| visible.min(case.adopted).min(case.bounds.ceiling));
        let least = [least[0].max(least[1]), least[1]].map(|least| least.min(Amount(8_000_000)));
        for _ in 0..90 {
            let (without, with) = (live(&mut plain, 1).remove(0), live(&mut shown, 1).remove(0));
            prop_assert_eq!(without.pools, with.pools);
            for (slot, least) in least.into_iter().enumerate() {
                let limits = [&plain, &shown].map(|world| limit(world, slot, CPU));
                prop_assert!(limits[1] >= least.0 && limits[1] >= limits[0], "{limits:?}");
                prop_assert!(limits[1] <= case.adopted.0, "nothing is raised");
                let slot = world::to_slot(slot);
                let held = [&plain, &shown].map(|world| {
                    let view = world.engine.view(slot, Resource::Cpu);
                    let floor = view.map(|view| (view.floor, view.ceiling));
                    (floor, world.engine.set_aside(slot, Resource::Cpu))
                });
                prop_assert_eq!(held[0], held[1]);
            }
        }
    }
}
