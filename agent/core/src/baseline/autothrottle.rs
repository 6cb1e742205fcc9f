//! How Autothrottle's worker daemon looks and writes, the same for all of its scalers.
//!
//! Source: `worker-daemon.py` of microsoft/autothrottle at d237d7f (2023-09-16). It reads the counters of
//! all groups 3 ms before each full 100 ms and writes what has changed at once.

use crate::node::Write;
use crate::signal::{Amount, Nanos, Resource, Slot};

/// Between two looks.
pub(super) const INTERVAL: Nanos = Nanos(100 * Nanos::MILLI.0);
/// The counters are read this long before a period ends, so that the limit stands when the next begins.
pub(super) const DELAY: Nanos = Nanos(3 * Nanos::MILLI.0);
/// How much earlier than due a scaler may act: the loop's own slack.
pub(super) const SLACK: Nanos = Nanos(Nanos::MILLI.0 / 10);
/// With what its authors start every scaler in their evaluation (`evaluation.py` at 9801b9f), in CPUs:
/// all of a node's.
pub(super) const INITIAL: f64 = 32.0;

/// The least that is set, in CPUs: the kernel refuses a quota below 1 ms.
const LEAST: f64 = 0.01;
/// A smaller change is not written, in CPUs.
const SMALLEST: f64 = 0.000_01;
/// The period that it sets, in us.
const PERIOD: f64 = 100_000.0;

/// The limit of one group as it was last written.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Written {
    cores: Option<f64>,
}

impl Written {
    /// Writes `limit` (CPUs) for a group that has just come to be: it is a pod's, which outlives its
    /// containers, so that a new start does not undo it.
    pub(super) fn begin(&mut self, slot: Slot, limit: f64, out: &mut Vec<Write>) {
        self.cores = Some(self.cores.unwrap_or(limit));
        self.again(slot, out);
    }

    /// Writes `limit` (CPUs) unless it stands.
    pub(super) fn write(&mut self, slot: Slot, limit: f64, out: &mut Vec<Write>) {
        let limit = limit.max(LEAST);
        if self
            .cores
            .is_none_or(|cores| (limit - cores).abs() >= SMALLEST)
        {
            self.cores = Some(limit);
            self.again(slot, out);
        }
    }

    /// Writes what was written last once more.
    fn again(self, slot: Slot, out: &mut Vec<Write>) {
        out.push(Write::Limit {
            slot,
            resource: Resource::Cpu,
            to: self.amount(),
        });
    }

    /// What stands, as the kernel has it: whole us of each period.
    pub(super) fn amount(self) -> Amount {
        self.cores.map_or(Amount::UNLIMITED, |cores| {
            Amount(super::number::whole((cores * PERIOD).round_ties_even()) * 10)
        })
    }
}
