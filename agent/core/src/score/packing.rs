//! Whether guaranteed work keeps its latency beside best-effort work, and how much of the idle CPU that uses.

use crate::{
    node::{Controller, Meter, Mix, Node, Setup, Workload},
    signal::Nanos,
};

use super::Since;

/// One mix under one controller, its warm-up left out.
#[derive(Clone, Debug)]
pub struct Packing {
    /// One per guaranteed workload.
    pub guaranteed: Vec<Since>,
    /// One per best-effort workload.
    pub best_effort: Vec<Since>,
    /// CPU time that the node could give meanwhile.
    pub capacity: Nanos,
}

/// The part of a run that is not looked at, and its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Limits have found their places by then.
    pub from: Nanos,
    /// When it ends.
    pub until: Nanos,
}

impl Packing {
    /// Runs all workloads of a mix on its node.
    #[must_use]
    pub fn run(mix: &Mix, controller: &mut dyn Controller, span: Span) -> Self {
        let mut all = run(mix.setup, mix.workloads(), controller, span);
        let best_effort = all.split_off(mix.guaranteed.len());
        let cpus = u128::from(mix.setup.cpus.0);
        let capacity = u128::from(span.until.since(span.from).0) * cpus / 1_000_000;
        Self {
            guaranteed: all,
            best_effort,
            capacity: Nanos(u64::try_from(capacity).unwrap_or(u64::MAX)),
        }
    }

    /// What the guaranteed workloads come to when each has the node to itself, in their order; `steer` makes the
    /// controller that each has then.
    #[must_use]
    pub fn alone<C: Controller>(mix: &Mix, steer: impl Fn() -> C, span: Span) -> Vec<Since> {
        let each = mix
            .guaranteed
            .iter()
            .flat_map(|one| run(mix.setup, vec![one.clone()], &mut steer(), span));
        each.collect()
    }

    /// CPU time that the guaranteed workloads used.
    #[must_use]
    pub fn used(&self) -> Nanos {
        sum(&self.guaranteed)
    }

    /// The part of the node that was used, in thousandths.
    #[must_use]
    pub fn utilisation(&self) -> u64 {
        let used = self.used().plus(sum(&self.best_effort));
        part(used, self.capacity)
    }

    /// The part of what the guaranteed workloads left that the best-effort ones used, in thousandths.
    #[must_use]
    pub fn idle_used(&self) -> u64 {
        part(sum(&self.best_effort), self.capacity.since(self.used()))
    }
}

fn sum(of: &[Since]) -> Nanos {
    of.iter()
        .map(|since| since.used)
        .fold(Nanos(0), Nanos::plus)
}

fn part(part: Nanos, whole: Nanos) -> u64 {
    let thousandths = u128::from(part.0) * 1000 / u128::from(whole.0.max(1));
    u64::try_from(thousandths).unwrap_or(u64::MAX)
}

fn run(
    setup: Setup,
    workloads: Vec<Workload>,
    controller: &mut dyn Controller,
    span: Span,
) -> Vec<Since> {
    let mut node = Node::new(setup);
    for workload in workloads {
        node.add(workload);
    }
    node.run(controller, span.from, &mut |_| {});
    let before: Vec<Meter> = node.meters().map(|(_, meter)| meter.clone()).collect();
    node.run(controller, span.until, &mut |_| {});
    let meters = node.meters().zip(&before);
    meters
        .map(|((_, after), before)| Since::of(before, after))
        .collect()
}
