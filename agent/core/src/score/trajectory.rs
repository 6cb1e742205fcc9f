//! How a lone workload's limit, and what is held for it, go under a controller.

use crate::{
    node::{Controller, Meter, Node, Setup, Workload},
    signal::{Amount, Nanos, Resource, Slot},
};

use super::Since;

/// CPU of one workload over time, looked at every 100 ms: from when on which value held, in order.
#[derive(Clone, Debug)]
pub struct Trajectory {
    /// The quota; all that the node has where there is none.
    pub limit: Vec<(Nanos, u64)>,
    /// What cannot be promised to anybody else.
    pub held: Vec<(Nanos, u64)>,
    /// What it came to since `from`.
    pub since: Since,
    /// How late a unit of work was on average, over all of the time.
    pub delay: Nanos,
}

/// Between two looks: the kernel's period.
const EVERY: Nanos = Nanos(100 * Nanos::MILLI.0);

impl Trajectory {
    /// Runs the workload alone on a node until a moment; its counts are those since `from`.
    #[must_use]
    pub fn run(
        setup: Setup,
        workload: Workload,
        controller: &mut dyn Controller,
        from: Nanos,
        until: Nanos,
    ) -> Self {
        let mut node = Node::new(setup);
        let slot = node.add(workload);
        let (mut limit, mut held) = (Vec::new(), Vec::new());
        let mut before = None;
        while node.now() < until {
            let now = node.now();
            if now >= from && before.is_none() {
                before = Some(meter(&node, slot));
            }
            node.run(controller, now.plus(EVERY).min(until), &mut |_| {});
            let stands = node
                .workload(slot)
                .map_or(Amount::ZERO, |seen| seen.cpu.limit);
            note(&mut limit, now, stands.min(setup.cpus));
            note(
                &mut held,
                now,
                controller.held(slot, Resource::Cpu).min(setup.cpus),
            );
        }
        let after = meter(&node, slot);
        Self {
            limit,
            held,
            since: Since::of(&before.unwrap_or_default(), &after),
            delay: after.mean_delay(),
        }
    }
}

fn meter(node: &Node, slot: Slot) -> Meter {
    node.meter(slot).cloned().unwrap_or_default()
}

/// A value holds from a moment on, unless it did already.
fn note(steps: &mut Vec<(Nanos, u64)>, at: Nanos, value: Amount) {
    if steps.last().is_none_or(|(_, last)| *last != value.0) {
        steps.push((at, value.0));
    }
}
