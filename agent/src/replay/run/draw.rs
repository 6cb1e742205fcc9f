//! One series under one policy as curves over time, with every order and its reason.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use trimtab_core::{
    node::{Controller, Meter, Node, NodeSeen, Seen, Write},
    score::Rules,
    signal::{Amount, Cause, Event, Nanos, Resource, Slot},
};

use super::{options::Options, pack::Pack, policy::Policy, report::Report};

/// How many points a curve has.
const POINTS: u64 = 400;

/// The most orders that are marked; beyond, those that move a limit least are left out.
const MARKS: usize = 150;

/// One series under one policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drawing {
    /// The source it is from.
    pub source: &'static str,
    /// The series' name.
    pub series: String,
    /// Under which policy.
    pub policy: String,
    /// How long it is.
    pub until: Nanos,
    /// CPU in micro-CPUs and memory in bytes; empty where it is not wanted.
    pub curves: [Vec<Point>; 2],
    /// Work that waits, in ns of CPU time, at the same points.
    pub waiting: Vec<u64>,
    /// What was ordered, in order of time.
    pub marks: Vec<Mark>,
    /// How many orders are not marked.
    pub unmarked: usize,
}

/// A stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// Used on average.
    pub used: u64,
    /// Held on average.
    pub held: u64,
    /// The limit at the end; all that the node has where there is none.
    pub limit: u64,
}

/// A limit was ordered to stand elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// When it takes effect.
    pub at: Nanos,
    /// Whose limit.
    pub resource: Resource,
    /// Where it stood.
    pub from: Amount,
    /// Where it is to stand.
    pub to: Amount,
    /// Why.
    pub why: String,
}

/// Draws the first series of each source under each policy, in their order.
#[must_use]
pub fn draw(report: &Report, policies: &[Policy], options: &Options) -> Vec<Drawing> {
    let tasks: Vec<_> = report
        .first
        .values()
        .flat_map(|pack| policies.iter().map(move |policy| (pack, policy)))
        .collect();
    let next = AtomicUsize::new(0);
    let drawn = Mutex::new(vec![None; tasks.len()]);
    std::thread::scope(|scope| {
        for _ in 0..options.threads.get() {
            scope.spawn(|| {
                while let Some((index, (pack, policy))) = {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    tasks.get(index).map(|task| (index, *task))
                } {
                    let drawing = one(pack, policy, &options.rules);
                    drawn.lock().unwrap_or_else(PoisonError::into_inner)[index] = drawing;
                }
            });
        }
    });
    let drawn = drawn.into_inner().unwrap_or_else(PoisonError::into_inner);
    drawn.into_iter().flatten().collect()
}

/// The first series of a node.
fn one(pack: &Pack, policy: &Policy, rules: &Rules) -> Option<Drawing> {
    let (about, workload) = pack.series.iter().zip(&pack.workloads).next()?;
    let slot = Slot(0);
    let mut heard = Heard {
        inner: policy.controller(pack, rules)?,
        slot,
        limits: [workload.cpu_limit, workload.memory_limit],
        marks: Vec::new(),
    };
    let mut node = Node::new(policy.setup(pack));
    for workload in &pack.workloads {
        node.add(workload.clone());
    }
    let wants = [workload.demand.is_some(), workload.memory.is_some()];
    let mut curves = [Vec::new(), Vec::new()];
    let mut waiting = Vec::new();
    let mut last = Meter::default();
    for point in 1..=POINTS {
        let passed = u128::from(about.until.0) * u128::from(point) / u128::from(POINTS);
        let passed = Nanos(u64::try_from(passed).unwrap_or(about.until.0));
        let at = workload.start.plus(passed);
        node.run(&mut heard, at, &mut |_| {});
        let (meter, seen) = (node.meter(slot)?, node.workload(slot)?);
        let time = u128::from(meter.time().since(last.time()).0).max(1);
        let mean = |now: u128, before: u128| u64::try_from((now - before) / time).unwrap_or(0);
        let limits = [seen.cpu.limit, seen.memory.limit.min(seen.memory.high)];
        let whole = [pack.setup.cpus, pack.setup.memory];
        for resource in Resource::ALL {
            let index = resource.index();
            if wants[index] {
                curves[index].push(Point {
                    used: mean(meter.used_time(resource), last.used_time(resource)),
                    held: mean(meter.held_time(resource), last.held_time(resource)),
                    limit: limits[index].min(whole[index]).0,
                });
            }
        }
        waiting.push(meter.backlog().0);
        last = meter.clone();
    }
    let (marks, unmarked) = thinned(heard.marks);
    Some(Drawing {
        source: about.head.source,
        series: about.head.name.clone(),
        policy: policy.name().to_owned(),
        until: about.until,
        curves,
        waiting,
        marks,
        unmarked,
    })
}

