//! A million random steps: events, ticks, trees of workloads coming and going, foreign writes,
//! lost events and records, failed writes. The world checks the invariants at every step.

use crate::world::kernel::{Group, Version};
use crate::world::{self, World};
use trimtab_core::decide::{
    Bounds, Entitlement, GiveBack, Headroom, Policy, Predictive, Priority, Record, Settings,
    Shadow, Slo, Threshold,
};
use trimtab_core::signal::{Amount, Cause, Mode, Nanos, Resource};
use trimtab_core::snapshot::Snapshot;

const SLOTS: usize = 12;

/// xorshift64*: the same steps for the same seed, on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == 0
    }

    fn slot(&mut self) -> usize {
        usize::try_from(self.below(SLOTS as u64)).expect("small")
    }

    fn resource(&mut self) -> Resource {
        Resource::ALL[usize::from(self.one_in(3))]
    }

    /// A limit as people and programs write it, in whatever grain the period allows.
    fn limit(&mut self, resource: Resource, period_us: u64) -> Amount {
        match resource {
            _ if self.one_in(8) => Amount::UNLIMITED,
            Resource::Cpu => {
                let most_ms = 3 * period_us / 1_000;
                let quota_us = 1_000 * (1 + self.below(most_ms));
                // Whole micro-CPUs only: others cannot be told apart at the border.
                Amount((quota_us * 1_000_000).div_ceil(period_us) / 10_000 * 10_000)
                    .max(Amount(1_000_000_000 / period_us))
            }
            Resource::Memory => Amount(4096 * (1 + self.below(1 << 18))),
        }
    }

    fn need(&mut self, resource: Resource) -> Amount {
        match resource {
            Resource::Cpu if self.one_in(4) => Amount(self.below(4_000_000)),
            Resource::Cpu => Amount(self.below(300_000)),
            Resource::Memory => Amount(self.below(1 << 30)),
        }
    }

    fn entitlement(&mut self) -> Entitlement {
        let weights = [100, 100, 1, 50, 200, Entitlement::HEAVIEST];
        let [weight, priority] = [6, 3].map(|many| usize::try_from(self.below(many)));
        Entitlement {
            weight: weights[weight.expect("small")],
            priority: Priority::DESCENDING[priority.expect("small")],
        }
    }

    fn give_back(&mut self, resource: Resource) -> Option<GiveBack> {
        let asked = resource == Resource::Memory && !self.one_in(3);
        asked.then(|| GiveBack {
            percentile: 1 + u32::try_from(self.below(100)).expect("small"),
            window: Nanos((5 + self.below(60)) * Nanos::SECOND.0),
            margin: u32::try_from(self.below(50)).expect("small"),
        })
    }

    fn bounds(&mut self, resource: Resource) -> Option<Bounds> {
        if self.one_in(10) {
            return None;
        }
        let unit = if resource == Resource::Cpu {
            1_000
        } else {
            1 << 20
        };
        let floor = Amount(unit * self.below(300));
        Some(Bounds {
            floor,
            default_floor: self.one_in(2),
            visible: Amount(unit * self.below(2) * self.below(3_000)),
            ceiling: floor.plus(Amount(unit * self.below(4_000) + 7)),
            step: Amount(unit * self.below(200)),
            lifts_per_minute: 1 + u32::try_from(self.below(600)).expect("small"),
            changes_per_minute: 1 + u32::try_from(self.below(60)).expect("small"),
            trim: !self.one_in(3),
            cooldown: Nanos(self.below(5) * Nanos::SECOND.0),
            cut_interval: Nanos(self.below(3) * Nanos::SECOND.0),
            warm_up: Nanos(20 * Nanos::SECOND.0),
            give_back: self.give_back(resource),
            ..Bounds::of(resource)
        })
    }
}

fn adopt(world: &mut World, random: &mut Random, slot: usize) {
    let parent = random.slot();
    let parent = (parent != slot && world.kernel.groups.get(parent).copied().flatten().is_some())
        .then_some(parent);
    let period_us = [10_000, 50_000, 100_000, 100_000, 100_000, 1_000_000]
        [usize::try_from(random.below(6)).expect("small")];
    let mut limits = Resource::ALL.map(|resource| random.limit(resource, period_us));
    let above = |slot: &usize| world.kernel.group(*slot).parent;
    let caps = std::iter::successors(parent, above).map(|slot| world.kernel.group(slot).limits[0]);
    if world.kernel.version == Version::V1 && caps.min().is_some_and(|cap| limits[0] > cap) {
        limits[0] = Amount::UNLIMITED;
    }
    let group = Group {
        parent,
        period_us,
        limits,
        needs: Resource::ALL.map(|resource| random.need(resource)),
        foreign: [false; 2],
    };
    let mode = if random.one_in(5) {
        Mode::Recommend
    } else {
        Mode::Enforce
    };
    let headroom = Headroom {
        window: Nanos(10 * Nanos::SECOND.0),
        ..Headroom::default()
    };
    let policy = match random.below(4) {
        0 => Policy::Threshold(Threshold {
            duration: Nanos(random.below(4) * Nanos::SECOND.0),
            ..Threshold::default()
        }),
        1 => Policy::Headroom(headroom),
        2 => Policy::Slo(Slo {
            reactive: headroom,
            ..Slo::default()
        }),
        _ => Policy::Predictive(Predictive {
            reactive: headroom,
            ..Predictive::default()
        }),
    };
    let bounds = Resource::ALL.map(|resource| random.bounds(resource));
    let entitlement = random.entitlement();
    world.adopt_as(slot, group, mode, policy, entitlement, bounds);
}

