//! The unit in which CPU time is counted: exact, so that nothing is lost between two events.

use crate::signal::{Amount, Nanos};

/// One nanosecond of one CPU in units of work: micro-CPUs times nanoseconds.
pub(super) const PER_NANO: u64 = 1_000_000;

/// A moment that does not come.
pub(super) const NEVER: Nanos = Nanos(u64::MAX);

/// CPU time as work.
pub(super) fn work(time: Nanos) -> u128 {
    u128::from(time.0) * u128::from(PER_NANO)
}

/// What a rate in micro-CPUs comes to in a time.
pub(super) fn done(rate: u64, time: u64) -> u128 {
    u128::from(rate) * u128::from(time)
}

/// Work as CPU time, rounded down.
pub(super) fn nanos(work: u128) -> Nanos {
    Nanos(clip(work / u128::from(PER_NANO)))
}

/// The nearest `u64`.
pub(super) fn clip(value: u128) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

/// When work is done that goes on at this rate: the first whole nanosecond; never at no rate.
pub(super) fn finish(now: Nanos, left: u128, rate: u64) -> Nanos {
    match (u64::try_from(left), rate) {
        (_, 0) => NEVER,
        (Ok(left), _) => now.plus(Nanos(left.div_ceil(rate))),
        (Err(_), _) => now.plus(Nanos(clip(left.div_ceil(u128::from(rate))))),
    }
}

/// An amount, where unlimited counts as the whole.
pub(super) fn within(amount: Amount, whole: Amount) -> u64 {
    amount.0.min(whole.0)
}
