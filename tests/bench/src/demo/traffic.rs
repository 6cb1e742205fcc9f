//! What the bursty server's clients do and see.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow};
use trimtab_lab::{
    arrivals::{Pattern, Plan, Spacing},
    load::{Load, Report},
    summary::{Durations, Summary},
};

/// Requests a second between bursts.
const RATE: f64 = 12.0;
/// From one burst to the next.
pub(super) const BURST_EVERY: Duration = Duration::from_secs(3);
/// How long one lasts.
const BURST_FOR: Duration = Duration::from_millis(300);
/// By how much it multiplies the rate: 0.36 CPU where the quota is 0.1, and less than 0.06 on average.
const BURST_FACTOR: f64 = 15.0;
/// How long to wait for the last answers.
const PATIENCE: Duration = Duration::from_secs(3);
/// For traffic without an end.
const LONG: Duration = Duration::from_hours(1);

/// Running traffic.
#[derive(Debug)]
pub(super) struct Traffic {
    due: Vec<Duration>,
    started: Instant,
    seen: Arc<Mutex<Durations>>,
    thread: JoinHandle<Result<Report>>,
}

impl Traffic {
    /// Starts sending, for that long or until the server goes. The same requests are due in every run.
    pub(super) fn start(target: SocketAddr, duration: Option<Duration>) -> Result<Self> {
        let plan = Plan {
            rate: RATE,
            duration: duration.unwrap_or(LONG),
            pattern: Pattern::Burst {
                period: BURST_EVERY,
                length: BURST_FOR,
                factor: BURST_FACTOR,
            },
            spacing: Spacing::Poisson,
            seed: 1,
        };
        let load = Load {
            target,
            plan,
            connections: 8,
            patience: PATIENCE,
        };
        let seen = Arc::new(Mutex::new(Durations::new()?));
        let record = Arc::clone(&seen);
        let thread = thread::Builder::new()
            .name("traffic".into())
            .spawn(move || {
                load.run_watched(&|latency| {
                    let mut seen = record.lock().unwrap_or_else(PoisonError::into_inner);
                    seen.record(latency);
                })
            })?;
        Ok(Self {
            due: plan.times(),
            started: Instant::now(),
            seen,
            thread,
        })
    }

    /// How long it has been going on.
    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Whether everything was sent and answered, or patience has ended.
    pub(super) fn is_over(&self) -> bool {
        self.thread.is_finished()
    }

    /// The latencies so far, and how many requests have waited for more than a second and still do.
    pub(super) fn so_far(&self) -> (Summary, u64) {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let overdue = self.elapsed().saturating_sub(Duration::from_secs(1));
        let due = self.due.partition_point(|due| *due < overdue) as u64;
        let summary = seen.summary();
        (summary, due.saturating_sub(summary.count))
    }

    /// Waits for the end of traffic that is over, and says what went wrong.
    pub(super) fn join(self) -> Result<Report> {
        let report = self.thread.join();
        report.map_err(|_| anyhow!("the load generator panicked"))?
    }
}
