//! The signals that a trial looks at, tick by tick.

use super::outcome::Signals;
use crate::signal::{Amount, Nanos};
use crate::snapshot::{CpuSignals, MemorySignals};
use serde::{Deserialize, Serialize};

/// How many ticks before a change, and how many after it, are held against each other.
///
/// Ten ticks of a second are the time for which a trim is to blame and the least from one to the
/// next, so that a trial is over when the next trim may come. They are a hundred periods of the
/// kernel's usual length: a period more or less is a hundredth.
pub(super) const WINDOW: u32 = 10;

/// Ticks before, the one in which the change fell, ticks after.
const KEPT: usize = 2 * WINDOW as usize + 1;

/// One limit's signals over one tick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::decide) struct Sample {
    pub(super) used: Amount,
    /// CPU: throttled periods per mille, rounded up. Memory: how often the limit was met.
    pub(super) short: u32,
    /// Throttled, in us per second.
    pub(super) throttled: u32,
    /// Waiting on run queues, in us per second.
    pub(super) waited: u32,
}

impl Sample {
    fn cpu(elapsed: Nanos, cpu: &CpuSignals) -> Self {
        let periods = cpu.periods.max(cpu.throttled).max(1);
        Self {
            used: cpu.used,
            short: clip((cpu.throttled.saturating_mul(1_000)).div_ceil(periods)),
            throttled: per_second(cpu.throttled_ns, elapsed),
            waited: per_second(cpu.wait_ns, elapsed),
        }
    }

    fn memory(memory: &MemorySignals) -> Self {
        let met = memory.high.saturating_add(memory.oom);
        Self {
            used: memory.anonymous,
            short: clip(met.saturating_add(memory.oom_kill)),
            ..Self::default()
        }
    }
}

/// A tick as a trial sees it.
#[derive(Clone, Copy, Debug)]
pub(in crate::decide) struct Seen {
    /// When it began.
    pub(super) began: Nanos,
    /// How long it was.
    pub(super) elapsed: Nanos,
    pub(super) sample: Sample,
    /// Whether this is what a trim must not do: throttling, or a call of the OOM killer.
    pub(super) hurts: bool,
    /// By how much use over a tick can exceed the limit that holds it, per mille: a tick may have a
    /// period more in it than its length says.
    pub(super) slack: u32,
}

/// Accounting of CPU time lags by up to a kernel tick on each CPU: a sixteenth covers that.
const LAG: u32 = 63;

impl Seen {
    /// A tick of CPU.
    pub(in crate::decide) fn cpu(time: Nanos, elapsed: Nanos, cpu: &CpuSignals) -> Self {
        let period = cpu.period_us.saturating_mul(1_000_000) / elapsed.0.max(1);
        Self {
            began: Nanos(time.0.saturating_sub(elapsed.0)),
            elapsed,
            sample: Sample::cpu(elapsed, cpu),
            hurts: cpu.throttled > 0,
            slack: clip(period).saturating_add(LAG),
        }
    }

    /// A tick of memory; `short`: whether its workload has waited for want of it, where that is known.
    pub(in crate::decide) fn memory(
        time: Nanos,
        elapsed: Nanos,
        memory: &MemorySignals,
        short: bool,
    ) -> Self {
        Self {
            began: Nanos(time.0.saturating_sub(elapsed.0)),
            elapsed,
            sample: Sample::memory(memory),
            hurts: short || memory.oom > 0 || memory.oom_kill > 0,
            slack: 0,
        }
    }

    /// Whether all of it but an eighth came after a moment: orders of the slow loop take a few
    /// milliseconds from the tick on.
    pub(super) fn is_after(&self, moment: Nanos) -> bool {
        self.began.plus(Nanos(self.elapsed.0 / 8)) >= moment
    }

    /// Whether more was used than this limit would have let it.
    pub(super) fn exceeds(&self, limit: Amount) -> bool {
        let slack = (limit.0 / 1_000).saturating_mul(u64::from(self.slack));
        !limit.is_unlimited() && self.sample.used > limit.plus(Amount(slack))
    }
}

/// The last ticks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Recent {
    /// Apart, so that walks over all limits do not have them in their way.
    samples: Box<[Sample; KEPT]>,
    /// Where the newest is, below `KEPT`.
    newest: usize,
}

impl Recent {
    pub(super) fn push(&mut self, sample: Sample) {
        self.newest = (self.newest % KEPT + 1) % KEPT;
        self.samples[self.newest] = sample;
    }

    /// `count` of them, the newest first, without the `age` that came after them; no more than are
    /// kept.
    pub(super) fn ticks(&self, age: u32, count: u32) -> impl Iterator<Item = &Sample> + Clone {
        let (age, count) = (age as usize, count.min(WINDOW) as usize);
        let places = age..(age + count).min(KEPT);
        places.map(move |age| &self.samples[(self.newest % KEPT + KEPT - age) % KEPT])
    }

    /// The same together; `events` are added up, shares averaged.
    pub(super) fn signals(&self, age: u32, count: u32, events: bool) -> Signals {
        let ticks = self.ticks(age, count);
        let number = ticks.clone().count() as u64;
        let mean = |of: fn(&Sample) -> u64| {
            let sum = ticks.clone().map(of).fold(0, u64::saturating_add);
            sum / number.max(1)
        };
        let short = |sample: &Sample| u64::from(sample.short);
        let micro = |mean: u64| Nanos(mean.saturating_mul(1_000));
        Signals {
            ticks: clip(number),
            used: Amount(mean(|sample| sample.used.0)),
            short: clip(if events {
                ticks.clone().map(short).sum()
            } else {
                mean(short)
            }),
            throttled: micro(mean(|sample| sample.throttled.into())),
            waited: micro(mean(|sample| sample.waited.into())),
        }
    }
}

fn per_second(ns: u64, elapsed: Nanos) -> u32 {
    let micro = u128::from(ns) * 1_000_000 / u128::from(elapsed.0.max(1));
    u32::try_from(micro).unwrap_or(u32::MAX)
}

fn clip(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
