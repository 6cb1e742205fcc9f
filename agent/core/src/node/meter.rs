//! What a workload has come to: the totals that scores are made of.

use hdrhistogram::Histogram;

use crate::signal::{Amount, Nanos, Resource};

use super::work::{clip, done, nanos};

/// Totals of one workload since its first start. Times in which it was away after a kill count as its time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Meter {
    /// How long it has been looked at.
    pub(super) time: u64,
    pub(super) used: u128,
    pub(super) wanted: u128,
    pub(super) lost: u128,
    /// Work and requests that were lost when it ended for good.
    pub(super) left: (u128, u64),
    pub(super) backlog: u128,
    pub(super) waited: u128,
    /// Twice the integral of the backlog.
    pub(super) arrears: i128,
    pub(super) throttled: u128,
    pub(super) throttled_wall: u64,
    pub(super) limits: [u128; 2],
    pub(super) held: [u128; 2],
    pub(super) memory: u128,
    /// Writes of limits, and how many of them went the other way than the one before.
    writes: [Writes; 2],
    pub(super) other_writes: u64,
    latency: Option<Histogram<u64>>,
    /// Requests that were answered later than the controller's objective.
    pub(super) late: u64,
    pub(super) lost_requests: u64,
    pub(super) periods: u64,
    pub(super) throttled_periods: u64,
    pub(super) oom_kills: u64,
    pub(super) restarts: u64,
    pub(super) refaults: u64,
    pub(super) stalled: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Writes {
    count: u64,
    turns: u64,
    rose: Option<bool>,
}

/// Latencies from one microsecond to an hour, to two digits.
const LONGEST_US: u64 = 3_600_000_000;

impl Meter {
    /// How long it has been looked at.
    #[must_use]
    pub fn time(&self) -> Nanos {
        Nanos(self.time)
    }

    /// CPU time that it used.
    #[must_use]
    pub fn used(&self) -> Nanos {
        nanos(self.used)
    }

    /// CPU time that it wanted.
    #[must_use]
    pub fn wanted(&self) -> Nanos {
        nanos(self.wanted)
    }

    /// CPU time that it wanted and did not get: still waiting for it, or lost when it was killed.
    #[must_use]
    pub fn shortfall(&self) -> Nanos {
        nanos(self.wanted.saturating_sub(self.used))
    }

    /// CPU time that was wanted by what died with a kill or a restart.
    #[must_use]
    pub fn lost(&self) -> Nanos {
        nanos(self.lost)
    }

    /// CPU time that it still wants.
    #[must_use]
    pub fn backlog(&self) -> Nanos {
        nanos(self.backlog)
    }

    /// How long a unit of its work was in arrears on average, by Little's law.
    #[must_use]
    pub fn mean_delay(&self) -> Nanos {
        let integral = self.arrears.max(0).cast_unsigned() / 2;
        Nanos(clip(integral / self.used.max(1)))
    }

    /// Time that its threads waited behind others, summed over threads.
    #[must_use]
    pub fn waited(&self) -> Nanos {
        nanos(self.waited)
    }

    /// Time for which it was throttled, summed over the CPUs on which it had something to run, as the
    /// kernel counts it.
    #[must_use]
    pub fn throttled(&self) -> Nanos {
        Nanos(clip(self.throttled))
    }

    /// Time for which it was throttled, by the clock on the wall.
    #[must_use]
    pub fn throttled_wall(&self) -> Nanos {
        Nanos(self.throttled_wall)
    }

    /// Periods in which it ran or wanted to.
    #[must_use]
    pub fn periods(&self) -> u64 {
        self.periods
    }

    /// Periods that ended while it was throttled.
    #[must_use]
    pub fn throttled_periods(&self) -> u64 {
        self.throttled_periods
    }

    /// The limit, averaged over time; unlimited counts as all that the node has.
    #[must_use]
    pub fn mean_limit(&self, resource: Resource) -> Amount {
        Amount(self.mean(self.limits[resource.index()]))
    }

    /// What the controller held for it, averaged over time.
    #[must_use]
    pub fn mean_held(&self, resource: Resource) -> Amount {
        Amount(self.mean(self.held[resource.index()]))
    }

    /// What it used, averaged over time: micro-CPUs or bytes.
    #[must_use]
    pub fn mean_use(&self, resource: Resource) -> Amount {
        Amount(self.mean(self.used_time(resource)))
    }

    /// What the controller held for it, summed over time: micro-CPU nanoseconds or byte nanoseconds.
    #[must_use]
    pub fn held_time(&self, resource: Resource) -> u128 {
        self.held[resource.index()]
    }

