//! Busy loops: one piece, or a square wave with an exact duty.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow};
use serde::Serialize;

use crate::{
    burst::now_ns,
    cpu,
    summary::{Durations, Summary},
};

/// What one burst is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Burn {
    /// Threads that burn at the same time.
    pub threads: usize,
    /// CPU time of a burst, per thread. What it takes to wake up is part of the next one's, so that the
    /// duty is exact however slow that is.
    pub burst: Duration,
    /// From the start of one burst to the start of the next; `None` means one burst and no more.
    pub every: Option<Duration>,
    /// Bursts per thread when they repeat; `None` means until stopped.
    pub bursts: Option<u64>,
    /// How long nothing happens before the first: starting the program takes CPU time as well.
    pub after: Duration,
}

/// What the burning came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// Threads that burnt.
    pub threads: usize,
    /// When the first burst was due, in ns of `CLOCK_MONOTONIC`.
    pub began_ns: u64,
    /// Seconds of CPU time, all threads together.
    pub cpu_s: f64,
    /// Seconds from the first start to the last end.
    pub wall_s: f64,
    /// How long bursts took on the wall clock; alone on a CPU that is their CPU time.
    pub burst: Summary,
}

impl Burn {
    /// Burns until all bursts are done, or until stopped, which is looked at every ten milliseconds of CPU time.
    ///
    /// Bursts that cannot start in time start as soon as they can: demand that was held back is not forgotten.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn run(&self, stop: &AtomicBool) -> Result<Report> {
        let start = Instant::now() + self.after;
        let began_ns = now_ns() + u64::try_from(self.after.as_nanos())?;
        let results = thread::scope(|scope| {
            let mut threads = Vec::new();
            for _ in 0..self.threads {
                threads.push(thread::Builder::new().spawn_scoped(scope, || self.one(start, stop))?);
            }
            let join = |thread: thread::ScopedJoinHandle<'_, _>| {
                thread
                    .join()
                    .map_err(|_| anyhow!("a burning thread panicked"))?
            };
            threads.into_iter().map(join).collect::<Result<Vec<_>>>()
        })?;
        let mut all = Durations::new()?;
        let mut used = Duration::ZERO;
        for (durations, cpu) in results {
            all.add(&durations)?;
            used += cpu;
        }
        Ok(Report {
            threads: self.threads,
            began_ns,
            cpu_s: used.as_secs_f64(),
            wall_s: start.elapsed().as_secs_f64(),
            burst: all.summary(),
        })
    }

    fn one(&self, start: Instant, stop: &AtomicBool) -> Result<(Durations, Duration)> {
        const LOOK: Duration = Duration::from_millis(10);
        let mut durations = Durations::new()?;
        let before = cpu::used();
        let (mut due, mut spent) = (start, before);
        let mut left = if self.every.is_some() {
            self.bursts
        } else {
            Some(1)
        };
        while left != Some(0) && !stop.load(Ordering::Relaxed) {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let began = Instant::now();
            // One that never ends is as long as can be.
            spent = spent.saturating_add(self.burst);
            while cpu::used() < spent && !stop.load(Ordering::Relaxed) {
                cpu::spend_until(spent.min(cpu::used() + LOOK));
            }
            durations.record(began.elapsed());
            due += self.every.unwrap_or_default();
            left = left.map(|left| left - 1);
        }
        Ok((durations, cpu::used().saturating_sub(before)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_square_wave_uses_its_duty() {
        let burn = Burn {
            threads: 1,
            burst: Duration::from_millis(5),
            every: Some(Duration::from_millis(20)),
            bursts: Some(10),
            after: Duration::from_millis(30),
        };
        let mut least = f64::MAX;
        // What a hypervisor steals may be booked on whoever runs.
        for _ in 0..5 {
            let before = now_ns();
            let report = burn.run(&AtomicBool::new(false)).unwrap();
            // It waits, and the last of ten bursts begins 180 ms later.
            assert!(report.began_ns >= before + 30_000_000, "{report:?}");
            assert!(report.began_ns + 180_000_000 <= now_ns(), "{report:?}");
            assert_eq!(report.burst.count, 10);
            assert!(report.cpu_s >= 0.050, "{report:?}");
            assert!(report.wall_s >= 0.185, "{report:?}");
            least = least.min(report.cpu_s);
        }
        assert!(least < 0.060, "{least}");
    }

    #[test]
    fn a_stopped_burn_ends() {
        let burn = Burn {
            threads: 2,
            burst: Duration::MAX,
            every: None,
            bursts: None,
            after: Duration::ZERO,
        };
        let report = burn.run(&AtomicBool::new(true)).unwrap();
        assert!(report.cpu_s < 1.0);
    }
}
