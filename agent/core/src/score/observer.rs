//! Watches a node under a controller and scores what it saw.

use hdrhistogram::Histogram;

use crate::{
    node::{Controller, Happened, Meter, Node, Setup, Workload, Write},
    signal::{Amount, Nanos, Resource, Slot},
};

use super::{Account, Rules, Score, account::slack, changes::Follow, window::Windows};

/// Watches one node from its beginning.
#[derive(Clone, Debug)]
pub struct Observer {
    rules: Rules,
    workloads: Vec<Observed>,
}

#[derive(Clone, Debug)]
struct Observed {
    /// Limits that it begins with, after a restart as well.
    own: [[Amount; 2]; 2],
    end: Option<Nanos>,
    wants: [bool; 2],
    follow: [Follow; 2],
    windows: Windows,
}

/// Runs a node with these workloads under a controller until a moment; the scores of the workloads, in
/// their order. `watch` hears everything as it happens.
pub fn run(
    setup: Setup,
    workloads: &[Workload],
    controller: &mut dyn Controller,
    until: Nanos,
    rules: Rules,
    watch: &mut dyn FnMut(&Happened),
) -> Vec<Score> {
    let mut node = Node::new(setup);
    let mut observer = Observer::new(setup, workloads, rules);
    for workload in workloads {
        node.add(workload.clone());
    }
    while node.now() < until {
        let end = node.now().plus(Nanos(rules.window.0.max(1))).min(until);
        node.run(controller, end, &mut |happened| {
            observer.hear(happened);
            watch(happened);
        });
        observer.end_window(&node);
    }
    let mut scores = observer.scores(&node);
    // What is kept free for all is there once: the first workload's score carries it.
    if let Some(first) = scores.first_mut() {
        for resource in Resource::ALL {
            let shared = u128::from(controller.shared(resource).0) * u128::from(until.0);
            first.accounts[resource.index()].shared = shared;
        }
    }
    scores
}

impl Observer {
    /// Of a node that has not begun, with these workloads in their order.
    #[must_use]
    pub fn new(setup: Setup, workloads: &[Workload], rules: Rules) -> Self {
        let observed = |workload: &Workload| {
            let unlimited = Amount::UNLIMITED;
            let own = [
                [workload.cpu_limit, unlimited],
                [workload.memory_limit, workload.memory_high],
            ];
            Observed {
                own,
                end: workload.end,
                wants: [workload.demand.is_some(), workload.memory.is_some()],
                follow: [
                    Follow::new(workload.start, setup.cpus, own[0]),
                    Follow::new(workload.start, setup.memory, own[1]),
                ],
                windows: Windows::default(),
            }
        };
        Self {
            rules,
            workloads: workloads.iter().map(observed).collect(),
        }
    }

    /// Hears what happens.
    pub fn hear(&mut self, happened: &Happened) {
        match *happened {
            Happened::Started { time, slot } => {
                if let Some(observed) = self.workloads.get_mut(slot.0 as usize) {
                    for (follow, own) in observed.follow.iter_mut().zip(observed.own) {
                        follow.set(time, own.map(Some));
                    }
                }
            }
            Happened::Written {
                time,
                write: Write::Limit { slot, resource, to },
            } => self.set(time, slot, resource, [Some(to), None]),
            Happened::Written {
                time,
                write: Write::High { slot, to },
            } => self.set(time, slot, Resource::Memory, [None, Some(to)]),
            _ => {}
        }
    }

    fn set(&mut self, time: Nanos, slot: Slot, resource: Resource, limits: [Option<Amount>; 2]) {
        if let Some(observed) = self.workloads.get_mut(slot.0 as usize) {
            observed.follow[resource.index()].set(time, limits);
        }
    }

    /// A window has ended: the node has run up to its end.
    pub fn end_window(&mut self, node: &Node) {
        for (observed, (_, meter)) in self.workloads.iter_mut().zip(node.meters()) {
            observed.windows.end(meter, &self.rules);
        }
    }

    /// The score of each workload, in their order.
    #[must_use]
    pub fn scores(&self, node: &Node) -> Vec<Score> {
        let workloads = self.workloads.iter().zip(node.meters());
        workloads
            .map(|(observed, (_, meter))| observed.score(meter, node.now()))
            .collect()
    }
}

impl Observed {
    fn account(&self, resource: Resource, meter: &Meter, now: Nanos) -> Account {
        if !self.wants[resource.index()] {
            return Account::default();
        }
        let now = self.end.map_or(now, |end| end.min(now));
        let (limit, changes) = self.follow[resource.index()].clone().read(now);
        let (held, used) = (meter.held_time(resource), meter.used_time(resource));
        let mut account = Account {
            workloads: 1,
            time: meter.time().0.into(),
            held,
            limit,
            used,
            changes,
            ..Account::default()
        };
        if let Some(slack) = slack(held, used) {
            account.slack.add(slack, 1);
        }
        account
    }

    fn score(&self, meter: &Meter, now: Nanos) -> Score {
        let mut score = Score {
            accounts: Resource::ALL.map(|resource| self.account(resource, meter, now)),
            wanted: meter.wanted_work(),
            lost: meter.lost_work() - meter.left_work(),
            backlog: meter.backlog_work() + meter.left_work(),
            delay: meter.arrears().max(0).unsigned_abs() / 2000,
            periods: meter.periods(),
            throttled_periods: meter.throttled_periods(),
            throttled: meter.throttled().0.into(),
            throttled_wall: meter.throttled_wall().0.into(),
            lost_requests: meter.lost_requests() - meter.left_requests(),
            windows: self.windows.count,
            violated: self.windows.violated,
            oom_kills: meter.oom_kills(),
            restarts: meter.restarts(),
            stalled: meter.stalled().0.into(),
            ..Score::default()
        };
        let latencies = meter.latencies().into_iter();
        for value in latencies.flat_map(Histogram::iter_recorded) {
            let us = i64::try_from(value.value_iterated_to()).unwrap_or(i64::MAX);
            score.latency.add(us, value.count_at_value());
        }
        score
    }
}
