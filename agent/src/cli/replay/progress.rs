//! How far a replay has come, as a line now and then on stderr.

use std::{
    fmt::Write as _,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use trimtab_core::signal::Nanos;

use super::super::{
    output::note,
    units::{duration, percent},
};
use crate::replay::{Progress, State};

/// From one line to the next.
const EVERY: Duration = Duration::from_secs(5);

/// Lines on stderr.
pub(super) struct Lines {
    began: Instant,
    last: Mutex<Instant>,
}

impl Lines {
    /// Says what a run begins with.
    pub(super) fn new(state: Option<&State>) -> Self {
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
        let now = Instant::now();
        Self {
            began: now,
            last: Mutex::new(now),
        }
    }

    /// Says it, if the last line is old enough.
    pub(super) fn tell(&self, progress: &Progress) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.elapsed() < EVERY {
            return;
        }
        *last = Instant::now();
        let elapsed = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        note(&line(progress, Nanos(elapsed)));
    }
}

fn line(progress: &Progress, elapsed: Nanos) -> String {
    let mut line = format!("{} runs", progress.runs);
    if let Some(all) = progress.all.filter(|all| *all > 0) {
        let part = progress.done.saturating_mul(10_000) / all;
        let _ = write!(line, ", {}", percent(u32::try_from(part).unwrap_or(10_000)));
    }
    let _ = write!(line, " in {}", rounded(elapsed));
    if let Some(left) = progress.left(elapsed) {
        let _ = write!(line, ", about {} left", rounded(left));
    }
    line
}

/// To whole seconds.
fn rounded(time: Nanos) -> String {
    duration(time.0 / Nanos::SECOND.0 * Nanos::SECOND.0)
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
