//! Need that one node cannot meet: how many instances would, and how much each should get of the load.
//!
//! Both are signals for whoever scales and balances; nothing here acts on them.

use super::minute::Minute;
use super::recent::Recent;
use crate::signal::Amount;
use crate::snapshot::LatencySignals;
use serde::Serialize;

/// In how many of how many minutes need must be beyond reach; it is over when none of them is any more.
const LOOK: u32 = 5;
const OFTEN: u32 = 4;

/// Need must be this part beyond, or more.
const PART: u64 = 20;

/// From this much of its reach in use on, percent, waiting for a CPU is need as well.
const FULL: u32 = 95;

/// An instance that could have less than this counts as if it had it: a tenth of a CPU.
const LEAST: Amount = Amount(100_000);

/// So many of a thousand may be late under a latency objective: 99 of 100 are to meet it.
const LATE: u64 = 10;

/// More instances are needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Hint {
    /// What it needs.
    pub demand: Amount,
    /// What it can have here at most.
    pub capacity: Amount,
    /// How many instances there should be for each of today's.
    pub instances: u32,
    /// In how many of the last five minutes it needed more.
    pub minutes: u32,
}

/// How many instances there should be where there are `now`, each of which needs `demand` and can have `capacity`:
/// `now + alpha x now x (demand - capacity)`, rounded up. Alpha is in instances per CPU: its inverse is `each`, what one more
/// instance adds.
#[must_use]
pub fn instances(now: u32, demand: Amount, capacity: Amount, each: Amount) -> u32 {
    let missing = demand.0.saturating_sub(capacity.0);
    let missing = u128::from(missing) * u128::from(now);
    let more = missing.div_ceil(u128::from(each.0.max(1)));
    now.saturating_add(u32::try_from(more).unwrap_or(u32::MAX))
}

/// How much of the load an instance should get beside others of its kind: its headroom in hundredths of a CPU; where more
/// than one of 100 answers is late, in proportion less; at least 1, so that it is not forgotten.
#[must_use]
pub fn weight(need: Amount, capacity: Amount, latency: LatencySignals) -> u32 {
    let headroom = u128::from(capacity.0.saturating_sub(need.0) / 10_000);
    let (count, late) = (u128::from(latency.count), u128::from(latency.late));
    let allowed = count * u128::from(LATE);
    let weight = if late * 1_000 > allowed {
        headroom * allowed / (late * 1_000)
    } else {
        headroom
    };
    u32::try_from(weight).unwrap_or(u32::MAX).max(1)
}

/// Looks for need beyond reach.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Beyond {
    recent: Recent,
    short: bool,
    demand: Amount,
    capacity: Amount,
}

impl Beyond {
    /// Takes a minute in, in which it could have had `reach` of the node's CPU.
    pub(super) fn push(&mut self, minute: &Minute, reach: Amount) {
        let demand = demand(minute, reach);
        let beyond = demand.0 >= reach.0.saturating_add(reach.0 / PART) && demand > LEAST;
        if beyond {
            (self.demand, self.capacity) = (demand, reach);
        }
        self.recent.push(beyond);
        let count = self.recent.count(LOOK);
        self.short = count >= OFTEN || self.short && count > 0;
    }

    /// What is found now.
    pub(super) fn found(&self) -> Option<Hint> {
        self.short.then(|| Hint {
            demand: self.demand,
            capacity: self.capacity,
            instances: instances(1, self.demand, self.capacity, self.capacity.max(LEAST)),
            minutes: self.recent.count(LOOK),
        })
    }
}

/// What it would use if it were alone. No limit throttles where there is none, but tasks wait; that is no more than twice
/// what they use, as with throttling.
fn demand(minute: &Minute, reach: Amount) -> Amount {
    let Some(cpu) = &minute.cpu else {
        return Amount::ZERO;
    };
    let (used, need) = (cpu.used(), cpu.need());
    if used < reach.percent(FULL) {
        return need;
    }
    need.max(used.plus(minute.waited()).min(used.percent(200)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::{Nanos, Slot};
    use crate::snapshot::{CpuSignals, WorkloadSignals};

    const REACH: Amount = Amount(2_000_000);

    fn minute(used: u64, throttled: u64, waiting: u64) -> Minute {
        let mut minute = Minute::new(Nanos(0), Slot(0));
        for second in 1..=60 {
            let cpu = CpuSignals {
                used: Amount(used),
                periods: 10,
                throttled,
                wait_ns: waiting * Nanos::SECOND.0,
                ..CpuSignals::default()
            };
            let signals = WorkloadSignals {
                cpu: Some(cpu),
                ..WorkloadSignals::default()
            };
            minute.push(Nanos(second * Nanos::SECOND.0), &signals);
        }
        minute
    }

    #[test]
    fn instances_are_rounded_up() {
        let cpus = |milli: u64| Amount(milli * 1_000);
        let table = [
            // now, demand, capacity, each, instances
            (1, 2_000, 2_000, 2_000, 1),
            (1, 2_001, 2_000, 2_000, 2),
            (1, 4_000, 2_000, 2_000, 2),
            (1, 4_001, 2_000, 2_000, 3),
            (3, 3_000, 2_000, 2_000, 5),
            (3, 3_000, 2_000, 500, 9),
            (2, 1_000, 2_000, 2_000, 2),
        ];
        for (now, demand, capacity, each, expected) in table {
            let found = instances(now, cpus(demand), cpus(capacity), cpus(each));
            assert_eq!(found, expected, "{now} {demand} {capacity} {each}");
        }
        assert_eq!(
            instances(1, Amount(u64::MAX), Amount(0), Amount(0)),
            u32::MAX
        );
    }

    #[test]
    fn minutes_of_need_beyond_reach_are_told() {
        let mut beyond = Beyond::default();
        let mut all = Vec::new();
        for number in 0..20 {
            let throttled = if number < 10 { 5 } else { 0 };
            beyond.push(&minute(2_000_000, throttled, 0), REACH);
            all.push(beyond.found());
        }
        let lasts: Vec<_> = (0..20).filter(|minute| all[*minute].is_some()).collect();
        assert_eq!((lasts[0], *lasts.last().unwrap(), lasts.len()), (3, 13, 11));
        let hint = all[9].unwrap();
        assert_eq!((hint.demand, hint.instances), (Amount(3_000_000), 2));
    }

    #[test]
    fn waiting_counts_where_the_node_is_full_and_no_more_than_twice() {
        let demands = [(2_000_000, 1), (2_000_000, 9), (1_000_000, 9)]
            .map(|(used, waiting)| demand(&minute(used, 0, waiting), REACH));
        assert_eq!(
            demands,
            [Amount(3_000_000), Amount(4_000_000), Amount(1_000_000)]
        );
    }

    #[test]
    fn a_weight_is_headroom_less_lateness() {
        let latency = |count, late| LatencySignals { count, late };
        let weigh = |need, latency| weight(Amount(need), REACH, latency);
        assert_eq!(weigh(500_000, LatencySignals::default()), 150);
        assert_eq!(weigh(500_000, latency(1_000, 10)), 150, "within it");
        assert_eq!(weigh(500_000, latency(1_000, 40)), 37, "four times as many");
        assert_eq!(weigh(9_000_000, latency(10, 10)), 1, "never nothing");
    }
}