/// The largest moves, in order of time, and how many there were beside them.
fn thinned(mut marks: Vec<Mark>) -> (Vec<Mark>, usize) {
    let size = |mark: &Mark| {
        let (less, more) = (mark.from.min(mark.to).0, mark.from.max(mark.to).0);
        u128::from(more - less) * 1000 / u128::from(more.max(1))
    };
    let unmarked = marks.len().saturating_sub(MARKS);
    if unmarked > 0 {
        marks.sort_by_key(|mark| (std::cmp::Reverse(size(mark)), mark.at));
        marks.truncate(MARKS);
        marks.sort_by_key(|mark| (mark.at, mark.resource.index()));
    }
    (marks, unmarked)
}

/// A controller with somebody who notes its orders for one workload.
struct Heard {
    inner: Box<dyn Controller + Send>,
    slot: Slot,
    limits: [Amount; 2],
    marks: Vec<Mark>,
}

impl Heard {
    fn note(
        &mut self,
        at: Nanos,
        written: &[Write],
        why: impl Fn(&Self, Slot, Resource) -> String,
    ) {
        for write in written.iter().filter(|write| write.slot() == self.slot) {
            let (slot, resource, to) = match *write {
                Write::Limit { slot, resource, to } => (slot, resource, to),
                Write::High { slot, to } => (slot, Resource::Memory, to),
                _ => continue,
            };
            let from = std::mem::replace(&mut self.limits[resource.index()], to);
            if from != to {
                let why = why(self, slot, resource);
                self.marks.push(Mark {
                    at,
                    resource,
                    from,
                    to,
                    why,
                });
            }
        }
    }
}

impl Controller for Heard {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn interval(&self) -> Nanos {
        self.inner.interval()
    }

    fn delay(&self) -> Nanos {
        self.inner.delay()
    }

    fn begin(&mut self, now: Nanos, seen: &Seen, out: &mut Vec<Write>) {
        if seen.slot == self.slot {
            self.limits = [seen.cpu.limit, seen.memory.limit.min(seen.memory.high)];
        }
        let before = out.len();
        self.inner.begin(now, seen, out);
        self.note(now, &out[before..], |_, _, _| "at the start".to_owned());
    }

    fn end(&mut self, slot: Slot) {
        self.inner.end(slot);
    }

    fn look(&mut self, now: Nanos, node: &NodeSeen, seen: &[Seen], out: &mut Vec<Write>) {
        let before = out.len();
        self.inner.look(now, node, seen, out);
        let at = now.plus(self.inner.delay());
        self.note(at, &out[before..], |heard, slot, resource| {
            let why = heard.inner.why(slot, resource);
            why.unwrap_or_else(|| heard.inner.name().to_owned())
        });
    }

    fn reaction(&self) -> Option<Nanos> {
        self.inner.reaction()
    }

    fn event(&mut self, event: &Event, out: &mut Vec<Write>) {
        let before = out.len();
        self.inner.event(event, out);
        let at = event.time.plus(self.inner.reaction().unwrap_or_default());
        self.note(at, &out[before..], |_, _, _| cause(event.cause).to_owned());
    }

    fn held(&self, slot: Slot, resource: Resource) -> Amount {
        self.inner.held(slot, resource)
    }

    fn objective(&self, slot: Slot) -> Option<Nanos> {
        self.inner.objective(slot)
    }

    fn usual(&self, slot: Slot, resource: Resource) -> u64 {
        self.inner.usual(slot, resource)
    }
}

/// What an event says, for people.
const fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::QuotaNear => "the quota is nearly spent",
        Cause::ThrottledRunning => "throttled while running",
        Cause::ThrottledWaking => "throttled on waking",
        Cause::MemoryNear => "memory is nearly full",
        Cause::ReclaimFailing => "reclaim finds nothing",
        Cause::Twin => "found at the tick",
    }
}
