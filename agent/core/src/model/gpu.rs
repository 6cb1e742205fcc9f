//! Whether a GPU idles while those who feed it wait for a CPU.

use crate::signal::Nanos;

/// Use of a device, in percent, up to which it idles: what the driver itself does is less.
const IDLE_PERCENT: u32 = 5;
/// Waiting, in percent of the time, from which on a workload waits: a tenth of one task's time.
const WAITING_PERCENT: u64 = 10;
/// For how long both must hold: the driver's samples are up to a second old, and a job that has
/// just begun idles its device in any case.
const LASTS: Nanos = Nanos(3 * Nanos::SECOND.0);

/// One tick of a device, and of one workload that has memory on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GpuTick {
    /// When it ended.
    pub time: Nanos,
    /// How long it was.
    pub elapsed: Nanos,
    /// Part of the time in which the device ran anything, whoever's; `None` where it is not known.
    pub used_percent: Option<u32>,
    /// For how long the workload waited for a CPU, behind others or throttled, summed over tasks.
    pub waited: Nanos,
}

impl GpuTick {
    fn waits(&self) -> bool {
        let waited = u128::from(self.waited.0) * 100;
        let least = u128::from(self.elapsed.0) * u128::from(WAITING_PERCENT);
        self.used_percent.is_some_and(|used| used <= IDLE_PERCENT)
            && self.elapsed > Nanos(0)
            && waited >= least
    }
}

/// What is known of one workload on one device over time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GpuWait {
    /// When the device began to idle while the workload waited.
    since: Option<Nanos>,
    waits: bool,
}

impl GpuWait {
    /// Takes one tick in.
    pub fn push(&mut self, tick: &GpuTick) {
        if !tick.waits() {
            *self = Self::default();
            return;
        }
        let began = Nanos(tick.time.0.saturating_sub(tick.elapsed.0));
        let since = *self.since.get_or_insert(began);
        self.waits = tick.time.since(since) >= LASTS;
    }

    /// Whether the device waits for a CPU: more CPU would help, more GPU would not.
    #[must_use]
    pub const fn waits(&self) -> bool {
        self.waits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Option<u32> = Some(0);
    const LONG: Nanos = Nanos(500 * Nanos::MILLI.0);

    /// Second after second with this use and waiting; in each, whether the device waits.
    fn seconds(ticks: &[(Option<u32>, Nanos)]) -> Vec<bool> {
        let mut wait = GpuWait::default();
        let mut time = Nanos(7 * Nanos::MINUTE.0);
        let push = |&(used_percent, waited): &(Option<u32>, Nanos)| {
            time = time.plus(Nanos::SECOND);
            wait.push(&GpuTick {
                time,
                elapsed: Nanos::SECOND,
                used_percent,
                waited,
            });
            wait.waits()
        };
        ticks.iter().map(push).collect()
    }

    #[test]
    fn an_idle_device_whose_workload_waits() {
        let said = seconds(&[(IDLE, LONG); 5]);
        assert_eq!(said, [false, false, true, true, true]);
    }

    #[test]
    fn the_thresholds_are_within() {
        let tenth = Nanos(100 * Nanos::MILLI.0);
        assert!(seconds(&[(Some(5), tenth); 3])[2]);
        assert!(!seconds(&[(Some(6), tenth); 3])[2], "the device is in use");
        assert!(!seconds(&[(Some(5), Nanos(tenth.0 - 1)); 3])[2]);
        assert!(!seconds(&[(IDLE, Nanos(0)); 3])[2], "nothing to do");
    }

    #[test]
    fn one_good_second_begins_it_afresh() {
        let (bad, good) = ((IDLE, LONG), (Some(90), LONG));
        let said = seconds(&[bad, bad, bad, good, bad, bad, bad]);
        assert_eq!(said, [false, false, true, false, false, false, true]);
    }

    #[test]
    fn nothing_is_said_where_use_is_not_known() {
        assert_eq!(seconds(&[(None, LONG); 4]), [false; 4]);
    }

    #[test]
    fn one_long_tick_is_enough_and_an_empty_one_is_none() {
        let tick = GpuTick {
            time: Nanos::MINUTE,
            elapsed: Nanos(10 * Nanos::SECOND.0),
            used_percent: IDLE,
            waited: Nanos(u64::MAX),
        };
        let mut wait = GpuWait::default();
        wait.push(&GpuTick {
            elapsed: Nanos(0),
            ..tick
        });
        assert!(!wait.waits());
        wait.push(&tick);
        assert!(wait.waits());
    }
}
