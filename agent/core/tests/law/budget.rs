//! The agent's own budget: what it does without, and when that comes back.

use trimtab_core::decide::{Budget, Change, Overdraft, Shedding, Standing};
use trimtab_core::signal::{Amount, Nanos};

const SECOND: u64 = Nanos::SECOND.0;
const HOUR: u64 = 3_600;

const BUDGET: Budget = Budget {
    cpu: Amount(50_000),
    patience: Nanos(30 * SECOND),
};

/// How one probe of the world is.
#[derive(Clone, Copy)]
struct Probe {
    /// CPU at a load of 100.
    cost: u64,
    needed: bool,
    /// Whether its hook is still counted while it is off.
    told: bool,
}

const NEEDED: Probe = Probe {
    cost: 30_000,
    needed: true,
    told: true,
};

const DEAR: Probe = Probe {
    cost: 60_000,
    needed: false,
    told: true,
};

const CHEAP: Probe = Probe {
    cost: 20_000,
    needed: false,
    told: false,
};

/// Three probes, a load, and the law, second by second.
struct World {
    probes: [Probe; 3],
    shed: [bool; 3],
    law: Shedding<3>,
    now: u64,
    changes: Vec<(u64, Change)>,
}

impl World {
    fn new(probes: [Probe; 3]) -> Self {
        Self {
            probes,
            shed: [false; 3],
            law: Shedding::default(),
            now: 1_000,
            changes: Vec::new(),
        }
    }

    fn used(&self, load: u64) -> u64 {
        let on = self.probes.iter().zip(self.shed);
        on.filter(|(_, shed)| !shed)
            .map(|(probe, _)| probe.cost * load / 100)
            .sum()
    }

    fn step(&mut self, load: u64) {
        self.now += 1;
        let mut standing = [Standing::Kept; 3];
        for (place, probe) in self.probes.iter().enumerate() {
            let cost = Amount(probe.cost * load / 100);
            standing[place] = match (probe.needed, self.shed[place]) {
                (true, _) => Standing::Kept,
                (false, false) => Standing::Optional(cost),
                (false, true) => Standing::Shed(probe.told.then_some(cost)),
            };
        }
        let (now, used) = (Nanos(self.now * SECOND), Amount(self.used(load)));
        let Some(change) = self.law.judge(now, &BUDGET, used, &standing) else {
            return;
        };
        let (place, shed) = match change {
            Change::Shed(place) => (place, true),
            Change::TakeBack(place) => (place, false),
        };
        assert!(
            !self.probes[place].needed,
            "{change:?} of one that is needed"
        );
        assert_eq!(self.shed[place], !shed, "{change:?} twice");
        self.shed[place] = shed;
        self.changes.push((self.now, change));
    }

    fn run(&mut self, seconds: u64, load: u64) {
        for _ in 0..seconds {
            self.step(load);
        }
    }

    fn said(&self) -> Vec<Change> {
        self.changes.iter().map(|(_, change)| *change).collect()
    }
}

#[test]
fn within_the_budget_nothing_goes() {
    let mut world = World::new([NEEDED, DEAR, CHEAP]);
    world.run(HOUR, 45);
    assert_eq!(world.said(), []);
}

#[test]
fn the_dearest_optional_one_goes_first_and_only_after_a_while() {
    let mut world = World::new([NEEDED, DEAR, CHEAP]);
    world.run(30, 100);
    assert_eq!(world.said(), []);
    world.run(1, 100);
    assert_eq!(world.said(), [Change::Shed(1)]);
    assert_eq!(world.used(100), 50_000, "and that is enough");
    world.run(HOUR, 100);
    assert_eq!(world.said(), [Change::Shed(1)]);
}

#[test]
fn a_moment_within_the_budget_begins_it_afresh() {
    let mut world = World::new([NEEDED, DEAR, CHEAP]);
    for _ in 0..100 {
        world.run(29, 100);
        world.run(1, 10);
    }
    assert_eq!(world.said(), []);
}

#[test]
fn one_after_the_other_goes_and_comes_back_in_the_other_order() {
    let mut world = World::new([NEEDED, DEAR, CHEAP]);
    world.run(70, 110);
    assert_eq!(world.said(), [Change::Shed(1), Change::Shed(2)]);
    world.run(200, 10);
    assert_eq!(
        world.said()[2..],
        [Change::TakeBack(2), Change::TakeBack(1)]
    );
}

#[test]
fn what_is_needed_stays_however_dear() {
    let mut world = World::new([NEEDED, NEEDED, NEEDED]);
    world.run(HOUR, 1_000);
    assert_eq!(world.said(), []);
}

