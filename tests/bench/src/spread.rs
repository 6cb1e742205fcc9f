//! What many measurements of one thing come to.

use serde::Serialize;

/// The middle of many values, and how far they lie apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Spread {
    /// A quarter lies below this.
    pub(crate) p25: f64,
    /// Half lies below this.
    pub(crate) median: f64,
    /// Three quarters lie below this.
    pub(crate) p75: f64,
}

impl Spread {
    /// The spread of these values; all zero without any.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        Self {
            p25: quantile(&sorted, 0.25),
            median: quantile(&sorted, 0.50),
            p75: quantile(&sorted, 0.75),
        }
    }
}

/// The value below which this share of the sorted values lies, between the nearest two.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return 0.0;
    };
    let place = count(last) * share;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and the number of values"
    )]
    let below = place.floor() as usize;
    let above = (below + 1).min(last);
    sorted[below] + (sorted[above] - sorted[below]) * place.fract()
}

/// A number of things as a factor.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts and times stay far below 2^53"
)]
pub(crate) const fn count(number: usize) -> f64 {
    number as f64
}

/// The same for the kernel's counters.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts and times stay far below 2^53"
)]
pub(crate) const fn number(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_between_the_values() {
        assert_eq!(
            Spread::of([4.0, 1.0, 3.0, 2.0, 5.0]),
            Spread {
                p25: 2.0,
                median: 3.0,
                p75: 4.0
            }
        );
        assert!((quantile(&[1.0, 2.0], 0.99) - 1.99).abs() < 1e-9);
        assert!(Spread::of([]).median.abs() < f64::EPSILON);
    }
}
