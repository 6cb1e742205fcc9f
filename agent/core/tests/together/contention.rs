//! A node that cannot give everybody what they want: priorities and weights.

use crate::life::{CPU, MEMORY, SECOND, alike, bounds, burst, group, limit, live, rules, settings};
use crate::world::kernel::{Group, Version};
use crate::world::{self, World};
use trimtab_core::decide::reason::{Guard, Input, Rule};
use trimtab_core::decide::{Bounds, Decision, Entitlement, Policy, Priority, Settings};
use trimtab_core::signal::{Amount, Cause, Denial, Mode, Resource};

const fn of(weight: u16, priority: Priority) -> Entitlement {
    Entitlement { weight, priority }
}

/// A node of so many CPUs with these on it, one after the other; each has half a CPU of its own.
fn node(cpus: u64, entitlements: &[Entitlement]) -> World {
    let mut world = World::new(Version::V2, cpus, settings());
    for (slot, entitlement) in entitlements.iter().enumerate() {
        world.adopt_as(
            slot,
            group(500_000, 100_000),
            Mode::Enforce,
            Policy::default(),
            *entitlement,
            bounds(500_000),
        );
    }
    world
}

fn needs(world: &mut World, slot: usize, cpu: u64) {
    world.kernel.group_mut(slot).needs[CPU] = Amount(cpu);
}

fn limits<const N: usize>(world: &World) -> [u64; N] {
    std::array::from_fn(|slot| limit(world, slot, CPU))
}

/// What was said about a decision on a workload.
fn said(decision: &Decision) -> String {
    decision.reason.to_string()
}

#[test]
fn the_lower_priority_pays_at_once_and_no_more_than_is_needed() {
    let mut world = node(4, &[of(100, Priority::Low), of(100, Priority::High)]);
    needs(&mut world, 0, 4_000_000);
    live(&mut world, 30);
    assert_eq!(limits(&world), [3_500_000, 500_000], "nobody else wants it");
    needs(&mut world, 1, 900_000);
    burst(&mut world);
    assert_eq!(
        limits(&world),
        [3_000_000, 1_000_000],
        "by one doubling, without waiting for a tick"
    );
    live(&mut world, 60);
    let [low, high] = limits(&world);
    assert!(high >= 900_000 && low >= 2_900_000, "{low} {high}");
    needs(&mut world, 1, 100_000);
    live(&mut world, 300);
    assert!(limit(&world, 0, CPU) >= 3_300_000, "it is lent again");
}

#[test]
fn the_higher_priority_gets_all_it_wants_and_the_lower_one_keeps_its_own() {
    let mut world = node(4, &[of(10_000, Priority::Low), of(1, Priority::High)]);
    for slot in [0, 1] {
        needs(&mut world, slot, 4_000_000);
    }
    live(&mut world, 20);
    assert_eq!(limits(&world), [500_000, 3_500_000]);
    let writes = world.writes;
    live(&mut world, 60);
    assert_eq!(
        limits(&world),
        [500_000, 3_500_000],
        "its own is never taken"
    );
    assert_eq!(world.writes, writes, "and nothing swings");
}

#[test]
fn a_lower_priority_takes_nothing_from_a_higher_one() {
    let mut world = node(4, &[of(100, Priority::Normal), of(10_000, Priority::Low)]);
    needs(&mut world, 0, 4_000_000);
    live(&mut world, 30);
    needs(&mut world, 1, 4_000_000);
    burst(&mut world);
    let spent = world.event(1, Resource::Cpu, Cause::QuotaNear);
    assert_eq!(
        spent.and_then(|spent| spent.denial),
        Some(Denial::PoolEmpty)
    );
    assert!(rules(&live(&mut world, 60)).is_empty());
    assert_eq!(limits(&world), [3_500_000, 500_000]);
}

#[test]
fn the_pool_is_divided_by_weight_whoever_came_first() {
    for first in [0, 1] {
        let mut world = node(4, &[of(300, Priority::Normal), of(100, Priority::Normal)]);
        needs(&mut world, first, 4_000_000);
        live(&mut world, 30);
        needs(&mut world, 1 - first, 4_000_000);
        live(&mut world, 10);
        assert_eq!(
            limits(&world),
            [2_750_000, 1_250_000],
            "three parts of 3 CPUs and one"
        );
        let writes = world.writes;
        assert!(rules(&live(&mut world, 60)).is_empty());
        assert_eq!(world.writes, writes);
    }
}

