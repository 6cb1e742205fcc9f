//! How far something long has come, as a line now and then on stderr.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use trimtab_core::signal::Nanos;

use super::{output::note, units::duration};

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

    /// Says what `line` makes of the time so far, if the last line is old enough.
    pub(super) fn tell(&self, line: impl FnOnce(Nanos) -> String) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.elapsed() < EVERY {
            return;
        }
        *last = Instant::now();
        note(&line(self.elapsed()));
    }

    /// How long it has taken so far.
    pub(super) fn elapsed(&self) -> Nanos {
        Nanos(u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }
}

/// To whole seconds.
pub(super) fn seconds(time: Nanos) -> String {
    duration(time.0 / Nanos::SECOND.0 * Nanos::SECOND.0)
}
