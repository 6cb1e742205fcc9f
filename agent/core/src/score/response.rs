//! How a limit, or what is held, answers to a change of what is wanted: overshoot and settling time, as control
//! theory has them.

use crate::signal::Nanos;

/// A value over time: from when on it holds, in order.
pub type Steps = [(Nanos, u64)];

/// The answer to a change that comes to rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response {
    /// What it came to: the mean over the last tenth of the time since the change.
    pub settled: u64,
    /// By how much it went beyond that, in thousandths of it.
    pub overshoot: u64,
    /// How long after the change was complete it was within the band for good; `None` where that was not before
    /// the last tenth of the time.
    pub settling: Option<Nanos>,
}

/// Within so many thousandths of what it came to, a value has settled.
pub const BAND: u64 = 100;

impl Response {
    /// To a change that began and was complete at the two moments of `change`, watched up to `until`; `None` where
    /// nothing is left of the time.
    #[must_use]
    pub fn of(steps: &Steps, change: [Nanos; 2], until: Nanos) -> Option<Self> {
        let [began, changed] = change;
        let last = Nanos(until.0.saturating_sub(until.since(changed).0 / 10));
        let settled = Spread::of(steps, last, until)?.mean;
        let highest = Spread::of(steps, began, until)?.highest;
        let thousandths = |part: u64| {
            let part = u128::from(part) * 1000 / u128::from(settled.max(1));
            u64::try_from(part).unwrap_or(u64::MAX)
        };
        let outside = pieces(steps, changed, until)
            .filter(|(_, _, value)| thousandths(value.abs_diff(settled)) > BAND)
            .map(|(_, to, _)| to)
            .last();
        let settling = match outside {
            None => Some(Nanos(0)),
            Some(to) => (to <= last).then(|| to.since(changed)),
        };
        Some(Self {
            settled,
            overshoot: thousandths(highest.saturating_sub(settled)),
            settling,
        })
    }
}

/// Between which values one moves that does not come to rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread {
    /// The least.
    pub lowest: u64,
    /// Averaged over time, rounded down.
    pub mean: u64,
    /// The most.
    pub highest: u64,
}

impl Spread {
    /// From a moment to another; `None` where there is nothing between.
    #[must_use]
    pub fn of(steps: &Steps, from: Nanos, until: Nanos) -> Option<Self> {
        let mut values = pieces(steps, from, until).map(|(_, _, value)| value);
        let first = values.next()?;
        let bounds = (first, first);
        let (lowest, highest) = values.fold(bounds, |(lowest, highest), value| {
            (lowest.min(value), highest.max(value))
        });
        let (sum, time) =
            pieces(steps, from, until).fold((0, 0), |(sum, time), (from, to, value)| {
                let long = u128::from(to.since(from).0);
                (sum + long * u128::from(value), time + long)
            });
        Some(Self {
            lowest,
            mean: u64::try_from(sum / time).unwrap_or(u64::MAX),
            highest,
        })
    }
}

/// What of the steps lies between two moments: from, to and value, none of them without length.
fn pieces(
    steps: &Steps,
    from: Nanos,
    until: Nanos,
) -> impl Iterator<Item = (Nanos, Nanos, u64)> + '_ {
    let ends = steps.iter().skip(1).map(|(at, _)| *at).chain([until]);
    let pieces = steps
        .iter()
        .zip(ends)
        .map(move |((at, value), to)| (from.max(*at), until.min(to), *value));
    pieces.filter(|(from, to, _)| from < to)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// At which time which value.
    fn steps(steps: &[(u64, u64)]) -> Vec<(Nanos, u64)> {
        steps
            .iter()
            .map(|(at, value)| (Nanos(*at), *value))
            .collect()
    }

    fn response(values: &[(u64, u64)], change: [u64; 2], until: u64) -> Option<Response> {
        Response::of(&steps(values), change.map(Nanos), Nanos(until))
    }

    #[test]
    fn an_answer_that_goes_too_far_and_comes_back() {
        let values = [(0, 100), (110, 300), (130, 150), (150, 205), (170, 200)];
        let wanted = Response {
            settled: 200,
            overshoot: 500,
            // 150 is outside, 205 within a tenth.
            settling: Some(Nanos(50)),
        };
        assert_eq!(response(&values, [100, 100], 1100), Some(wanted));
    }

    #[test]
    fn of_a_ramp_the_overshoot_counts_from_its_beginning_and_settling_from_its_end() {
        let values = [(0, 100), (110, 260), (150, 180), (220, 200)];
        let found = response(&values, [100, 200], 1200).unwrap();
        assert_eq!((found.overshoot, found.settling), (300, Some(Nanos(0))));
        let late = [(0, 100), (210, 200)];
        let found = response(&late, [100, 200], 1200).unwrap();
        assert_eq!((found.overshoot, found.settling), (0, Some(Nanos(10))));
    }

    #[test]
    fn what_still_swings_in_the_last_tenth_has_not_settled() {
        let swings: Vec<_> = (0..20).map(|n| (n * 10, 100 + n % 2 * 100)).collect();
        let found = response(&swings, [0, 0], 200).unwrap();
        assert_eq!((found.settled, found.settling), (150, None));
        assert_eq!(found.overshoot, 333);
    }

    #[test]
    fn what_never_moves_has_settled_at_once() {
        let found = response(&[(0, 100)], [50, 50], 150).unwrap();
        assert_eq!(
            (found.settled, found.overshoot, found.settling),
            (100, 0, Some(Nanos(0)))
        );
        assert_eq!(response(&[(0, 100)], [50, 50], 50), None);
        assert_eq!(response(&[], [0, 0], 50), None);
    }

    #[test]
    fn a_spread_weighs_by_time() {
        let values = steps(&[(0, 100), (10, 400), (40, 200)]);
        let wanted = Spread {
            lowest: 100,
            mean: (5 * 100 + 30 * 400 + 10 * 200) / 45,
            highest: 400,
        };
        assert_eq!(Spread::of(&values, Nanos(5), Nanos(50)), Some(wanted));
        assert_eq!(Spread::of(&values, Nanos(50), Nanos(50)), None);
    }
}
