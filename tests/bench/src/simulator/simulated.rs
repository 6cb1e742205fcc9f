//! The same load in the simulated node.

use std::time::Duration;

use anyhow::{Context as _, Result};
use trimtab_core::{
    node::{Arrivals, Demand, Node, Service, Setup, Workload},
    signal::{Amount, Nanos, Slot},
};

use super::case::{Case, Figures, Load, PERIOD_US};
use crate::{speed::Still, spread::number};

/// `demand` is what a piece of the load costs, `phase` where periods end.
pub(super) fn run(
    case: &Case,
    duration: Duration,
    demand: Duration,
    phase: Nanos,
) -> Result<Figures> {
    let (node, slot) = one(case, duration, demand, phase);
    let meter = node.meter(slot).context("the simulated workload")?;
    let latencies = meter.latencies().context("no latency")?;
    let quantile = |permille| ms(meter.latency(permille).unwrap_or_default().0);
    Ok(Figures {
        demand_ms: demand.as_secs_f64() * 1e3,
        periods: number(meter.periods()),
        throttled_periods: number(meter.throttled_periods()),
        throttled_ms: ms(meter.throttled().0),
        used_ms: ms(meter.used().0),
        mean_ms: latencies.mean() / 1e3,
        p50_ms: quantile(500),
        p99_ms: quantile(990),
    })
}

fn one(case: &Case, duration: Duration, demand: Duration, phase: Nanos) -> (Node, Slot) {
    let (times, threads) = match case.load {
        Load::Wave { threads, every, .. } => {
            let bursts = u32::try_from(Case::bursts(every, duration)).unwrap_or(u32::MAX);
            let starts = (0..bursts).flat_map(|burst| (0..threads).map(move |_| every * burst));
            (starts.collect(), threads)
        }
        Load::Requests {
            threads,
            rate,
            pattern,
            ..
        } => (Case::plan(rate, pattern, duration).times(), threads),
    };
    let times: Vec<_> = times.into_iter().map(nanos).collect();
    let (count, last) = (
        times.len() as u64,
        times.last().copied().unwrap_or_default(),
    );
    let demand = Demand::Requests {
        arrivals: Arrivals::Given(times),
        service: Service::Fixed(nanos(demand)),
        threads,
    };
    let mut node = Node::new(Setup::default());
    let slot = node.add(Workload {
        burst: Nanos(case.burst_us * 1_000),
        phase,
        ..Workload::cpu(demand, Amount(case.quota_us * 1_000_000 / PERIOD_US))
    });
    // As the kernel's side does: no longer than until the last piece is done.
    let mut until = last;
    while node
        .meter(slot)
        .is_some_and(|meter| meter.answered() < count)
    {
        until = until.plus(Nanos::MILLI);
        node.run(&mut Still, until, &mut |_| ());
    }
    (node, slot)
}

fn nanos(duration: Duration) -> Nanos {
    Nanos(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
}

fn ms(nanos: u64) -> f64 {
    number(nanos) / 1e6
}
