//! Short words for tests.

use trimtab_core::node::{Controller, Happened, Node, NodeSeen, Seen, Setup, Workload, Write};
use trimtab_core::signal::{Amount, Event, Nanos, Resource, Slot};

/// Orders nothing.
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
        Amount::CPU
    }
}

/// Answers every event about CPU by doubling the quota; orders what it was told at its looks.
pub(crate) struct Scripted {
    pub(crate) interval: Nanos,
    pub(crate) delay: Nanos,
    pub(crate) reaction: Option<Nanos>,
    pub(crate) factor: u64,
    pub(crate) usual: u64,
    pub(crate) script: Vec<(Nanos, Write)>,
    pub(crate) events: Vec<Event>,
    pub(crate) begun: Vec<(Nanos, Seen)>,
}

impl Default for Scripted {
    fn default() -> Self {
        Self {
            interval: Nanos::SECOND,
            delay: Nanos(0),
            reaction: None,
            factor: 2,
            usual: 0,
            script: Vec::new(),
            events: Vec::new(),
            begun: Vec::new(),
        }
    }
}

impl Controller for Scripted {
    fn name(&self) -> &'static str {
        "scripted"
    }
    fn interval(&self) -> Nanos {
        self.interval
    }
    fn delay(&self) -> Nanos {
        self.delay
    }
    fn begin(&mut self, now: Nanos, seen: &Seen, _: &mut Vec<Write>) {
        self.begun.push((now, *seen));
    }
    fn look(&mut self, now: Nanos, _: &NodeSeen, _: &[Seen], out: &mut Vec<Write>) {
        out.extend(
            self.script
                .iter()
                .filter(|(at, _)| *at == now)
                .map(|(_, write)| *write),
        );
    }
    fn reaction(&self) -> Option<Nanos> {
        self.reaction
    }
    fn event(&mut self, event: &Event, out: &mut Vec<Write>) {
        self.events.push(*event);
        out.push(Write::Limit {
            slot: event.slot,
            resource: event.resource,
            to: Amount(event.held.0 * self.factor),
        });
    }
    fn held(&self, _: Slot, _: Resource) -> Amount {
        Amount::CPU
    }
    fn usual(&self, _: Slot, _: Resource) -> u64 {
        self.usual
    }
}

pub(crate) const fn ms(count: u64) -> Nanos {
    Nanos(count * Nanos::MILLI.0)
}

/// A quota of so many milliseconds in 100 ms.
pub(crate) const fn quota(ms: u64) -> Amount {
    Amount(ms * 10_000)
}

/// A node with so many CPUs and these workloads.
pub(crate) fn node(cpus: u64, workloads: impl IntoIterator<Item = Workload>) -> Node {
    let mut node = Node::new(Setup {
        cpus: Amount(cpus * Amount::CPU.0),
        ..Setup::default()
    });
    for workload in workloads {
        node.add(workload);
    }
    node
}

/// Runs and keeps what happened.
pub(crate) fn run(node: &mut Node, controller: &mut dyn Controller, until: Nanos) -> Vec<Happened> {
    let mut log = Vec::new();
    node.run(controller, until, &mut |happened| log.push(*happened));
    log
}

/// One workload alone on two CPUs.
pub(crate) fn alone(workload: Workload, until: Nanos) -> Node {
    let mut node = node(2, [workload]);
    run(&mut node, &mut Still, until);
    node
}
