//! Whether a stretch of time was good enough for a workload.

use crate::{node::Meter, signal::Resource};

use super::Rules;

/// Looks at the end of each window at what has become of a workload in it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Windows {
    last: Totals,
    pub(super) count: u64,
    pub(super) violated: u64,
}

/// What a meter had come to.
#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    time: u64,
    used: u128,
    lost: u128,
    arrears: i128,
    answered: u64,
    late: u64,
    lost_requests: u64,
    oom_kills: u64,
    stalled: u64,
}

impl Totals {
    fn of(meter: &Meter, rules: &Rules) -> Self {
        let answered = meter.answered();
        let in_time = meter.latencies().map_or(0, |latencies| {
            latencies.count_between(0, rules.objective.0 / 1000)
        });
        Self {
            time: meter.time().0,
            used: meter.used_time(Resource::Cpu),
            lost: meter.lost_work() - meter.left_work(),
            arrears: meter.arrears(),
            answered,
            late: answered.saturating_sub(in_time),
            lost_requests: meter.lost_requests() - meter.left_requests(),
            oom_kills: meter.oom_kills(),
            stalled: meter.stalled().0,
        }
    }
}

impl Windows {
    /// A window ends.
    pub(super) fn end(&mut self, meter: &Meter, rules: &Rules) {
        let (last, now) = (self.last, Totals::of(meter, rules));
        self.last = now;
        let time = now.time - last.time;
        if time == 0 {
            return;
        }
        let used = now.used - last.used;
        let arrears = now.arrears - last.arrears;
        let answered = now.answered - last.answered;
        let late = now.late - last.late;
        let slow = if now.answered + now.lost_requests > 0 {
            late * 100 > answered
        } else {
            let done = i128::try_from(used).unwrap_or(i128::MAX);
            arrears > done.saturating_mul(2 * i128::from(rules.objective.0))
        };
        let stuck = used == 0 && arrears > 0;
        let died = now.lost > last.lost
            || now.lost_requests > last.lost_requests
            || now.oom_kills > last.oom_kills;
        let stalled = (now.stalled - last.stalled) * 10 > time;
        self.count += 1;
        self.violated += u64::from(slow || stuck || died || stalled);
    }
}
