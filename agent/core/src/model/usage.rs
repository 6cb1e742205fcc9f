//! What one workload uses of one resource, and what it would use unhindered.

use super::throttling::Throttling;
use super::window::Window;
use crate::signal::{Amount, Nanos};
use crate::snapshot::{CpuSignals, MemorySignals};
use serde::{Deserialize, Serialize};

/// Use and demand over time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    demand: Window,
    throttling: Throttling,
    last: Amount,
    previous: Amount,
    /// Demand over the last tick and the one before.
    wanted: [Amount; 2],
}

impl Usage {
    /// Nothing known yet; percentiles will be over `span`.
    #[must_use]
    pub fn new(span: Nanos) -> Self {
        Self {
            demand: Window::new(span),
            throttling: Throttling::default(),
            last: Amount::ZERO,
            previous: Amount::ZERO,
            wanted: [Amount::ZERO; 2],
        }
    }

    /// Takes a tick of CPU in.
    pub fn push_cpu(&mut self, now: Nanos, cpu: &CpuSignals) {
        self.throttling.push(cpu.throttled, cpu.periods);
        self.push(now, cpu.used, unhindered(cpu));
    }

    /// Takes a tick of memory in. Only what cannot be dropped is demand.
    pub fn push_memory(&mut self, now: Nanos, memory: &MemorySignals) {
        self.push(now, memory.anonymous, memory.anonymous);
    }

    fn push(&mut self, now: Nanos, used: Amount, demand: Amount) {
        // What was there before the first look has not grown since.
        self.previous = if self.demand.is_empty() {
            used
        } else {
            self.last
        };
        self.last = used;
        self.wanted = [demand, self.wanted[0]];
        self.demand.push(now, demand.0);
    }

    /// Use over the last tick.
    #[must_use]
    pub const fn last(&self) -> Amount {
        self.last
    }

    /// The larger use of the last two ticks: a change between them cannot hide it.
    #[must_use]
    pub fn recent(&self) -> Amount {
        self.last.max(self.previous)
    }

    /// Demand over the last tick.
    #[must_use]
    pub const fn latest(&self) -> Amount {
        self.wanted[0]
    }

    /// The smaller demand of the last two ticks.
    #[must_use]
    pub fn least(&self) -> Amount {
        self.wanted[0].min(self.wanted[1])
    }

    /// The larger demand of the last two ticks.
    #[must_use]
    pub fn wanted(&self) -> Amount {
        self.wanted[0].max(self.wanted[1])
    }

    /// By how much use grew during the last tick.
    #[must_use]
    pub fn growth(&self) -> Amount {
        self.last.minus(self.previous)
    }

    /// A percentile of demand.
    #[must_use]
    pub fn demand(&self, percent: u32) -> Amount {
        Amount(self.demand.percentile(percent))
    }

    /// How many cells of the window are filled.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.demand.len()
    }

    /// Throttled periods of the last ticks.
    #[must_use]
    pub const fn throttling(&self) -> &Throttling {
        &self.throttling
    }
}

/// A quota caps the use that can be seen, so a throttled workload's demand is more: as if each
/// throttled period could have used twice as much.
pub(crate) fn unhindered(cpu: &CpuSignals) -> Amount {
    if cpu.throttled == 0 || cpu.periods == 0 {
        return cpu.used;
    }
    let share = Amount(cpu.throttled.min(cpu.periods)).percent_of(Amount(cpu.periods));
    cpu.used.percent(100 + share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn throttling_makes_demand_larger_than_use() {
        let cpu = |used, throttled| CpuSignals {
            used: Amount(used),
            periods: 10,
            throttled,
            ..CpuSignals::default()
        };
        assert_eq!(unhindered(&cpu(100_000, 0)), Amount(100_000));
        assert_eq!(unhindered(&cpu(100_000, 5)), Amount(150_000));
        assert_eq!(unhindered(&cpu(100_000, 10)), Amount(200_000));
        assert_eq!(unhindered(&cpu(100_000, 99)), Amount(200_000));
    }

    #[test]
    fn recent_use_spans_two_ticks() {
        let mut usage = Usage::new(Nanos::MINUTE);
        for (second, used) in [(1, 10), (2, 90), (3, 30)] {
            let cpu = CpuSignals {
                used: Amount(used),
                ..CpuSignals::default()
            };
            usage.push_cpu(Nanos(second * Nanos::SECOND.0), &cpu);
        }
        assert_eq!(
            (usage.last(), usage.recent(), usage.growth()),
            (Amount(30), Amount(90), Amount(0))
        );
    }

    #[test]
    fn the_first_look_shows_no_growth() {
        let mut usage = Usage::new(Nanos::MINUTE);
        let memory = |anonymous| MemorySignals {
            anonymous: Amount(anonymous),
            ..MemorySignals::default()
        };
        usage.push_memory(Nanos::SECOND, &memory(500));
        assert_eq!(usage.growth(), Amount::ZERO);
        usage.push_memory(Nanos(2 * Nanos::SECOND.0), &memory(800));
        assert_eq!(usage.growth(), Amount(300));
    }

    #[test]
    fn one_workload_and_resource_fits_into_a_kilobyte() {
        assert!(size_of::<Usage>() + 60 * size_of::<u64>() <= 1024);
    }
}