fn exists(world: &World, slot: usize) -> bool {
    world.kernel.groups.get(slot).copied().flatten().is_some()
}

fn event(world: &mut World, random: &mut Random, slot: usize) {
    let resource = random.resource();
    let causes = match resource {
        Resource::Cpu => [
            Cause::QuotaNear,
            Cause::ThrottledRunning,
            Cause::ThrottledWaking,
        ],
        Resource::Memory => [Cause::MemoryNear, Cause::ReclaimFailing, Cause::MemoryNear],
    };
    let cause = causes[usize::try_from(random.below(3)).expect("small")];
    // Parents first, as the agent does when both are at their limits.
    if let Some(parent) = world.kernel.group(slot).parent.filter(|_| random.one_in(2)) {
        world.event(parent, resource, cause);
    }
    world.event(slot, resource, cause);
}

fn step(world: &mut World, random: &mut Random, late: &mut Option<Snapshot>) {
    world.now += random.below(200_000_000);
    let slot = random.slot();
    match random.below(100) {
        0..3 if !exists(world, slot) => adopt(world, random, slot),
        3 if exists(world, slot) && world.kernel.children(slot).next().is_none() => {
            world.remove(slot);
        }
        4..8 if exists(world, slot) => {
            let waiting = random.slot();
            world.delay(slot, waiting);
        }
        8..60 if exists(world, slot) => event(world, random, slot),
        60..70 if exists(world, slot) => {
            let resource = random.resource();
            world.kernel.group_mut(slot).needs[resource.index()] = random.need(resource);
        }
        70..72 if exists(world, slot) => {
            let resource = random.resource();
            let period_us = world.kernel.group(slot).period_us;
            let amount = random.limit(resource, period_us);
            world.foreign(slot, resource, amount);
        }
        72 => world.failures = u32::try_from(random.below(4)).expect("small"),
        73 => world.lose_records = random.one_in(8),
        74 => {
            world.node.unmanaged_cpu = Amount(random.below(4_000_000));
            world.node.memory_available = Amount(random.below(8 << 30));
        }
        75 => {
            let modes = [Mode::Enforce, Mode::Enforce, Mode::Recommend, Mode::Observe];
            world.engine.change_mode(
                world::to_slot(slot),
                modes[usize::try_from(random.below(4)).expect("small")],
            );
        }
        76 => world.engine.pin(world::to_slot(slot), random.one_in(6)),
        77 => world.engine.pause(random.one_in(20)),
        // What the slow loop reads may be old by the time it decides.
        78..80 => *late = Some(world.snapshot()),
        80..100 => {
            let snapshot = late
                .take()
                .filter(|_| random.one_in(2))
                .unwrap_or_else(|| world.snapshot());
            world.tick_on(&snapshot);
        }
        _ => {}
    }
    world.check();
}

fn run(seed: u64, version: Version, steps: u32) -> World {
    run_beside(seed, version, steps, None)
}

/// The same, every workload with this shadow.
pub(crate) fn run_beside(seed: u64, version: Version, steps: u32, shadow: Option<Shadow>) -> World {
    let settings = Settings {
        reserve: [Amount(100_000), Amount(1 << 30)],
        newborn: Nanos(5 * Nanos::SECOND.0),
        foreign_backoff: Nanos(5 * Nanos::SECOND.0),
        ..Settings::default()
    };
    let mut world = World::new(version, 8, settings);
    world.shadow = shadow;
    let mut random = Random(seed);
    let mut late = None;
    for _ in 0..steps {
        step(&mut world, &mut random, &mut late);
    }
    world
}

/// When the chaos is over, everybody knows the same within a few ticks: nothing stays stuck.
fn calm(world: &mut World) {
    world.failures = 0;
    world.lose_records = false;
    for _ in 0..10 {
        world.now += Nanos::SECOND.0;
        let snapshot = world.snapshot();
        world.tick_on(&snapshot);
        world.check();
    }
    for slot in 0..world.kernel.groups.len() {
        for envelope in Resource::ALL
            .into_iter()
            .filter_map(|resource| world.envelope(slot, resource))
        {
            let resource = envelope.resource;
            let kernel = world.kernel.group(slot).limits[resource.index()];
            let view = world
                .engine
                .view(world::to_slot(slot), resource)
                .expect("it is managed");
            assert_eq!(
                (envelope.limit, envelope.armed),
                (kernel, view.armed),
                "slot {slot} {resource:?}"
            );
            // A record may be under way.
            let news = world.records.iter().any(|record| matches!(record, Record::Settled(settled) | Record::Recalled(settled) if settled.slot == world::to_slot(slot))
                || matches!(record, Record::CalledIn(called) if called.settled.slot == world::to_slot(slot))
                || matches!(record, Record::Spend(spend) if spend.event.slot == world::to_slot(slot)));
            assert!(
                news || view.limit == kernel,
                "slot {slot} {resource:?}: {view:?}"
            );
        }
    }
}

fn many(version: Version, seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let mut world = run(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15), version, 10_000);
        calm(&mut world);
        assert!(
            world.writes > 100 && world.denied > 100,
            "seed {seed} hardly did anything"
        );
    }
}

#[test]
fn half_a_million_steps_on_v2() {
    many(Version::V2, 1..51);
}

#[test]
fn half_a_million_steps_on_v1() {
    many(Version::V1, 51..101);
}

#[test]
fn the_same_steps_give_the_same_world() {
    let one = run(42, Version::V2, 2_000);
    let other = run(42, Version::V2, 2_000);
    assert_eq!(
        (one.writes, one.denied, one.now),
        (other.writes, other.denied, other.now)
    );
    assert_eq!(format!("{:?}", one.desk), format!("{:?}", other.desk));
}
