//! From integers to floating point and back, at the border of laws that calculate in floating point.

use crate::signal::{Amount, Nanos};

/// The least CPU limit that the kernel takes: 1 ms of each 100 ms.
pub(super) const LEAST_CPU: Amount = Amount(10_000);

/// The nearest float: exact below 2^53.
#[expect(clippy::cast_precision_loss, reason = "the laws calculate in f64")]
pub(super) const fn float(value: u64) -> f64 {
    value as f64
}

/// Rounded towards zero; 0 for what is negative or no number.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturating is what is wanted"
)]
pub(super) const fn whole(value: f64) -> u64 {
    value as u64
}

/// CPUs, of micro-CPUs.
pub(super) fn cores(amount: Amount) -> f64 {
    float(amount.0) / 1e6
}

/// CPUs used on average, given CPU time and the time in which it was used; 0 for no time.
pub(super) fn rate(used: Nanos, during: Nanos) -> f64 {
    if during.0 == 0 {
        return 0.0;
    }
    float(used.0) / float(during.0)
}

/// `later - earlier` in ns, also where it is negative.
pub(super) fn between(later: Nanos, earlier: Nanos) -> f64 {
    if later >= earlier {
        float(later.since(earlier).0)
    } else {
        -float(earlier.since(later).0)
    }
}

/// `amount * numerator / denominator`, rounded down, saturating.
pub(super) fn scaled(amount: u64, numerator: u64, denominator: u64) -> u64 {
    let product = u128::from(amount) * u128::from(numerator) / u128::from(denominator.max(1));
    u64::try_from(product).unwrap_or(u64::MAX)
}