#[test]
fn a_priority_is_divided_by_weight_when_the_higher_one_has_what_it_wants() {
    let low = |weight| of(weight, Priority::Low);
    let mut world = node(6, &[low(100), low(200), of(100, Priority::High)]);
    for slot in [0, 1] {
        needs(&mut world, slot, 6_000_000);
    }
    needs(&mut world, 2, 1_300_000);
    live(&mut world, 60);
    let [one, two, high] = limits(&world);
    assert!(high >= 1_300_000, "{high}");
    let loans = [one - 500_000, two - 500_000];
    assert!(loans[1].abs_diff(2 * loans[0]) <= 30_000, "{loans:?}");
    assert!(one + two + high <= 6_000_000);
    assert!(
        one + two + high >= 5_900_000,
        "best effort lends everything"
    );
}

#[test]
fn who_pays_is_told_for_whom() {
    let mut world = node(4, &[of(100, Priority::Low), of(100, Priority::High)]);
    needs(&mut world, 0, 4_000_000);
    live(&mut world, 30);
    needs(&mut world, 1, 700_000);
    // No event tells of it, and the fast loop has refused at the tick before.
    world.kernel.group_mut(0).foreign = [false; 2];
    world.desk.set_payer(None);
    world.event(1, Resource::Cpu, Cause::QuotaNear);
    world.now += SECOND;
    let snapshot = world.snapshot();
    let tick = world.tick_on(&snapshot);
    let paid: Vec<_> = tick
        .decisions
        .iter()
        .filter(|one| one.reason.rule == Rule::Share)
        .collect();
    assert_eq!(paid.len(), 1);
    insta::assert_snapshot!(said(paid[0]), @"cpu 3.50 CPU -> 3.00 CPU: the pool is short and this is more than its share: lent 3.00 CPU, use 7.00 CPU, node is full; workload-1 (priority high) goes first; without this nobody else could have 0.50 CPU");
    world.event(1, Resource::Cpu, Cause::QuotaNear);
    assert_eq!(limits(&world), [3_000_000, 1_000_000], "at its next event");
}

/// Two that use 0.95 of their own CPU and are not short, on a node with a tenth of a CPU to lend.
fn nearly_full(entitlements: [Entitlement; 2]) -> World {
    let mut world = World::new(Version::V2, 2, settings());
    world.node.capacity = Amount(1_100_000);
    for (slot, entitlement) in entitlements.into_iter().enumerate() {
        world.adopt_as(
            slot,
            group(1_000_000, 950_000),
            Mode::Enforce,
            Policy::default(),
            entitlement,
            bounds(500_000),
        );
    }
    world
}

#[test]
fn what_is_left_goes_to_the_higher_priority_and_who_waits_is_told_behind_whom() {
    for high in [0, 1] {
        let mut entitlements = [of(100, Priority::Normal); 2];
        entitlements[high].priority = Priority::High;
        let mut world = nearly_full(entitlements);
        live(&mut world, 10);
        assert_eq!(limit(&world, high, CPU), 1_100_000, "all there is to lend");
        assert_eq!(limit(&world, 1 - high, CPU), 1_000_000);
        let slot = world::to_slot(1 - high);
        let view = world.engine.view(slot, Resource::Cpu).unwrap();
        assert_eq!(view.behind, Some(world::to_slot(high)));
        assert_eq!(view.held_back, Some(Guard::Rival));
    }
}

#[test]
fn what_is_left_is_divided_by_weight_and_nothing_in_use_is_taken_for_a_margin() {
    let mut world = nearly_full([of(100, Priority::Normal); 2]);
    world.node.capacity = Amount(1_140_000);
    let ticks = live(&mut world, 10);
    assert_eq!(limits(&world), [1_070_000; 2]);
    let raise = ticks
        .iter()
        .flat_map(|tick| &tick.decisions)
        .next()
        .unwrap();
    insta::assert_snapshot!(said(raise), @"cpu 1.00 CPU -> 1.07 CPU: need and margin exceed the limit: p95 of 60 s is 0.95 CPU, margin 20 %, use 0.95 CPU, node is full; workload-1 has its share (weight 100 beside 100); bounded from 1.14 CPU to 1.07 CPU by what others are entitled to; without this it would be throttled at 1.00 CPU until the period ends");
}

