//! Bars and sparklines, as text.

use super::look::Look;

/// Values as a line of so many places, the newest at its end; what is largest reaches the top.
pub(super) fn spark(values: impl Iterator<Item = Option<u64>>, width: usize, look: Look) -> String {
    let values: Vec<_> = values.collect();
    let most = values.iter().flatten().max().copied().unwrap_or(0);
    let shown = &values[values.len().saturating_sub(width)..];
    let blanks = std::iter::repeat_n(' ', width - shown.len());
    let steps = look.steps();
    let step = |value: &Option<u64>| match value {
        None => look.unknown(),
        Some(0) => steps[0],
        // The most is at least 1 here.
        Some(value) => {
            let height = (u128::from(*value) * 8).div_ceil(u128::from(most));
            steps[usize::try_from(height).unwrap_or(8).min(8)]
        }
    };
    blanks.chain(shown.iter().map(step)).collect()
}

/// The full and the empty part of a bar of so many places.
pub(super) fn bar(part: u64, whole: u64, width: usize, look: Look) -> [String; 2] {
    let [full, empty] = look.bar();
    let filled = u128::from(part) * width as u128;
    let filled = (filled + u128::from(whole) / 2)
        .checked_div(u128::from(whole))
        .and_then(|filled| usize::try_from(filled).ok())
        .unwrap_or(0)
        .min(width);
    // Something is never shown as nothing.
    let filled = if part > 0 && whole > 0 {
        filled.max(width.min(1))
    } else {
        filled
    };
    let places = |sign: char, count| std::iter::repeat_n(sign, count).collect();
    [places(full, filled), places(empty, width - filled)]
}

/// How much of a whole, in thousandths.
pub(super) fn per_mille(part: u64, whole: u64) -> u64 {
    share(part, whole, 1_000)
}

/// The same in hundredths of a percent.
pub(super) fn basis_points(part: u64, whole: u64) -> u64 {
    share(part, whole, 10_000)
}

fn share(part: u64, whole: u64, parts: u64) -> u64 {
    let share = (u128::from(part) * u128::from(parts)).checked_div(u128::from(whole));
    share
        .and_then(|share| u64::try_from(share).ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOK: Look = Look {
        colour: true,
        unicode: true,
    };

    #[test]
    fn a_sparkline_ends_with_the_newest_and_says_what_is_not_known() {
        let values = [Some(0), Some(1), None, Some(4), Some(8)];
        assert_eq!(spark(values.into_iter(), 7, LOOK), "   ▁·▄█");
        assert_eq!(spark(values.into_iter(), 2, LOOK), "▄█");
        assert_eq!(spark([Some(0)].into_iter(), 2, LOOK), "  ");
    }

    #[test]
    fn a_bar_shows_that_there_is_something() {
        let text = |part, whole| bar(part, whole, 4, LOOK).concat();
        assert_eq!(text(0, 8), "░░░░");
        assert_eq!(text(1, 1_000), "█░░░");
        assert_eq!(text(4, 8), "██░░");
        assert_eq!(text(9, 8), "████");
        assert_eq!(text(1, 0), "░░░░", "of nothing");
    }
}
