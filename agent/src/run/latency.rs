//! How many requests, or waits for a CPU, took longer than the objective of a workload's policy.

use trimtab_core::{decide::Objective, signal::Nanos, snapshot::LatencySignals};
use trimtab_ebpf::{RunqHist, TcpHist, bucket};

/// Two readings of a histogram: nothing ended before the first of them that would count. `None` where there is none.
pub(super) type Readings<'a, T> = (Option<&'a T>, Option<&'a T>);

/// What ended between two readings, and how much of it was late; `None` where nothing tells.
pub(super) fn since(
    objective: Objective,
    waits: Readings<'_, RunqHist>,
    requests: Readings<'_, TcpHist>,
) -> Option<LatencySignals> {
    match objective {
        Objective::Requests(within) => {
            let (last, now) = requests;
            let now = now?;
            Some(ended(&last.unwrap_or(now).answered, &now.answered, within))
        }
        Objective::Waits(within) => {
            let (last, now) = waits;
            let now = now?;
            let last = last.unwrap_or(now);
            let waiting = ended(&last.waiting, &now.waiting, within);
            Some(waiting.plus(ended(&last.throttled, &now.throttled, within)))
        }
    }
}

/// A bucket is a quarter wide. What lies in the objective's own counts as late: that errs to the safe side.
fn ended(last: &[u64], now: &[u64], within: Nanos) -> LatencySignals {
    let first_late = bucket(within.0).min(now.len().saturating_sub(1));
    let mut ended = LatencySignals::default();
    for (index, (last, now)) in last.iter().zip(now).enumerate() {
        let count = now.saturating_sub(*last);
        ended = ended.plus(LatencySignals {
            count,
            late: if index >= first_late { count } else { 0 },
        });
    }
    ended
}

#[cfg(test)]
mod tests {
    use super::*;

    const OBJECTIVE: Objective = Objective::Requests(Nanos(50_000_000));

    fn answered(times: &[(u64, u64)]) -> TcpHist {
        let mut hist = TcpHist::default();
        for (ms, count) in times {
            hist.answered[bucket(ms * 1_000_000)] += count;
        }
        hist
    }

    #[test]
    fn what_is_later_than_the_objective_is_late() {
        let last = answered(&[(1, 5), (80, 2)]);
        let now = answered(&[(1, 105), (30, 10), (50, 3), (80, 4), (3_600_000, 1)]);
        let signals = since(OBJECTIVE, (None, None), (Some(&last), Some(&now)));
        let (count, late) = (100 + 10 + 3 + 2 + 1, 3 + 2 + 1);
        assert_eq!(signals, Some(LatencySignals { count, late }));
    }

    #[test]
    fn the_first_reading_says_that_nothing_has_ended_and_none_says_nothing() {
        let now = answered(&[(80, 4)]);
        let first = since(OBJECTIVE, (None, None), (None, Some(&now)));
        assert_eq!(first, Some(LatencySignals::default()));
        assert_eq!(since(OBJECTIVE, (None, None), (Some(&now), None)), None);
    }

    #[test]
    fn waits_are_those_behind_others_and_those_throttled() {
        let mut now = RunqHist::default();
        now.waiting[bucket(1_000)] = 90;
        now.waiting[bucket(9_000_000)] = 4;
        now.throttled[bucket(70_000_000)] = 6;
        let last = RunqHist::default();
        let objective = Objective::Waits(Nanos(5_000_000));
        let signals = since(objective, (Some(&last), Some(&now)), (None, None));
        let (count, late) = (100, 10);
        assert_eq!(signals, Some(LatencySignals { count, late }));
    }
}
