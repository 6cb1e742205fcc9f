//! What became of changes, and what follows from it.

use crate::life::{CPU, SECOND, bounds, group, limit, live, one, rules, settings};
use crate::world::kernel::Version;
use crate::world::{self, World};
use trimtab_core::decide::reason::Guard;
use trimtab_core::decide::trial::{Ground, Outcome, Verdict};
use trimtab_core::decide::{NoticeKind, Policy, Threshold, Tick};
use trimtab_core::signal::{Amount, Mode, Nanos, Resource};

fn outcomes(ticks: &[Tick]) -> Vec<Outcome> {
    ticks
        .iter()
        .flat_map(|tick| tick.outcomes.clone())
        .collect()
}

fn verdicts(ticks: &[Tick]) -> Vec<(Verdict, Ground)> {
    let outcomes = outcomes(ticks);
    outcomes
        .iter()
        .map(|one| (one.verdict, one.ground))
        .collect()
}

/// A tick without any event: the hooks are gone.
fn blind(world: &mut World) -> Tick {
    world.now += SECOND;
    let snapshot = world.snapshot();
    let tick = world.tick_on(&snapshot);
    world.check();
    tick
}

#[test]
fn a_burst_that_is_lifted_is_helped() {
    let mut world = one(100_000, 20_000);
    live(&mut world, 60);
    let from = limit(&world, 0, CPU);
    world.kernel.group_mut(0).needs[CPU] = Amount(700_000);
    let ticks = live(&mut world, 12);
    let outcomes = outcomes(&ticks);
    assert_eq!(outcomes.len(), 1, "{outcomes:?}");
    let outcome = outcomes[0];
    assert_eq!(
        (outcome.verdict, outcome.ground),
        (Verdict::Helped, Ground::Beyond)
    );
    assert_eq!(outcome.from, Amount(from), "several lifts are one change");
    assert_eq!(outcome.to.0, limit(&world, 0, CPU));
    assert_eq!((outcome.before.ticks, outcome.after.ticks), (10, 10));
    assert_eq!(outcome.after.used, Amount(700_000));
    assert!(
        (10..=11).contains(&(outcome.took.0 / SECOND)),
        "{}",
        outcome.took
    );
}

#[test]
fn a_trim_that_harms_nobody_makes_no_difference() {
    let mut world = one(1_000_000, 300_000);
    let ticks = live(&mut world, 40);
    assert_eq!(rules(&ticks).len(), 2);
    let expected = (Verdict::NoDifference, Ground::Calm);
    assert_eq!(verdicts(&ticks), [expected; 2], "each has its ten seconds");
}

#[test]
fn a_trim_that_hurts_is_said_to_and_given_back() {
    let mut world = one(1_000_000, 300_000);
    live(&mut world, 20);
    assert_eq!(limit(&world, 0, CPU), 360_000);
    world.kernel.group_mut(0).needs[CPU] = Amount(365_000);
    let tick = blind(&mut world);
    assert_eq!(verdicts(&[tick]), [(Verdict::Hurt, Ground::Shorter)]);
    assert_eq!(limit(&world, 0, CPU), 640_000);
    // That is a change as well, and more than 0.36 CPU is used.
    world.kernel.group_mut(0).needs[CPU] = Amount(450_000);
    let ticks = live(&mut world, 11);
    assert_eq!(verdicts(&ticks), [(Verdict::Helped, Ground::Beyond)]);
}

#[test]
fn repeated_harm_backs_off_and_says_so() {
    let mut world = one(1_000_000, 300_000);
    let mut told = Vec::new();
    for round in 0..3 {
        // Whenever it has just been trimmed, it needs a little more than it has left.
        let trimmed = (0..900).any(|_| {
            let ticks = live(&mut world, 1);
            !rules(&ticks).is_empty()
        });
        assert!(trimmed, "round {round}");
        let left = limit(&world, 0, CPU);
        world.kernel.group_mut(0).needs[CPU] = Amount(left + 5_000);
        let tick = blind(&mut world);
        told.extend(tick.notices.iter().map(|notice| notice.what));
        world.kernel.group_mut(0).needs[CPU] = Amount(300_000);
    }
    let backed_off = |trims, minutes| NoticeKind::BackedOff {
        trims,
        patience: Nanos(minutes * Nanos::MINUTE.0),
    };
    assert_eq!(told, [backed_off(2, 4), backed_off(3, 8)]);
    live(&mut world, 120);
    let view = world.engine.view(world::to_slot(0), Resource::Cpu).unwrap();
    assert_eq!(view.backs_off, (3, Nanos(8 * Nanos::MINUTE.0)));
    assert_eq!(view.held_back, Some(Guard::BackOff));
    let (since, to) = view.held.unwrap();
    assert!(Nanos(world.now).since(since) >= Nanos(30 * SECOND) && to < view.limit);
}

#[test]
fn a_shrink_by_thresholds_backs_off_as_well() {
    let policy = Policy::Threshold(Threshold::default());
    let mut world = World::new(Version::V2, 8, settings());
    world.adopt(
        0,
        group(1_000_000, 300_000),
        Mode::Enforce,
        policy,
        bounds(10_000),
    );
    assert!((0..60).any(|_| !rules(&live(&mut world, 1)).is_empty()));
    let left = limit(&world, 0, CPU);
    world.kernel.group_mut(0).needs[CPU] = Amount(left + 5_000);
    assert_eq!(
        verdicts(&[blind(&mut world)]),
        [(Verdict::Hurt, Ground::Shorter)]
    );
    let view = world.engine.view(world::to_slot(0), Resource::Cpu).unwrap();
    assert_eq!(view.backs_off.0, 1);
}

#[test]
fn what_somebody_else_writes_cuts_a_trial_short() {
    let mut world = one(1_000_000, 300_000);
    while rules(&live(&mut world, 1)).is_empty() {}
    live(&mut world, 2);
    world.foreign(0, Resource::Cpu, Amount(900_000));
    let ticks = live(&mut world, 5);
    assert_eq!(verdicts(&ticks), [(Verdict::CutShort, Ground::Foreign)]);
}

#[test]
fn a_trial_ends_with_its_workload() {
    let mut world = one(1_000_000, 300_000);
    while rules(&live(&mut world, 1)).is_empty() {}
    live(&mut world, 2);
    world.remove(0);
    let policy = Policy::default();
    world.adopt(
        0,
        group(370_000, 300_000),
        Mode::Enforce,
        policy,
        bounds(10_000),
    );
    assert_eq!(outcomes(&live(&mut world, 20)), []);
}

#[test]
fn what_is_only_advised_has_no_outcome() {
    let mut world = World::new(Version::V2, 2, settings());
    let policy = Policy::default();
    world.adopt(
        0,
        group(1_000_000, 300_000),
        Mode::Recommend,
        policy,
        bounds(10_000),
    );
    let ticks = live(&mut world, 60);
    assert_eq!((rules(&ticks).len(), outcomes(&ticks).len()), (2, 0));
}
