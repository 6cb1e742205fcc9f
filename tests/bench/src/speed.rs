//! How fast the simulated node is: workload-seconds per second, on one core.

use std::{fmt, time::Instant};

use serde::Serialize;
use trimtab_core::{
    node::{Controller, Demand, Node, NodeSeen, Seen, Setup, Workload, Write},
    signal::{Amount, Nanos, Resource, Slot},
};

use crate::spread::{Spread, number};

/// Each workload's quota: half a CPU.
const QUOTA: Amount = Amount(500_000);
/// Simulated seconds of each round.
const SECONDS: u64 = 60;
const ROUNDS: usize = 5;

#[derive(Debug, Serialize)]
pub(crate) struct Row {
    /// What the workloads do.
    name: &'static str,
    workloads: u64,
    workload_seconds_per_second: Spread,
    /// Throttled periods of all periods.
    throttled_share: f64,
}

impl fmt::Display for Row {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let speed = &self.workload_seconds_per_second;
        write!(
            out,
            "{:6} workloads {}: {:.0} workload-seconds a second ({:.0} to {:.0}), {:.1} % of periods throttled",
            self.workloads,
            self.name,
            speed.median,
            speed.p25,
            speed.p75,
            self.throttled_share * 100.0
        )
    }
}

/// Looks every second and leaves everything as it is.
pub(crate) struct Still;

impl Controller for Still {
    fn name(&self) -> &'static str {
        "still"
    }

    fn interval(&self) -> Nanos {
        Nanos::SECOND
    }

    fn delay(&self) -> Nanos {
        Nanos(0)
    }

    fn begin(&mut self, _: Nanos, _: &Seen, _: &mut Vec<Write>) {}

    fn look(&mut self, _: Nanos, _: &NodeSeen, _: &[Seen], _: &mut Vec<Write>) {}

    fn held(&self, _: Slot, _: Resource) -> Amount {
        QUOTA
    }
}

/// Workloads that want something else every second: under their quotas, at times over them, and on
/// a node that is full.
pub(crate) fn measure() -> Vec<Row> {
    vec![
        row("under the quota", 1_000, 500, 90),
        row("throttled at times", 1_000, 500, 110),
        row("on a full node", 32, 6, 90),
    ]
}

/// So many workloads on so many CPUs, each wanting at most this share of its quota, in per cent.
fn row(name: &'static str, workloads: u64, cpus: u64, percent: u32) -> Row {
    let mut random = fastrand::Rng::with_seed(1);
    let mut node = Node::new(Setup {
        cpus: Amount(cpus * Amount::CPU.0),
        ..Setup::default()
    });
    for _ in 0..workloads {
        // Nobody's step is anybody else's.
        let shift = random.u64(0..Nanos::SECOND.0);
        let steps = (0..SECONDS).map(|second| {
            let rate = random.u64(0..=QUOTA.percent(percent).0);
            (Nanos(second * Nanos::SECOND.0 + shift), Amount(rate))
        });
        let demand = Demand::Series {
            steps: steps.collect(),
            repeat: None,
            threads: 1,
        };
        node.add(Workload {
            phase: Nanos(random.u64(0..100 * Nanos::MILLI.0)),
            ..Workload::cpu(demand, QUOTA)
        });
    }
    let (mut periods, mut throttled) = (0, 0);
    let speeds = (0..ROUNDS).map(|_| {
        let mut node = node.clone();
        let begun = Instant::now();
        node.run(&mut Still, Nanos(SECONDS * Nanos::SECOND.0), &mut |_| ());
        let took = begun.elapsed().as_secs_f64();
        for (_, meter) in node.meters() {
            periods += meter.periods();
            throttled += meter.throttled_periods();
        }
        number(workloads * SECONDS) / took
    });
    let speed = Spread::of(speeds.collect::<Vec<_>>());
    Row {
        name,
        workloads,
        workload_seconds_per_second: speed,
        throttled_share: number(throttled) / number(periods.max(1)),
    }
}
