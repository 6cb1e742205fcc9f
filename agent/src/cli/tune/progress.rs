//! How far a search has come, in a line.

use std::fmt::Write as _;

use trimtab_core::signal::Nanos;

use super::super::{progress::seconds, units::percent};
use crate::tune::{Progress, Tuned};

/// How long all of it took.
pub(super) fn end(tuned: &Tuned, elapsed: Nanos) -> String {
    format!("{} sets of parameters in {}", tuned.tried, seconds(elapsed))
}

/// How far it has come after this time.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a part of one, in hundredths of a percent, and a time that is said in seconds"
)]
pub(super) fn line(progress: Progress, elapsed: Nanos) -> String {
    let mut line = format!(
        "{} sets of parameters, {} in {}",
        progress.tried,
        percent((progress.part * 100.0) as u32 * 100),
        seconds(elapsed)
    );
    if progress.part > 0.01 {
        let left = elapsed.0 as f64 * ((1.0 - progress.part) / progress.part);
        let _ = write!(line, ", about {} left", seconds(Nanos(left as u64)));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_is_known() {
        let progress = |tried, part| Progress { tried, part };
        let elapsed = Nanos(30_500 * Nanos::MILLI.0);
        assert_eq!(
            line(progress(0, 0.0), elapsed),
            "0 sets of parameters, 0 % in 30 s"
        );
        assert_eq!(
            line(progress(60, 0.25), elapsed),
            "60 sets of parameters, 25 % in 30 s, about 1 min 31 s left"
        );
    }
}
