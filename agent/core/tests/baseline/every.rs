//! What holds for every law, whatever the workload does.

use crate::{Bench, CPU, GIB, HOUR, MIB, SECOND, Want, workload};
use trimtab_core::baseline::all;
use trimtab_core::node::{Controller, NodeSeen, Seen, Write};
use trimtab_core::signal::{Amount, Nanos, Resource, Slot};

/// A law of which only the name is known.
struct Any(Box<dyn Controller + Send>);

impl Controller for Any {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn interval(&self) -> Nanos {
        self.0.interval()
    }

    fn delay(&self) -> Nanos {
        self.0.delay()
    }

    fn begin(&mut self, now: Nanos, seen: &Seen, out: &mut Vec<Write>) {
        self.0.begin(now, seen, out);
    }

    fn look(&mut self, now: Nanos, node: &NodeSeen, seen: &[Seen], out: &mut Vec<Write>) {
        self.0.look(now, node, seen, out);
    }

    fn held(&self, slot: Slot, resource: Resource) -> Amount {
        self.0.held(slot, resource)
    }
}

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % end
    }
}

/// Hours of a workload that steps, idles, stalls, is killed and starts again.
fn life(law: Box<dyn Controller + Send>, hours: u64, seed: u64) -> Bench<Any> {
    let mut dice = Dice(seed);
    let mut bench = Bench::new(Any(law), workload(2 * CPU, 2 * GIB));
    while bench.now < hours * HOUR {
        let want = Want {
            cpu: dice.below(4) * dice.below(2 * CPU),
            memory: dice.below(4) * dice.below(GIB),
            others: dice.below(6 * CPU),
            stall: dice.below(3) * dice.below(SECOND / 4),
        };
        bench.go(SECOND * (1 + dice.below(300)), want);
        match dice.below(20) {
            0 => bench.kill(),
            1 => bench.restart(),
            _ => {}
        }
    }
    bench
}

#[test]
fn the_same_life_gives_the_same_orders() {
    for baseline in all() {
        let orders = |seed| life(baseline.make(), 14, seed).orders;
        assert_eq!(orders(3), orders(3), "{}", baseline.name);
    }
}

#[test]
fn every_limit_is_one_that_the_kernel_takes() {
    for baseline in all() {
        for seed in 0..4 {
            for (time, write) in life(baseline.make(), 14, seed).orders {
                let fine = match write {
                    Write::Limit { resource, to, .. } => match resource {
                        Resource::Cpu => to.0 >= CPU / 100,
                        Resource::Memory => to.0 >= MIB,
                    },
                    Write::High { to, .. } => to.0 >= 100 * MIB && to.0 % 4096 == 0,
                    Write::Burst { .. } | Write::Weight { .. } | Write::Reclaim { .. } => false,
                    Write::Restart { .. } => baseline.name.starts_with("vpa"),
                };
                assert!(fine, "{} at {time}: {write:?}", baseline.name);
            }
        }
    }
}

#[test]
fn what_is_held_is_never_unlimited() {
    for baseline in all() {
        for seed in 0..4 {
            let bench = life(baseline.make(), 2, seed);
            for resource in Resource::ALL {
                assert!(bench.held(resource) < 1 << 50, "{}", baseline.name);
            }
        }
    }
}
