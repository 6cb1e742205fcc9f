//! How far a replay has come, in a line.

use std::fmt::Write as _;

use trimtab_core::signal::Nanos;

use super::super::{output::note, progress::seconds, units::percent};
use crate::replay::{Progress, State};

/// Says what a run begins with.
pub(super) fn begin(state: Option<&State>) {
    if let Some(state) = state.filter(|state| !state.is_empty() || state.damaged() > 0) {
        let (known, damaged) = (state.len(), state.damaged());
        let mut line = format!("{known} scores are known");
        if damaged > 0 {
            let _ = write!(
                line,
                "; {damaged} lines that were torn or damaged count as not there"
            );
        }
        note(&line);
    }
}

/// How far it has come after this time.
pub(super) fn line(progress: &Progress, elapsed: Nanos) -> String {
    let mut line = format!("{} runs", progress.runs);
    if let Some(all) = progress.all.filter(|all| *all > 0) {
        let part = progress.done.saturating_mul(10_000) / all;
        let _ = write!(line, ", {}", percent(u32::try_from(part).unwrap_or(10_000)));
    }
    let _ = write!(line, " in {}", seconds(elapsed));
    if let Some(left) = progress.left(elapsed) {
        let _ = write!(line, ", about {} left", seconds(left));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_is_known() {
        let second = Nanos::SECOND.0;
        let early = Progress {
            runs: 3,
            done: 10,
            all: None,
        };
        assert_eq!(line(&early, Nanos(5 * second + 1)), "3 runs in 5 s");
        let later = Progress {
            all: Some(40),
            ..early
        };
        let told = line(&later, Nanos(30 * second));
        assert_eq!(told, "3 runs, 25 % in 30 s, about 1 min 30 s left");
    }
}
