//! What is to be as little as possible.

use trimtab_core::{
    score::Score,
    signal::{Nanos, Resource},
};

/// What is to be as little as possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// CPU held, the mean per workload in micro-CPUs.
    Cpu,
    /// Memory held, likewise in bytes.
    Memory,
    /// The part of windows that violate the objective, in millionths.
    Missed,
    /// The part of periods that ended throttled, in millionths.
    Throttled,
    /// How late work was on average, in ns.
    Delay,
    /// What 99 of 100 requests took at the most, in us; 0 where there are none.
    P99,
    /// Changes of limits, per workload and day, in thousandths.
    Changes,
}

impl Goal {
    /// Every goal.
    pub const ALL: [Self; 7] = [
        Self::Cpu,
        Self::Memory,
        Self::Missed,
        Self::Throttled,
        Self::Delay,
        Self::P99,
        Self::Changes,
    ];

    /// What it is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Missed => "missed",
            Self::Throttled => "throttled",
            Self::Delay => "delay",
            Self::P99 => "p99",
            Self::Changes => "changes",
        }
    }

    /// The same with its unit, as JSON has it.
    #[must_use]
    pub const fn field(self) -> &'static str {
        match self {
            Self::Cpu => "cpu_held_micro_cpus",
            Self::Memory => "memory_held_bytes",
            Self::Missed => "missed_ppm",
            Self::Throttled => "throttled_ppm",
            Self::Delay => "delay_ns",
            Self::P99 => "p99_us",
            Self::Changes => "changes_per_day_millis",
        }
    }

    /// The goal of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|goal| goal.name() == name)
    }

    /// Whether a score says anything of it.
    #[must_use]
    pub fn is_in(self, score: &Score) -> bool {
        let wanted = |resource| score.account(resource).workloads > 0;
        match self {
            Self::Cpu | Self::Throttled | Self::Delay => wanted(Resource::Cpu),
            Self::Memory => wanted(Resource::Memory),
            Self::P99 => score.latency.count() + score.lost_requests > 0,
            Self::Missed | Self::Changes => true,
        }
    }

    /// How a score stands to it, in its unit.
    #[must_use]
    pub fn of(self, score: &Score) -> u64 {
        match self {
            Self::Cpu => held(score, Resource::Cpu),
            Self::Memory => held(score, Resource::Memory),
            Self::Missed => score.violated_part(),
            Self::Throttled => score.throttled_part(),
            Self::Delay => score.mean_delay(),
            Self::P99 => {
                let us = score.latency.quantile(990).unwrap_or(0);
                u64::try_from(us).unwrap_or(0)
            }
            Self::Changes => changes(score),
        }
    }
}

fn held(score: &Score, resource: Resource) -> u64 {
    let account = score.account(resource);
    account.mean(account.set_aside())
}

/// Of both resources together.
fn changes(score: &Score) -> u64 {
    const DAY: u128 = 24 * 60 * Nanos::MINUTE.0 as u128;
    let per_day = Resource::ALL.map(|resource| {
        let account = score.account(resource);
        u128::from(account.changes.count) * 1000 * DAY / account.time.max(1)
    });
    u64::try_from(per_day.iter().sum::<u128>()).unwrap_or(u64::MAX)
}

/// To three digits: results that differ by less are as good as each other, and who reads them sees no more.
pub(super) const fn rounded(value: u64) -> u64 {
    let mut unit: u64 = 1;
    while value / unit >= 1000 {
        unit *= 10;
    }
    // What is lost is less than half of the last digit.
    value.saturating_add(unit / 2) / unit * unit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goals_have_their_names() {
        for goal in Goal::ALL {
            assert_eq!(Goal::named(goal.name()), Some(goal));
        }
        assert_eq!(Goal::named("speed"), None);
    }

    #[test]
    fn three_digits_count() {
        for (value, told) in [
            (0, 0),
            (999, 999),
            (1_004, 1_000),
            (1_005, 1_010),
            (412_499, 412_000),
            (999_600, 1_000_000),
        ] {
            assert_eq!(rounded(value), told, "{value}");
        }
        assert!(rounded(u64::MAX) > u64::MAX / 2);
    }
}
