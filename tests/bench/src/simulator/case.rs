//! The loads, and what they come to.

use std::time::Duration;

use trimtab_lab::arrivals::{Pattern, Plan, Spacing};

/// A load under a quota.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case {
    pub(super) name: &'static str,
    /// CPU time per period, in us.
    pub(super) quota_us: u64,
    /// What may be carried over, in us.
    pub(super) burst_us: u64,
    pub(super) load: Load,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Load {
    /// Threads that all burn for a time, again and again.
    Wave {
        threads: u32,
        every: Duration,
        burst: Duration,
    },
    /// Requests to a server.
    Requests {
        threads: u32,
        service: Duration,
        rate: f64,
        pattern: Pattern,
    },
}

/// The kernel's default period, in us.
pub(super) const PERIOD_US: u64 = 100_000;

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// Most pieces fit into a whole number of quotas, so that a little more or less of anything decides
/// whether the last of them waits for another period; those that stand apart do not.
pub(super) fn all() -> impl Iterator<Item = Case> {
    let wave = |name, quota_us, burst_us, threads, every, burst| Case {
        name,
        quota_us,
        burst_us,
        load: Load::Wave {
            threads,
            every: ms(every),
            burst: ms(burst),
        },
    };
    let burst = Pattern::Burst {
        period: ms(1_030),
        length: ms(200),
        factor: 5.0,
    };
    // Always the same work, in smaller or larger pieces.
    let requests = |name, threads, service| Case {
        name,
        quota_us: 30_000,
        burst_us: 0,
        load: Load::Requests {
            threads,
            service: ms(service),
            rate: 0.125 / ms(service).as_secs_f64(),
            pattern: burst,
        },
    };
    [
        wave("square, one thread", 20_000, 0, 1, 237, 35),
        wave("square, two threads", 30_000, 0, 2, 273, 30),
        wave("square, two threads, apart", 30_000, 0, 2, 273, 26),
        wave("square, many periods", 25_000, 0, 1, 1_130, 150),
        wave("square with burst", 20_000, 20_000, 1, 373, 60),
        wave("square with burst, apart", 20_000, 20_000, 1, 373, 52),
        requests("requests, in bursts", 2, 5),
        requests("requests, in bursts, apart", 2, 7),
        requests("requests, one thread", 1, 5),
        requests("requests, one thread, apart", 1, 7),
    ]
    .into_iter()
}

impl Case {
    /// When requests are due.
    pub(super) fn plan(rate: f64, pattern: Pattern, duration: Duration) -> Plan {
        Plan {
            rate,
            duration,
            pattern,
            spacing: Spacing::Poisson,
            seed: 11,
        }
    }

    /// How many bursts fit into this time.
    pub(super) fn bursts(every: Duration, duration: Duration) -> u64 {
        u64::try_from(duration.as_nanos() / every.as_nanos().max(1)).unwrap_or(u64::MAX)
    }
}

/// What a load has come to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Figures {
    /// CPU time of each piece of the load, measured with all that starting and serving it takes: the
    /// simulated node is given this.
    pub(super) demand_ms: f64,
    pub(super) periods: f64,
    pub(super) throttled_periods: f64,
    pub(super) throttled_ms: f64,
    pub(super) used_ms: f64,
    pub(super) mean_ms: f64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
}

impl Figures {
    /// What is compared.
    pub(super) fn all(&self) -> [(&'static str, f64); 7] {
        [
            ("periods", self.periods),
            ("throttled periods", self.throttled_periods),
            ("throttled ms", self.throttled_ms),
            ("used ms", self.used_ms),
            ("mean ms", self.mean_ms),
            ("p50 ms", self.p50_ms),
            ("p99 ms", self.p99_ms),
        ]
    }
}
