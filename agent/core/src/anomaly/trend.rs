//! Trends that a few odd samples cannot make or hide.

/// The most samples that are looked at.
pub const MOST: usize = 32;

/// Pairs of so many samples.
const PAIRS: usize = MOST * (MOST - 1) / 2;

/// The square of 4.8: so many standard deviations, or more, come by chance once in 1.2 million times.
const SIGNIFICANT: (i64, i64) = (576, 25);

/// The median of the slopes between any two of the samples (Theil 1950, Sen 1968), in thousandths of their unit per
/// sample. Up to 29 % of them may be anything at all. No more than [`MOST`] are looked at; 0 of fewer than two.
#[must_use]
pub fn theil_sen(samples: &[u32]) -> i64 {
    let samples = &samples[..samples.len().min(MOST)];
    let mut slopes = [0; PAIRS];
    let mut count = 0;
    for (place, later) in samples.iter().enumerate() {
        for (distance, earlier) in (1..).zip(samples[..place].iter().rev()) {
            slopes[count] = (i64::from(*later) - i64::from(*earlier)) * 1_000 / distance;
            count += 1;
        }
    }
    if count == 0 {
        return 0;
    }
    *slopes[..count].select_nth_unstable(count / 2).1
}

/// Whether the samples rise, by more than chance would have it if they came in any order: the test of Mann (1945) and
/// Kendall (1975), one-sided, at 8 in 10 million. Samples that are equal count as if they varied, so that it errs to the safe
/// side. Samples of which each depends on the one before rise by chance more often.
#[must_use]
pub fn rises(samples: &[u32]) -> bool {
    let mut score = 0_i64;
    for (place, later) in samples.iter().enumerate() {
        for earlier in &samples[..place] {
            score += i64::from(later > earlier) - i64::from(later < earlier);
        }
    }
    let count = i64::try_from(samples.len()).unwrap_or(i64::MAX);
    // The variance is this by 18, and a score is a whole number: half the step between two is taken off.
    let variance = count * (count - 1) * (2 * count + 5);
    let (above, below) = SIGNIFICANT;
    score > 1 && (score - 1) * (score - 1) * 18 * below >= above * variance
}

/// How far the samples have fallen at most below one that came before.
#[must_use]
pub fn fall(samples: &[u32]) -> u32 {
    let mut top = 0;
    let falls = samples.iter().map(|sample| {
        top = top.max(*sample);
        top - *sample
    });
    falls.max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_straight_line_has_its_slope() {
        let line: Vec<u32> = (0..32).map(|place| 1_000 + 7 * place).collect();
        assert_eq!(theil_sen(&line), 7_000);
        assert!(rises(&line));
        assert_eq!(fall(&line), 0);
        let falling: Vec<u32> = line.iter().rev().copied().collect();
        assert_eq!(theil_sen(&falling), -7_000);
        assert!(!rises(&falling));
        assert_eq!(fall(&falling), 31 * 7);
    }

    #[test]
    fn a_few_wild_samples_change_nothing() {
        let mut line: Vec<u32> = (0..32).map(|place| 1_000 + 10 * place).collect();
        for wild in [3, 11, 19, 27] {
            line[wild] = 1_000_000;
        }
        let slope = theil_sen(&line);
        assert!((9_000..=12_000).contains(&slope), "{slope}");
        assert!(rises(&line));
    }

    #[test]
    fn what_stands_still_does_not_rise() {
        assert!(!rises(&[5; 32]));
        assert_eq!(
            (theil_sen(&[5; 32]), theil_sen(&[5]), theil_sen(&[])),
            (0, 0, 0)
        );
        let zigzag: Vec<u32> = (0..32).map(|place| 100 + place % 2).collect();
        assert!(!rises(&zigzag));
    }
}
