//! A workload and what is made of it between two samples.

use std::cmp::Ordering;

use serde::Serialize;
use trimtab_core::signal::Resource;

use super::history::Series;
use crate::api::view::{Pool, Quantity, ResourceState, Workload};

/// How many values of each workload are kept: as many as the widest column of sparklines shows, and a minute.
const KEPT: usize = 60;

/// A workload with what it does per second.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    /// As the agent tells it.
    #[serde(flatten)]
    pub(super) workload: Workload,
    /// For how many ns a second its tasks wait behind others for a CPU, summed over the tasks; `None` before the second sample.
    pub(super) waited_ns_per_s: Option<u64>,
    /// For how many ns a second it is throttled.
    pub(super) throttled_ns_per_s: Option<u64>,
    /// What it holds of the node and does not use.
    pub(super) unused: Option<Unused>,
    /// Waiting, in us a second.
    #[serde(skip)]
    pub(super) waited: Series,
    /// Throttled, in us a second.
    #[serde(skip)]
    pub(super) throttled: Series,
    /// CPU use, in micro-CPUs.
    #[serde(skip)]
    pub(super) used: Series,
}

/// A limit less use, as a part of the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Unused {
    /// Of which there is more.
    pub(super) resource: Resource,
    /// Of what the node has.
    pub(super) per_mille: u64,
}

impl Row {
    fn new(workload: Workload, pools: &[Pool]) -> Self {
        Self {
            unused: unused(&workload, pools),
            workload,
            waited_ns_per_s: None,
            throttled_ns_per_s: None,
            waited: Series::of(KEPT),
            throttled: Series::of(KEPT),
            used: Series::of(KEPT),
        }
    }

    /// Goes on from the same workload's row before.
    fn follow(&mut self, last: Self, elapsed_ns: u64) {
        // One that was adopted anew counts from nothing again.
        let same = self.workload.age_ns >= last.workload.age_ns;
        let (was, is) = (&last.workload.signals, &self.workload.signals);
        let per_second = |was: Option<u64>, is: Option<u64>| {
            let more = is?.checked_sub(was?).filter(|_| same)?;
            let rate = u128::from(more) * 1_000_000_000 / u128::from(elapsed_ns.max(1));
            u64::try_from(rate).ok()
        };
        self.waited_ns_per_s = per_second(was.waited_ns, is.waited_ns);
        self.throttled_ns_per_s = per_second(was.throttled_ns, is.throttled_ns);
        (self.waited, self.throttled, self.used) = (last.waited, last.throttled, last.used);
    }

    /// Notes what it is now.
    fn note(&mut self) {
        let us = |ns: Option<u64>| ns.map(|ns| ns / 1_000);
        self.waited.push(us(self.waited_ns_per_s));
        self.throttled.push(us(self.throttled_ns_per_s));
        let used = self.workload.cpu.as_ref().map(|cpu| value(cpu.used));
        self.used.push(used.flatten());
    }
}

/// The rows of a sample, in the order of their paths; what was known of the same workloads goes on.
pub(super) fn next(
    last: Vec<Row>,
    mut workloads: Vec<Workload>,
    pools: &[Pool],
    elapsed_ns: u64,
) -> Vec<Row> {
    // They come like that.
    workloads.sort_by(|a, b| a.path.cmp(&b.path));
    let mut last = last.into_iter().peekable();
    let rows = workloads.into_iter().map(|workload| {
        let mut row = Row::new(workload, pools);
        while let Some(before) = last.peek() {
            match before.workload.path.cmp(&row.workload.path) {
                Ordering::Greater => break,
                Ordering::Less => drop(last.next()),
                Ordering::Equal => {
                    if let Some(before) = last.next() {
                        row.follow(before, elapsed_ns);
                    }
                    break;
                }
            }
        }
        row.note();
        row
    });
    rows.collect()
}

/// A finite amount in its own unit.
pub(super) const fn value(quantity: Quantity) -> Option<u64> {
    match quantity {
        Quantity::MicroCpus(value) | Quantity::Bytes(value) => Some(value),
        Quantity::Unlimited => None,
    }
}

/// Who has no limit holds nothing that others could have.
fn unused(workload: &Workload, pools: &[Pool]) -> Option<Unused> {
    let part = |resource, state: Option<&ResourceState>| {
        let state = state?;
        let idle = value(state.limit)?.saturating_sub(value(state.used)?);
        let pool = pools.iter().find(|pool| pool.resource == resource)?;
        let capacity = value(pool.capacity).filter(|capacity| *capacity > 0)?;
        let per_mille = u128::from(idle) * 1_000 / u128::from(capacity);
        Some(Unused {
            resource,
            per_mille: u64::try_from(per_mille).ok()?,
        })
    };
    let cpu = part(Resource::Cpu, workload.cpu.as_ref());
    let memory = part(Resource::Memory, workload.memory.as_ref());
    cpu.into_iter()
        .chain(memory)
        .max_by_key(|part| (part.per_mille, part.resource == Resource::Cpu))
}
