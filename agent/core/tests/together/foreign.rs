//! Foreign writes and lost events: what the slow loop mends.

use crate::life::{CPU, MEMORY, SECOND, limit, live, one};
use crate::world::{self};
use trimtab_core::decide::NoticeKind;
use trimtab_core::signal::{Amount, Cause, Denial, Mode, Nanos, Resource};

#[test]
fn a_lost_event_costs_a_tick() {
    let mut world = one(100_000, 1_500_000);
    for second in 0..2 {
        world.now += SECOND;
        let snapshot = world.snapshot();
        let tick = world.tick_on(&snapshot);
        assert_eq!(
            tick.twins
                .iter()
                .filter(|twin| twin.resource == Resource::Cpu)
                .count(),
            1,
            "{second}"
        );
    }
    assert!(limit(&world, 0, CPU) > 100_000);
    // Memory grows by a quarter of its limit each second, and no event tells.
    for used in [20, 36, 52] {
        world.kernel.group_mut(0).needs[MEMORY] = Amount(used << 20);
        world.now += SECOND;
        let snapshot = world.snapshot();
        world.tick_on(&snapshot);
    }
    assert_eq!(limit(&world, 0, MEMORY), 128 << 20);
}

#[test]
fn a_foreign_write_is_reported_respected_and_in_the_end_final() {
    let mut world = one(100_000, 50_000);
    live(&mut world, 5);
    let mut notices = Vec::new();
    for value in [230_000, 240_000, 250_000] {
        assert!(world.foreign(0, Resource::Cpu, Amount(value)));
        // A burst within the same millisecond.
        world.kernel.group_mut(0).needs[CPU] = Amount(900_000);
        let spent = world.event(0, Resource::Cpu, Cause::QuotaNear).unwrap();
        assert_eq!(spent.denial, Some(Denial::Foreign));
        notices.extend(
            live(&mut world, 2)
                .into_iter()
                .flat_map(|tick| tick.notices),
        );
        assert_eq!(limit(&world, 0, CPU), value);
        world.kernel.group_mut(0).needs[CPU] = Amount(50_000);
        notices.extend(
            live(&mut world, 70)
                .into_iter()
                .flat_map(|tick| tick.notices),
        );
        let view = world.engine.view(world::to_slot(0), Resource::Cpu).unwrap();
        assert_eq!(view.adopted, Amount(value), "theirs is the new original");
        world.kernel.group_mut(0).needs[CPU] = Amount(limit(&world, 0, CPU) * 8 / 10);
        live(&mut world, 5);
    }
    let kinds: Vec<_> = notices
        .iter()
        .map(|notice| std::mem::discriminant(&notice.what))
        .collect();
    let foreign = NoticeKind::Foreign {
        ours: Amount(0),
        theirs: Amount(0),
        until: Nanos(0),
    };
    let war = NoticeKind::WriteWar {
        theirs: Amount(0),
        writes: 0,
    };
    let expected = [
        foreign,
        NoticeKind::Resumed,
        foreign,
        NoticeKind::Resumed,
        war,
    ];
    assert_eq!(kinds, expected.map(|kind| std::mem::discriminant(&kind)));
    let view = world.engine.view(world::to_slot(0), Resource::Cpu).unwrap();
    assert!(view.write_war && !view.armed);
    world.engine.change_mode(world::to_slot(0), Mode::Enforce);
    live(&mut world, 1);
    assert!(
        world
            .engine
            .view(world::to_slot(0), Resource::Cpu)
            .unwrap()
            .armed,
        "a person has decided anew"
    );
}

#[test]
fn a_foreign_write_without_any_event_is_seen_within_a_tick() {
    let mut world = one(100_000, 50_000);
    live(&mut world, 5);
    assert!(world.foreign(0, Resource::Cpu, Amount(77_000)));
    let ticks = live(&mut world, 2);
    assert_eq!(ticks[0].audits.len(), 1);
    assert!(matches!(
        ticks[1].notices[0].what,
        NoticeKind::Foreign {
            theirs: Amount(77_000),
            ..
        }
    ));
    assert_eq!(limit(&world, 0, CPU), 77_000);
}
