//! How far a search has come, as a line now and then on stderr.

use std::{
    fmt::Write as _,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::super::{
    output::note,
    units::{duration, percent},
};
use crate::tune::{Progress, Tuned};

/// From one line to the next.
const EVERY: Duration = Duration::from_secs(5);

/// Lines on stderr.
pub(super) struct Lines {
    began: Instant,
    last: Mutex<Instant>,
}

impl Lines {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self {
            began: now,
            last: Mutex::new(now),
        }
    }

    /// Says it, if the last line is old enough.
    pub(super) fn tell(&self, progress: Progress) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.elapsed() < EVERY {
            return;
        }
        *last = Instant::now();
        note(&line(progress, self.began.elapsed()));
    }

    /// Says how long all of it took.
    pub(super) fn end(&self, tuned: &Tuned) {
        note(&format!(
            "{} sets of parameters in {}",
            tuned.tried,
            seconds(self.began.elapsed())
        ));
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a part of one, in hundredths of a percent"
)]
fn line(progress: Progress, elapsed: Duration) -> String {
    let mut line = format!(
        "{} sets of parameters, {} in {}",
        progress.tried,
        percent((progress.part * 100.0) as u32 * 100),
        seconds(elapsed)
    );
    if progress.part > 0.01 {
        let left = elapsed.mul_f64((1.0 - progress.part) / progress.part);
        let _ = write!(line, ", about {} left", seconds(left));
    }
    line
}

/// To whole seconds.
fn seconds(time: Duration) -> String {
    duration(time.as_secs().saturating_mul(1_000_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_is_known() {
        let progress = |tried, part| Progress { tried, part };
        let elapsed = Duration::from_millis(30_500);
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
