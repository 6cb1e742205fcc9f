//! Whether two rows of ticks differ by more than the noise within them.
//!
//! The rank-sum test of Mann and Whitney (Annals of Mathematical Statistics 18, 1947), with the
//! normal approximation corrected for ties (Lehmann, Nonparametrics, 1975, section 1.3). It asks
//! only which of two ticks is larger, so that it needs to know nothing of how signals are
//! distributed: most ticks are not throttled at all, and a few are for long.

use super::signals::WINDOW;
use std::cmp::Ordering;

/// Fewer ticks on a side say nothing: the normal approximation does not hold for them.
pub(super) const FEWEST: usize = 5;

/// How the row after stands to the row before: [`Ordering::Equal`] unless it is larger or smaller by
/// more than two standard deviations, which chance alone does once in 44 times on each side if ticks
/// are independent. Ticks of one load resemble each other, so that it happens somewhat more often.
pub(super) fn shift(
    before: impl Iterator<Item = u64>,
    after: impl Iterator<Item = u64>,
) -> Option<Ordering> {
    let (before, first) = collect(before);
    let (after, second) = collect(after);
    let (before, after) = (&before[..first], &after[..second]);
    if first < FEWEST || second < FEWEST {
        return None;
    }
    let pairs = before
        .iter()
        .flat_map(|one| after.iter().map(move |other| other.cmp(one)));
    // Wins less defeats of the row after: 2 U - n m.
    let balance: i64 = pairs
        .map(|order| match order {
            Ordering::Less => -1,
            Ordering::Equal => 0,
            Ordering::Greater => 1,
        })
        .sum();
    let all = (first + second) as u64;
    // The variance of U is n m / 12 (N + 1 - ties / (N (N - 1))), and balance is 2 U - n m.
    let spread = (all + 1) * all * (all - 1) - ties(before, after);
    let beyond =
        3 * balance.unsigned_abs().pow(2) * all * (all - 1) >= 4 * (first * second) as u64 * spread;
    Some(if beyond {
        balance.cmp(&0)
    } else {
        Ordering::Equal
    })
}

/// Of each value that comes t times, t³ - t.
fn ties(before: &[u64], after: &[u64]) -> u64 {
    let all = || before.iter().chain(after);
    // Each of the t counts t² - 1.
    all()
        .map(|value| (all().filter(|other| *other == value).count() as u64).pow(2) - 1)
        .sum()
}

fn collect(values: impl Iterator<Item = u64>) -> ([u64; WINDOW as usize], usize) {
    let mut row = [0; WINDOW as usize];
    let mut count = 0;
    for (place, value) in row.iter_mut().zip(values) {
        *place = value;
        count += 1;
    }
    (row, count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(before: &[u64], after: &[u64]) -> Option<Ordering> {
        shift(before.iter().copied(), after.iter().copied())
    }

    #[test]
    fn what_differs_always_differs_and_what_differs_once_does_not() {
        assert_eq!(of(&[100; 10], &[0; 10]), Some(Ordering::Less));
        assert_eq!(of(&[0; 10], &[100; 10]), Some(Ordering::Greater));
        let once = [0, 0, 0, 0, 0, 0, 0, 0, 0, 500];
        assert_eq!(of(&[0; 10], &once), Some(Ordering::Equal));
        assert_eq!(of(&once, &[0; 10]), Some(Ordering::Equal));
        let often = [500, 0, 300, 0, 200, 100, 0, 100, 0, 500];
        assert_eq!(of(&[0; 10], &often), Some(Ordering::Greater));
        assert_eq!(of(&[7; 10], &[7; 10]), Some(Ordering::Equal));
        assert_eq!(of(&[0; 4], &[9; 10]), None, "four ticks");
    }

    #[test]
    fn it_is_the_textbook_statistic() {
        // n = m = 5, no ties: mean 12.5, variance 22.9; U = 23, z = 2.19, and U = 19, z = 1.36.
        assert_eq!(
            of(&[1, 2, 3, 4, 7], &[5, 6, 8, 9, 10]),
            Some(Ordering::Greater)
        );
        assert_eq!(
            of(&[1, 2, 3, 7, 8], &[4, 5, 6, 9, 10]),
            Some(Ordering::Equal)
        );
    }

    proptest! {
        #[test]
        fn turned_round_it_says_the_contrary(
            before in prop::collection::vec(0..20_u64, 5..=10),
            after in prop::collection::vec(0..20_u64, 5..=10),
        ) {
            let turned = of(&after, &before).map(Ordering::reverse);
            prop_assert_eq!(of(&before, &after), turned);
        }

        #[test]
        fn chance_alone_seldom_looks_like_an_effect(seed in any::<u64>()) {
            let mut state = seed | 1;
            let mut next = || {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state % 1_000
            };
            let mut found = 0;
            for _ in 0..400 {
                let before: Vec<_> = (0..10).map(|_| next()).collect();
                let after: Vec<_> = (0..10).map(|_| next()).collect();
                found += u32::from(of(&before, &after) != Some(Ordering::Equal));
            }
            // 4.6 % are expected: 18 of 400, give or take 4.
            prop_assert!(found < 40, "{} of 400", found);
        }
    }
}
