//! What is seen of a contender while it is scored.

use std::time::{Duration, Instant};

use anyhow::Result;
use trimtab_core::signal::Amount;
use trimtab_tests::{CpuStat, Group};

use super::{hand::Hand, law::micro_cpus};
use crate::spread::{count, number};

/// Between two looks at the limit.
pub(super) const LOOK: Duration = Duration::from_millis(100);
/// After so many looks a sample of use is taken.
const SECOND: usize = 10;

/// What is looked at again and again.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// The limit at each look, in CPUs.
    limits: Vec<f64>,
    /// What was held, as often as it was asked.
    helds: Vec<f64>,
    /// What was used in each second.
    pub(super) uses: Vec<f64>,
    /// When use was looked at last, and the CPU time used by then in ns.
    last: Option<(Instant, u64)>,
}

impl Watch {
    /// Looks once more.
    pub(super) async fn look(
        &mut self,
        group: &Group,
        hand: &mut Hand,
        node: Amount,
    ) -> Result<()> {
        let limit = micro_cpus(group.quota_us()?, node);
        if self.limits.len().is_multiple_of(hand.ask_every()) {
            self.helds.push(cpus(hand.held(limit, node).await?));
        }
        if self.limits.len().is_multiple_of(SECOND) {
            let (now, used) = (Instant::now(), group.cpu_stat()?.usage_ns);
            if let Some((then, before)) = self.last.replace((now, used)) {
                let long = now.duration_since(then).as_secs_f64();
                self.uses.push(number(used - before) / 1e9 / long);
            }
        }
        self.limits.push(cpus(limit));
        Ok(())
    }

    /// The limit on average.
    pub(super) fn limit(&self) -> f64 {
        mean(&self.limits)
    }

    /// What was held on average.
    pub(super) fn held(&self) -> f64 {
        mean(&self.helds)
    }
}

/// What is counted at the beginning and at the end.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) at: Instant,
    pub(super) cpu: CpuStat,
    /// Limits written.
    pub(super) writes: u64,
    /// CPU time of whoever steers, in seconds.
    pub(super) steering_s: f64,
}

impl Counted {
    /// So far.
    pub(super) async fn now(group: &Group, hand: &mut Hand) -> Result<Self> {
        let (writes, steering_s) = hand.spent().await?;
        Ok(Self {
            at: Instant::now(),
            cpu: group.cpu_stat()?,
            writes,
            steering_s,
        })
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / count(values.len().max(1))
}

fn cpus(amount: Amount) -> f64 {
    number(amount.0) / 1e6
}
