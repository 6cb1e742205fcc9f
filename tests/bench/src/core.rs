//! What one tick of the decision core costs per workload, without any kernel, and how fast the simulated node
//! is.
//!
//! Once the use of every workload wanders, so that models, policies and guardrails all have work; once most
//! rest, as they do on a node with very many. The smallest number of workloads is the baseline of the
//! larger ones: the cost per workload should not grow with how many there are.

use std::{fmt, process::ExitCode, time::Instant};

use anyhow::{Context as _, Result};
use serde::Serialize;
use trimtab_core::{
    decide::{Bounds, Engine, Entitlement, Policy, Settings, WorkloadSpec},
    signal::{Amount, Mode, Nanos, Resource, Slot},
    snapshot::{CpuSignals, MemorySignals, NodeSignals, Snapshot, WorkloadSignals},
};

use crate::{
    speed,
    spread::{Spread, count},
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Numbers of workloads
    #[arg(long, value_delimiter = ',', default_value = "10,100,1000,10000")]
    workloads: Vec<u32>,
    /// Ticks that are timed for each number
    #[arg(long, default_value_t = 300)]
    ticks: u32,
}

/// Ticks until the models have seen a whole window.
const SETTLE: u32 = 60;
const CPU: Amount = Amount(1_000_000);
const MEMORY: Amount = Amount(512 << 20);
/// Of so many resting workloads one does something in a tick, each in its turn.
const RESTING: u64 = 20;

/// What the workloads do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Load {
    /// Each uses any part of its limits in each tick.
    Wandering,
    /// Most use what they used before.
    Resting,
}

#[derive(Debug, Serialize)]
struct Row {
    load: Load,
    workloads: u32,
    ns_per_workload: Spread,
    decisions_per_tick: f64,
    /// Times the median of the load's first row.
    ratio: f64,
}

pub(crate) fn run(args: &Args, json: bool) -> Result<ExitCode> {
    let mut rows: Vec<Row> = Vec::new();
    for load in [Load::Wandering, Load::Resting] {
        for &workloads in &args.workloads {
            let (ns_per_workload, decisions_per_tick) = measure(load, workloads, args.ticks);
            let first = rows.iter().find(|row| row.load == load);
            let first = first.map_or(ns_per_workload, |row| row.ns_per_workload);
            let row = Row {
                load,
                workloads,
                ns_per_workload,
                decisions_per_tick,
                ratio: ns_per_workload.median / first.median,
            };
            if !json {
                println!("{row}");
            }
            rows.push(row);
        }
    }
    rows.first().context("no number of workloads was given")?;
    let speed = speed::measure();
    if json {
        println!(
            "{}",
            serde_json::to_string(&serde_json::json!({ "core": rows, "speed": speed }))?
        );
    }
    for row in speed.iter().filter(|_| !json) {
        println!("{row}");
    }
    Ok(ExitCode::SUCCESS)
}

impl fmt::Display for Row {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Spread { p25, median, p75 } = self.ns_per_workload;
        write!(
            out,
            "{:6} workloads {}: {median:6.0} ns per workload and tick ({p25:.0} to {p75:.0}), {:.2} times the first, {:.1} decisions",
            self.workloads,
            match self.load {
                Load::Wandering => "that wander",
                Load::Resting => "that rest",
            },
            self.ratio,
            self.decisions_per_tick
        )
    }
}

fn measure(load: Load, workloads: u32, ticks: u32) -> (Spread, f64) {
    let mut engine = Engine::new(Settings::default());
    let mut limits = vec![[CPU, MEMORY]; workloads as usize];
    for slot in 0..workloads {
        let spec = WorkloadSpec {
            name: format!("workload-{slot}"),
            parent: None,
            mode: Mode::Recommend,
            policy: Policy::default(),
            entitlement: Entitlement::default(),
            born: Nanos(0),
            adopted: [CPU, MEMORY],
            held: [CPU, MEMORY],
            period_us: 100_000,
            bounds: Resource::ALL.map(|resource| {
                Some(Bounds {
                    warm_up: Nanos(0),
                    ..Bounds::of(resource)
                })
            }),
        };
        let _ = engine.adopt(Slot(slot), 1, spec);
    }
    let mut random = fastrand::Rng::with_seed(1);
    let mut costs = Vec::new();
    let mut decisions = 0;
    for tick in 0..SETTLE + ticks {
        let now = Nanos(Nanos::SECOND.0 * u64::from(tick + 1));
        let snapshot = snapshot(load, now, &limits, &mut random);
        let begun = Instant::now();
        let out = engine.tick(now, &snapshot);
        let took = begun.elapsed();
        for update in &out.updates {
            if let Some(limit) = update.limit {
                limits[update.slot.0 as usize][update.resource.index()] = limit;
            }
        }
        if tick >= SETTLE {
            decisions += out.decisions.len();
            costs.push(took.as_secs_f64() * 1e9 / f64::from(workloads));
        }
    }
    (Spread::of(costs), count(decisions) / f64::from(ticks))
}

/// Every workload that does something somewhere between nothing and all of its limits.
fn snapshot(
    load: Load,
    now: Nanos,
    limits: &[[Amount; 2]],
    random: &mut fastrand::Rng,
) -> Snapshot {
    let turn = now.0 / Nanos::SECOND.0;
    let workloads = (0..).zip(limits).map(|(slot, &[cpu, memory])| {
        let rests = load == Load::Resting && !(turn + u64::from(slot)).is_multiple_of(RESTING);
        let mut used = |limit: Amount| {
            if rests {
                Amount(limit.0 / 8)
            } else {
                Amount(random.u64(0..=limit.0))
            }
        };
        let (used, anonymous) = (used(cpu), used(memory));
        WorkloadSignals {
            slot: Slot(slot),
            cpu: Some(CpuSignals {
                used,
                held: cpu,
                period_us: 100_000,
                periods: 10,
                ..CpuSignals::default()
            }),
            memory: Some(MemorySignals {
                used: anonymous,
                anonymous,
                held: memory,
                hard: memory,
                ..MemorySignals::default()
            }),
            latency: None,
        }
    });
    let workloads: Vec<_> = workloads.collect();
    let many = limits.len() as u64;
    Snapshot {
        time: now,
        elapsed: Nanos::SECOND,
        node: NodeSignals {
            capacity: Amount(CPU.0 * many),
            memory_total: Amount(MEMORY.0 * many),
            memory_available: Amount(MEMORY.0 * many / 2),
            ..NodeSignals::default()
        },
        workloads,
    }
}
