//! Lets seconds pass in a small world.

use crate::world::World;
use crate::world::kernel::{Group, Version};
use trimtab_core::decide::reason::Rule;
use trimtab_core::decide::{Bounds, Policy, Settings, Tick};
use trimtab_core::signal::{Amount, Cause, Mode, Nanos, Resource};

pub(crate) const SECOND: u64 = Nanos::SECOND.0;
pub(crate) const CPU: usize = 0;
pub(crate) const MEMORY: usize = 1;

pub(crate) fn settings() -> Settings {
    Settings {
        newborn: Nanos(0),
        ..Settings::default()
    }
}

pub(crate) fn group(cpu: u64, need: u64) -> Group {
    Group {
        parent: None,
        period_us: 100_000,
        limits: [Amount(cpu), Amount(64 << 20)],
        needs: [Amount(need), Amount(10 << 20)],
        foreign: [false; 2],
    }
}

pub(crate) fn bounds(floor: u64) -> [Option<Bounds>; 2] {
    [
        Some(Bounds {
            floor: Amount(floor),
            default_floor: false,
            step: Amount(50_000),
            warm_up: Nanos(0),
            ..Bounds::of(Resource::Cpu)
        }),
        Some(Bounds {
            floor: Amount(16 << 20),
            warm_up: Nanos(0),
            ..Bounds::of(Resource::Memory)
        }),
    ]
}

pub(crate) fn one(cpu: u64, need: u64) -> World {
    alike(2, 1, group(cpu, need), 10_000)
}

/// A node of so many CPUs, and so many groups on it that do not differ, with this floor of CPU.
pub(crate) fn alike(cpus: u64, count: usize, group: Group, floor: u64) -> World {
    let mut world = World::new(Version::V2, cpus, settings());
    for slot in 0..count {
        world.adopt(slot, group, Mode::Enforce, Policy::default(), bounds(floor));
    }
    world
}

/// Lets seconds pass; before each tick every group that is short raises an event.
pub(crate) fn live(world: &mut World, seconds: u64) -> Vec<Tick> {
    (0..seconds)
        .map(|_| {
            world.now += SECOND;
            burst(world);
            let snapshot = world.snapshot();
            let tick = world.tick_on(&snapshot);
            world.check();
            tick
        })
        .collect()
}

/// What the kernel would report and the fast loop would do within milliseconds.
pub(crate) fn burst(world: &mut World) {
    for _ in 0..2 {
        for slot in 0..world.kernel.groups.len() {
            for resource in Resource::ALL {
                if world.kernel.groups[slot].is_some() && world.kernel.short(slot, resource) {
                    world.now += 1_000_000;
                    world.event(slot, resource, Cause::QuotaNear);
                }
            }
        }
    }
}

pub(crate) fn limit(world: &World, slot: usize, index: usize) -> u64 {
    world.kernel.group(slot).limits[index].0
}

pub(crate) fn rules(ticks: &[Tick]) -> Vec<Rule> {
    ticks
        .iter()
        .flat_map(|tick| &tick.decisions)
        .map(|decision| decision.reason.rule)
        .collect()
}
