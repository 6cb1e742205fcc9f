//! Memory that was given back is there again when it is needed.

use trimtab_core::decide::{Bounds, Entitlement, GiveBack, Policy, Settings};
use trimtab_core::node::{
    Happened, MemoryDemand, MemorySeen, MemoryStep, Node, Own, Setup, Trimtab, Workload, Write,
};
use trimtab_core::signal::{Amount, Nanos, Resource, Slot};

use crate::support::run;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

fn trimtab() -> Trimtab {
    let bounds = Bounds {
        give_back: Some(GiveBack::default()),
        ..Bounds::of(Resource::Memory)
    };
    let own = Own {
        policy: Policy::default(),
        entitlement: Entitlement::default(),
        bounds: [None, Some(bounds)],
        by_weight: false,
    };
    Trimtab::new(Settings::default(), vec![Some(own)])
}

/// A workload that has 6 GiB of a node's 8, and comes to hold so much from these seconds on.
fn node(steps: impl IntoIterator<Item = (u64, u64)>) -> Node {
    let steps = steps.into_iter().map(|(at, bytes)| MemoryStep {
        at: second(at),
        anonymous: Amount(bytes),
        ..MemoryStep::default()
    });
    let demand = MemoryDemand::series(steps.collect());
    let mut node = Node::new(Setup {
        memory: Amount(8 * GIB),
        ..Setup::default()
    });
    node.add(Workload::memory(demand, Amount(6 * GIB)));
    node
}

fn second(count: u64) -> Nanos {
    Nanos(count * Nanos::SECOND.0)
}

fn memory(node: &Node) -> MemorySeen {
    node.workload(Slot(0))
        .map_or_else(MemorySeen::default, |seen| seen.memory)
}

/// The limit that moves.
fn moving(node: &Node) -> Amount {
    let memory = memory(node);
    memory.high.min(memory.limit)
}

#[test]
fn a_growth_to_four_times_is_met_from_a_trimmed_limit() {
    for (mut trimtab, most) in [(trimtab(), 5 * GIB), (trimtab().on_v1(), 6 * GIB)] {
        let mut node = node([(0, GIB), (600, 4 * GIB)]);
        run(&mut node, &mut trimtab, second(600));
        let held = moving(&node);
        assert!(held <= Amount(GIB * 3 / 2), "{} MiB", held.0 / MIB);
        run(&mut node, &mut trimtab, second(602));
        let after = memory(&node);
        assert_eq!((after.oom_kills, after.stalled), (0, Nanos(0)));
        assert_eq!(after.anonymous, Amount(4 * GIB));
        run(&mut node, &mut trimtab, second(900));
        let held = moving(&node);
        assert!(held <= Amount(most), "{} MiB", held.0 / MIB);
    }
}

#[test]
fn a_quarter_of_idle_memory_is_given_back_within_a_minute() {
    // The first minutes are for runtimes to size themselves.
    let mut node = node([(0, 4 * GIB), (200, GIB)]);
    let mut trimtab = trimtab();
    run(&mut node, &mut trimtab, second(200));
    let before = moving(&node);
    run(&mut node, &mut trimtab, second(261));
    let after = moving(&node);
    assert!(after <= before.percent(75), "{before:?} {after:?}");
    assert_eq!(memory(&node).stalled, Nanos(0));
}

#[test]
fn two_hundred_rounds_of_trim_and_growth_kill_nobody() {
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    let mut below = |bound: u64| {
        random ^= random >> 12;
        random ^= random << 25;
        random ^= random >> 27;
        random.wrapping_mul(0x2545_F491_4F6C_DD1D) % bound
    };
    let mut at = 0;
    let rounds = (0..400).map(|step| {
        at += 1 + below(300);
        // Down, and up again.
        let most = if step % 2 == 0 { 500 } else { 5_500 };
        (at, (16 + below(most)) * MIB)
    });
    let steps: Vec<_> = rounds.collect();
    let end = second(at + 100);
    for mut trimtab in [trimtab(), trimtab().on_v1()] {
        let mut node = node(steps.iter().copied());
        let log = run(&mut node, &mut trimtab, end);
        let after = memory(&node);
        assert_eq!(after.oom_kills, 0);
        assert!(
            after.stalled.0 <= end.0 / 1_000,
            "{} stalled",
            after.stalled
        );
        let mut trims = 0;
        let mut before = Amount(6 * GIB);
        for happened in log {
            let Happened::Written { write, .. } = happened else {
                continue;
            };
            if let Write::High { to, .. } | Write::Limit { to, .. } = write {
                trims += u32::from(to < before);
                before = to;
            }
        }
        assert!(trims >= 200, "only {trims} trims");
        let held = node.meter(Slot(0)).unwrap().mean_held(Resource::Memory);
        assert!(held < Amount(4 * GIB), "{} MiB of 6144", held.0 / MIB);
    }
}
