//! How wide a step is.

/// More lines than this are too many at a glance.
const LINES: u64 = 30;

const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Widths that people count in.
const WIDTHS: [u64; 16] = [
    SECOND,
    2 * SECOND,
    5 * SECOND,
    10 * SECOND,
    30 * SECOND,
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY,
    7 * DAY,
];

/// The least width by which a time is shown in few lines, all in ns.
pub(super) fn width(reach: u64) -> u64 {
    let fits = |width: &u64| reach / width <= LINES;
    let [.., widest] = WIDTHS;
    WIDTHS.into_iter().find(fits).unwrap_or(widest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_as_narrow_as_the_lines_allow() {
        for (reach, step) in [
            (0, SECOND),
            (30 * SECOND, SECOND),
            (31 * SECOND, 2 * SECOND),
            (10 * MINUTE, 30 * SECOND),
            (HOUR, 2 * MINUTE),
            (DAY, HOUR),
            (30 * DAY, DAY),
            (u64::MAX, 7 * DAY),
        ] {
            assert_eq!(width(reach), step, "{reach}");
        }
    }
}
