//! From integers to floating point and back, at the border of laws that calculate in floating point.

use crate::signal::Nanos;

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

/// `later - earlier` in ns, also where it is negative.
pub(super) fn between(later: Nanos, earlier: Nanos) -> f64 {
    if later >= earlier {
        float(later.since(earlier).0)
    } else {
        -float(earlier.since(later).0)
    }
}
