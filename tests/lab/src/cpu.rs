//! Using an exact amount of CPU time.

use std::{hint, time::Duration};

use rustix::time::{ClockId, clock_gettime};

/// Iterations between two looks at the clock: some microseconds, so that the looking itself stays cheap.
const BATCH: u32 = 2_000;

/// The CPU time that this thread has used since it started.
#[must_use]
pub fn used() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    // The kernel's thread clock is never negative, and its nanoseconds stay below a second.
    let (seconds, nanos) = (time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs());
    Duration::from_secs(seconds) + Duration::from_nanos(nanos)
}

/// Computes until this thread has used that much CPU time, however long that takes on the wall clock.
///
/// Time in which the thread waits, throttled or behind others, does not count.
pub fn spend(amount: Duration) {
    spend_until(used() + amount);
}

/// Computes until the CPU time of this thread's whole life comes to `end`.
pub fn spend_until(end: Duration) {
    while used() < end {
        for number in 0..BATCH {
            hint::black_box(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spends_what_it_was_told() {
        // What a hypervisor steals may be booked on whoever runs.
        let spent = (0..5).map(|_| {
            let before = used();
            spend(Duration::from_millis(20));
            used().saturating_sub(before)
        });
        let spent = spent.min().unwrap_or_default();
        assert!(spent >= Duration::from_millis(20));
        assert!(spent < Duration::from_millis(25), "{spent:?}");
    }
}