#[test]
fn memory_that_is_held_is_nobodys_to_give() {
    let mut world = World::new(
        Version::V2,
        2,
        Settings {
            reserve: [Amount::ZERO, Amount(1 << 20)],
            ..settings()
        },
    );
    world.node.memory_total = Amount(139 << 20);
    let threshold = Policy::Headroom(trimtab_core::decide::Headroom::default());
    for (slot, priority) in [(0, Priority::Low), (1, Priority::High)] {
        let mut group = group(500_000, 100_000);
        group.needs[MEMORY] = Amount(61 << 20);
        let [cpu, memory] = bounds(500_000);
        let memory = memory.map(|memory| Bounds {
            floor: Amount(64 << 20),
            ..memory
        });
        let entitlement = of(100, priority);
        world.adopt_as(
            slot,
            group,
            Mode::Enforce,
            threshold,
            entitlement,
            [cpu, memory],
        );
    }
    world.now += SECOND;
    let snapshot = world.snapshot();
    let tick = world.tick_on(&snapshot);
    let memory = tick
        .decisions
        .iter()
        .filter(|one| one.resource == Resource::Memory);
    let raised: Vec<_> = memory.map(|one| (one.slot.0, one.to.0 >> 20)).collect();
    assert_eq!(raised, [(1, 73)], "there are 10 MiB, and each wants 9");
    let lowered = tick.decisions.iter().filter(|one| one.to < one.from);
    assert_eq!(lowered.count(), 0);
}

#[test]
fn what_is_only_recommended_takes_nothing_from_anybody() {
    let mut world = nearly_full([of(100, Priority::Normal); 2]);
    world.node.capacity = Amount(1_140_000);
    world.adopt_as(
        2,
        group(1_000_000, 950_000),
        Mode::Recommend,
        Policy::default(),
        of(100, Priority::High),
        bounds(0),
    );
    live(&mut world, 10);
    assert_eq!(limits(&world), [1_065_000, 1_065_000, 1_000_000]);
}

#[test]
fn a_container_is_pulled_up_with_its_pod() {
    let mut world = node(3, &[of(100, Priority::Low), of(100, Priority::Normal)]);
    let child = Group {
        parent: Some(0),
        ..group(500_000, 100_000)
    };
    world.adopt_as(
        2,
        child,
        Mode::Enforce,
        Policy::default(),
        of(100, Priority::High),
        bounds(400_000),
    );
    needs(&mut world, 1, 3_000_000);
    live(&mut world, 30);
    assert_eq!(
        limit(&world, 1, CPU),
        2_400_000,
        "what is left is not worth a write"
    );
    needs(&mut world, 2, 1_200_000);
    live(&mut world, 30);
    let [pod, other, container] = limits(&world);
    assert!(
        container >= 1_200_000 && pod >= 1_200_000,
        "{container} of {pod}"
    );
    assert!(pod + other <= 3_000_000, "{pod} {other}");
}

#[test]
fn limits_that_sum_to_more_than_the_node_stay_whatever_their_priority() {
    let mut world = alike(4, 0, group(0, 0), 0);
    for slot in 0..20 {
        let priority = Priority::DESCENDING[slot % 3];
        let entitlement = of(if slot % 2 == 0 { 1 } else { 1_000 }, priority);
        world.adopt_as(
            slot,
            group(1_000_000, 830_000),
            Mode::Enforce,
            Policy::default(),
            entitlement,
            bounds(500_000),
        );
    }
    assert!(rules(&live(&mut world, 120)).is_empty());
    assert_eq!(world.writes, 0);
}

#[test]
fn names_are_in_the_reason_as_data() {
    let mut world = nearly_full([of(100, Priority::Normal), of(150, Priority::Normal)]);
    world.node.capacity = Amount(1_170_000);
    let ticks = live(&mut world, 5);
    let inputs = ticks
        .iter()
        .flat_map(|tick| &tick.decisions)
        .flat_map(|one| one.reason.inputs.clone());
    let rivals: Vec<_> = inputs
        .filter(|input| matches!(input, Input::Rival { .. }))
        .collect();
    let rival = Input::Rival {
        name: "workload-1".into(),
        theirs: of(150, Priority::Normal),
        ours: of(100, Priority::Normal),
    };
    assert_eq!(rivals.first(), Some(&rival));
}
