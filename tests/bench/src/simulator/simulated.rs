//! The same load in the simulated node.

use std::time::Duration;

use trimtab_core::{
    node::{Arrivals, Demand, Node, Service, Setup, Workload},
    signal::{Amount, Nanos, Slot},
};

use super::case::{Case, Figures, Load, PERIOD_US};
use crate::{speed::Still, spread::number};

/// Where periods begin, anywhere: bursts meet every phase.
const PHASE: Nanos = Nanos(37_000_000);

pub(super) fn run(case: &Case, duration: Duration) -> Figures {
    let (demand, end) = match case.load {
        Load::Wave {
            threads,
            every,
            burst,
        } => {
            let bursts = u32::try_from(Case::bursts(every, duration)).unwrap_or(u32::MAX);
            let starts =
                (0..bursts).flat_map(|burst| (0..threads).map(move |_| nanos(every * burst)));
            let demand = requests(starts.collect(), burst, threads);
            (demand, every * bursts)
        }
        Load::Requests {
            threads,
            service,
            rate,
            pattern,
        } => {
            let times = Case::plan(rate, pattern, duration).times();
            let demand = requests(times.into_iter().map(nanos).collect(), service, threads);
            (demand, duration)
        }
    };
    let mut node = Node::new(Setup::default());
    let slot = node.add(Workload {
        burst: Nanos(case.burst_us * 1_000),
        phase: PHASE,
        ..Workload::cpu(demand, Amount(case.quota_us * 1_000_000 / PERIOD_US))
    });
    node.run(&mut Still, nanos(end), &mut |_| ());
    figures(&node, slot)
}

fn requests(times: Vec<Nanos>, service: Duration, threads: u32) -> Demand {
    Demand::Requests {
        arrivals: Arrivals::Given(times),
        service: Service::Fixed(nanos(service)),
        threads,
    }
}

fn nanos(duration: Duration) -> Nanos {
    Nanos(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
}

fn figures(node: &Node, slot: Slot) -> Figures {
    let ms = |time: Nanos| number(time.0) / 1e6;
    node.meter(slot)
        .map_or_else(Figures::default, |meter| Figures {
            periods: number(meter.periods()),
            throttled_periods: number(meter.throttled_periods()),
            throttled_ms: ms(meter.throttled()),
            used_ms: ms(meter.used()),
            p50_ms: meter.latency(500).map_or(0.0, ms),
            p99_ms: meter.latency(990).map_or(0.0, ms),
        })
}
