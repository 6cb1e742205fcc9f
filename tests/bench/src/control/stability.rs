//! A lone workload whose demand steps, rises evenly, goes to and fro, or is noise: how limit and what is held
//! follow under each policy.

use std::num::NonZeroUsize;

use serde::Serialize;
use trimtab::replay::Policy;
use trimtab_core::{
    decide::Entitlement,
    node::{Setup, Shape, Workload},
    score::{Response, Spread, Steps, Trajectory},
    signal::{Amount, Nanos},
};

use super::{
    cells::{self, cpus, dash, permille},
    threads,
};
use crate::spread::number;

/// What is wanted at the least and at the most.
const LOW: Amount = Amount(500_000);
const HIGH: Amount = Amount(1_500_000);
/// The limit to begin with.
const LIMIT: Amount = Amount(1_000_000);
/// CPUs of the node, on all of which arrears can be worked off.
const CPUS: u32 = 8;

/// From here on it is looked at: whatever a policy does at first is over.
const FROM: Nanos = Nanos(20 * Nanos::MINUTE.0);
const UNTIL: Nanos = Nanos(60 * Nanos::MINUTE.0);

const SHAPES: [Shape; 4] = [
    Shape::Step { at: FROM },
    Shape::Ramp {
        from: FROM,
        to: Nanos(30 * Nanos::MINUTE.0),
    },
    Shape::Wave {
        half: Nanos::MINUTE,
    },
    Shape::Noise { seed: 1 },
];

/// One shape under one policy.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    shape: &'static str,
    policy: String,
    /// Of what is held, and of the limit.
    held: Moved,
    limit: Moved,
    /// Per hour, of the limit.
    changes_per_hour: f64,
    turns_per_hour: f64,
    throttled_permille: u64,
    /// How late a unit of work was on average.
    delay_ms: f64,
}

/// How a value moved.
#[derive(Debug, Default, Serialize)]
struct Moved {
    mean_micro_cpus: u64,
    highest_micro_cpus: u64,
    /// Where the demand comes to rest: where this did, how far it went beyond, and how long it took.
    settled_micro_cpus: Option<u64>,
    overshoot_permille: Option<u64>,
    settling_s: Option<f64>,
}

impl Moved {
    fn of(steps: &Steps, shape: Shape) -> Self {
        let Some(spread) = Spread::of(steps, FROM, UNTIL) else {
            return Self::default();
        };
        let change = shape.change();
        let response = change.and_then(|change| Response::of(steps, change, UNTIL));
        let settling = response.and_then(|response| response.settling);
        Self {
            mean_micro_cpus: spread.mean,
            highest_micro_cpus: spread.highest,
            settled_micro_cpus: response.map(|response| response.settled),
            overshoot_permille: response.map(|response| response.overshoot),
            settling_s: settling.map(seconds),
        }
    }
}

fn seconds(time: Nanos) -> f64 {
    number(time.0) / number(Nanos::SECOND.0)
}

/// Runs all shapes under these policies.
pub(super) fn run(policies: &[Policy], threads: NonZeroUsize) -> Vec<Row> {
    let rows = threads::each(threads, SHAPES.len() * policies.len(), |job| {
        let (shape, policy) = (
            SHAPES[job / policies.len()],
            &policies[job % policies.len()],
        );
        row(shape, policy)
    });
    rows.into_iter().flatten().collect()
}

fn row(shape: Shape, policy: &Policy) -> Option<Row> {
    let setup = Setup {
        cpus: Amount(u64::from(CPUS) * Amount::CPU.0),
        ..Setup::default()
    };
    let demand = shape.demand(LOW, HIGH, UNTIL, CPUS);
    let workload = Workload {
        cpu_request: LIMIT,
        ..Workload::cpu(demand, LIMIT)
    };
    let mut controller = policy.on_node(&setup, &[Entitlement::default()])?;
    let run = Trajectory::run(setup, workload, controller.as_mut(), FROM, UNTIL);
    let hours = seconds(run.since.time) / 3600.0;
    let throttled = u128::from(run.since.throttled_periods) * 1000;
    let throttled = throttled / u128::from(run.since.periods.max(1));
    Some(Row {
        shape: shape.name(),
        policy: policy.name().to_owned(),
        held: Moved::of(&run.held, shape),
        limit: Moved::of(&run.limit, shape),
        changes_per_hour: number(run.since.writes) / hours,
        turns_per_hour: number(run.since.turns) / hours,
        throttled_permille: u64::try_from(throttled).unwrap_or(u64::MAX),
        delay_ms: number(run.delay.0) / 1e6,
    })
}

/// Tables in Markdown, as docs/CONTROL.md has them.
pub(super) fn print(rows: &[Row]) {
    let mut last = "";
    for row in rows {
        let rests = row.held.settled_micro_cpus.is_some();
        if row.shape != last {
            last = row.shape;
            println!("\n{last}\n");
            let own: &[_] = if rests {
                &[
                    "policy",
                    "held at last",
                    "overshoot",
                    "settles in",
                    "limit at last",
                    "overshoot",
                    "settles in",
                ]
            } else {
                &["policy", "held", "highest", "limit", "highest"]
            };
            let all = ["changes/h", "turns/h", "throttled", "delay"];
            println!("{}", cells::head(&[own, all.as_slice()].concat()));
        }
        let mut cells = vec![row.policy.clone()];
        cells.extend([&row.held, &row.limit].into_iter().flat_map(Moved::cells));
        cells.extend([
            format!("{:.0}", row.changes_per_hour),
            format!("{:.0}", row.turns_per_hour),
            permille(row.throttled_permille),
            format!("{:.0} ms", row.delay_ms),
        ]);
        println!("{}", cells::row(&cells));
    }
}

impl Moved {
    fn cells(&self) -> Vec<String> {
        let Some(settled) = self.settled_micro_cpus else {
            return vec![cpus(self.mean_micro_cpus), cpus(self.highest_micro_cpus)];
        };
        let settling = self.settling_s;
        vec![
            cpus(settled),
            self.overshoot_permille.map_or_else(dash, permille),
            settling.map_or_else(|| "never".to_owned(), |time| format!("{time:.1} s")),
        ]
    }
}
