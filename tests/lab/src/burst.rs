//! One burst of busy loops that begins at a word: its threads are up, and waiting, long before.

use std::{
    hint,
    sync::{Barrier, OnceLock},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::cpu;

/// Iterations between two looks at the clock.
const BATCH: u32 = 500;

/// What a burst is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Burst {
    /// Threads that burn at the same time.
    pub threads: usize,
    /// How long, on the wall clock: time in which a thread is throttled counts.
    pub length: Duration,
}

/// What a burst came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Threads that burnt.
    pub threads: usize,
    /// When it began, in ns of `CLOCK_MONOTONIC`.
    pub start_ns: u64,
    /// Seconds of CPU time, all threads together.
    pub cpu_s: f64,
    /// Seconds until the last thread had ended.
    pub wall_s: f64,
}

impl Burst {
    /// Starts the threads, calls `word` once all of them wait, and lets them go when it returns
    /// `true`. `None` when it returned `false`.
    ///
    /// # Errors
    /// When a thread cannot be started, or `word` fails.
    pub fn run(&self, word: impl FnOnce() -> Result<bool>) -> Result<Option<Report>> {
        // This thread burns as well, so that a burst of one thread wakes nobody else first.
        let others = self.threads.saturating_sub(1);
        let (up, go) = (Barrier::new(self.threads), Barrier::new(self.threads));
        let length = OnceLock::new();
        thread::scope(|scope| {
            let mut threads = Vec::new();
            for _ in 0..others {
                threads.push(thread::Builder::new().spawn_scoped(scope, || {
                    up.wait();
                    go.wait();
                    burn(length.get().copied().unwrap_or_default())
                })?);
            }
            up.wait();
            let word = word();
            // Whatever it said: nobody may be left waiting.
            let (start, start_ns) = (Instant::now(), now_ns());
            let agreed = *length.get_or_init(|| match word {
                Ok(true) => self.length,
                _ => Duration::ZERO,
            });
            go.wait();
            let mut used = burn(agreed);
            for thread in threads {
                used += thread
                    .join()
                    .map_err(|_| anyhow!("a burning thread panicked"))?;
            }
            let report = Report {
                threads: self.threads,
                start_ns,
                cpu_s: used.as_secs_f64(),
                wall_s: start.elapsed().as_secs_f64(),
            };
            Ok(word?.then_some(report))
        })
    }
}

/// Computes for that long; returns the CPU time used.
fn burn(length: Duration) -> Duration {
    let (start, before) = (Instant::now(), cpu::used());
    while start.elapsed() < length {
        for number in 0..BATCH {
            hint::black_box(number);
        }
    }
    cpu::used().saturating_sub(before)
}

/// Now, in ns of `CLOCK_MONOTONIC`.
#[must_use]
pub fn now_ns() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    // The kernel's monotonic clock is never negative.
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_waits_for_its_word() {
        let burst = Burst {
            threads: 2,
            length: Duration::from_millis(20),
        };
        let mut asked = 0;
        let report = burst
            .run(|| {
                thread::sleep(Duration::from_millis(20));
                asked = now_ns();
                Ok(true)
            })
            .unwrap()
            .unwrap();
        assert!(report.start_ns >= asked);
        assert!(report.wall_s >= 0.020 && report.cpu_s > 0.0, "{report:?}");
    }

    #[test]
    fn a_burst_without_its_word_ends_at_once() {
        let burst = Burst {
            threads: 2,
            length: Duration::from_hours(1),
        };
        assert_eq!(burst.run(|| Ok(false)).unwrap(), None);
        assert!(burst.run(|| Err(anyhow!("no word"))).is_err());
    }
}