    /// What it used, summed over time: micro-CPU nanoseconds or byte nanoseconds.
    #[must_use]
    pub fn used_time(&self, resource: Resource) -> u128 {
        match resource {
            Resource::Cpu => self.used,
            Resource::Memory => self.memory,
        }
    }

    /// What it wanted, in micro-CPU nanoseconds: all that it used, that was lost, and that it still wants.
    #[must_use]
    pub fn wanted_work(&self) -> u128 {
        self.wanted
    }

    /// Of what was lost that which still waited when the workload ended for good, in micro-CPU nanoseconds.
    #[must_use]
    pub fn left_work(&self) -> u128 {
        self.left.0
    }

    /// Requests that were not answered when the workload ended for good; they count as lost as well.
    #[must_use]
    pub fn left_requests(&self) -> u64 {
        self.left.1
    }

    /// What was wanted by what died with a kill, a restart or the workload's end, in micro-CPU nanoseconds.
    #[must_use]
    pub fn lost_work(&self) -> u128 {
        self.lost
    }

    /// What it still wants, in micro-CPU nanoseconds.
    #[must_use]
    pub fn backlog_work(&self) -> u128 {
        self.backlog
    }

    /// Twice the integral of the backlog over time, in micro-CPU square nanoseconds.
    #[must_use]
    pub fn arrears(&self) -> i128 {
        self.arrears
    }

    fn mean(&self, integral: u128) -> u64 {
        clip(integral / u128::from(self.time.max(1)))
    }

    /// Writes of its limit (`cpu.max` or `memory.max`).
    #[must_use]
    pub fn writes(&self, resource: Resource) -> u64 {
        self.writes[resource.index()].count
    }

    /// Writes of anything else.
    #[must_use]
    pub fn other_writes(&self) -> u64 {
        self.other_writes
    }

    /// How many writes of its limit went the other way than the one before.
    #[must_use]
    pub fn turns(&self, resource: Resource) -> u64 {
        self.writes[resource.index()].turns
    }

    /// Requests that were answered.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.latency.as_ref().map_or(0, Histogram::len)
    }

    /// Requests that died with a kill or a restart, or came while it was away.
    #[must_use]
    pub fn lost_requests(&self) -> u64 {
        self.lost_requests
    }

    /// The latency that this share of its requests did not exceed, in thousandths, to two digits.
    #[must_use]
    pub fn latency(&self, permille: u32) -> Option<Nanos> {
        let histogram = self.latency.as_ref()?;
        let us = histogram.value_at_quantile(f64::from(permille) / 1000.0);
        Some(Nanos(us * 1000))
    }

    /// All latencies in us.
    #[must_use]
    pub fn latencies(&self) -> Option<&Histogram<u64>> {
        self.latency.as_ref()
    }

    /// How often it was killed for want of memory.
    #[must_use]
    pub fn oom_kills(&self) -> u64 {
        self.oom_kills
    }

    /// How often it started again.
    #[must_use]
    pub fn restarts(&self) -> u64 {
        self.restarts
    }

    /// Pages that were dropped and came back.
    #[must_use]
    pub fn refaults(&self) -> u64 {
        self.refaults
    }

    /// Time for which it stalled on memory.
    #[must_use]
    pub fn stalled(&self) -> Nanos {
        Nanos(self.stalled)
    }

    /// Time passes with these limits and this held, in micro-CPUs and bytes.
    pub(super) fn hold(&mut self, time: u64, limits: [u64; 2], held: [u64; 2]) {
        self.time += time;
        for index in 0..2 {
            self.limits[index] += done(limits[index], time);
            self.held[index] += done(held[index], time);
        }
    }

    pub(super) fn wrote(&mut self, resource: Resource, from: Amount, to: Amount) {
        let writes = &mut self.writes[resource.index()];
        writes.count += 1;
        if from != to {
            let rose = to > from;
            writes.turns += u64::from(writes.rose.is_some_and(|before| before != rose));
            writes.rose = Some(rose);
        }
    }

    pub(super) fn answer(&mut self, latency: Nanos, objective: Option<Nanos>) {
        self.late += u64::from(objective.is_some_and(|objective| latency > objective));
        if self.latency.is_none() {
            // The bounds are constant and valid.
            self.latency = Histogram::new_with_bounds(1, LONGEST_US, 2).ok();
        }
        if let Some(histogram) = &mut self.latency {
            histogram.saturating_record((latency.0 / 1000).max(1));
        }
    }
}