#[test]
fn what_costs_next_to_nothing_is_not_worth_it() {
    let tiny = Probe { cost: 900, ..CHEAP };
    let mut world = World::new([
        Probe {
            cost: 80_000,
            ..NEEDED
        },
        tiny,
        tiny,
    ]);
    world.run(HOUR, 100);
    assert_eq!(world.said(), []);
}

#[test]
fn in_a_steady_storm_nothing_comes_back_that_is_known_to_be_too_dear() {
    let mut world = World::new([NEEDED, DEAR, CHEAP]);
    world.run(48 * HOUR, 100);
    assert_eq!(world.said(), [Change::Shed(1)]);
}

#[test]
fn what_nobody_can_foretell_is_tried_less_and_less_often() {
    let blind = Probe {
        told: false,
        ..DEAR
    };
    let probes = [
        Probe {
            cost: 10_000,
            ..NEEDED
        },
        blind,
        Probe { cost: 0, ..CHEAP },
    ];
    let mut world = World::new(probes);
    world.run(48 * HOUR, 100);
    let mut off = Vec::new();
    for pair in world.changes.windows(2) {
        match pair[1].1 {
            Change::TakeBack(_) => off.push(pair[1].0 - pair[0].0),
            Change::Shed(_) => assert!(pair[1].0 - pair[0].0 >= 30, "{pair:?}"),
        }
    }
    assert_eq!(off[..7], [60, 120, 240, 480, 960, 1_920, 3_600]);
    assert!(off[7..].iter().all(|seconds| *seconds == 3_600), "{off:?}");
    assert!(
        world.changes.len() < 2 * (8 + 48),
        "{}",
        world.changes.len()
    );
}

#[test]
fn a_storm_long_after_the_last_one_is_a_first_one() {
    let blind = Probe {
        told: false,
        ..DEAR
    };
    let mut world = World::new([NEEDED, blind, CHEAP]);
    let mut off = Vec::new();
    for _ in 0..3 {
        world.run(40, 100);
        world.run(1_000, 10);
        let last = &world.changes[world.changes.len() - 2..];
        off.push(last[1].0 - last[0].0);
    }
    assert_eq!(off, [60, 60, 60]);
}

#[test]
fn what_could_not_be_done_is_undone() {
    let mut law = Shedding::<1>::default();
    let dear = [Standing::Optional(Amount(90_000))];
    let at = |second: u64| Nanos(second * SECOND);
    let mut said = Vec::new();
    for second in 0..100 {
        if let Some(change) = law.judge(at(second), &BUDGET, Amount(90_000), &dear) {
            law.undo(at(second), &BUDGET, change);
            said.push((second, change));
        }
    }
    assert_eq!(
        said,
        [30, 61, 92].map(|second| (second, Change::Shed(0))),
        "it is asked for again"
    );
}

/// Whatever the load does, one change is followed by the next only after a while, and no probe
/// comes back before it has been off for twice as long.
#[test]
fn no_load_makes_it_flap() {
    let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = |bound: u64| {
        seed ^= seed >> 12;
        seed ^= seed << 25;
        seed ^= seed >> 27;
        seed.wrapping_mul(0x2545_F491_4F6C_DD1D) % bound
    };
    for _ in 0..200 {
        let mut probe = |needed| Probe {
            cost: random(120_000),
            needed,
            told: random(2) == 0,
        };
        let mut world = World::new([probe(true), probe(false), probe(false)]);
        for _ in 0..200 {
            let (seconds, load) = (random(200), random(200));
            world.run(seconds, load);
        }
        let mut gone = [0; 3];
        let mut last = 0;
        for (second, change) in &world.changes {
            assert!(second - last >= 30, "{:?}", world.changes);
            last = *second;
            match change {
                Change::Shed(place) => gone[*place] = *second,
                Change::TakeBack(place) => {
                    assert!(second - gone[*place] >= 60, "{:?}", world.changes);
                }
            }
        }
    }
}

#[test]
fn an_overdraft_is_said_once_and_so_is_its_end() {
    let mut overdraft = Overdraft::default();
    let mut said = Vec::new();
    for second in 0..300 {
        let used = Amount(if (100..200).contains(&second) { 11 } else { 10 });
        let now = Nanos(second * SECOND);
        if let Some(over) = overdraft.push(now, Amount(10), used, BUDGET.patience) {
            said.push((second, over));
            assert_eq!(overdraft.is_over(), over);
        }
    }
    assert_eq!(said, [(130, true), (230, false)]);
}
