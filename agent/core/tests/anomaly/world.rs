//! A workload of which each minute is one tick.

use trimtab_core::anomaly::{Around, News, Watch};
use trimtab_core::signal::{Amount, Nanos, Slot};
use trimtab_core::snapshot::{CpuSignals, MemorySignals, WorkloadSignals};

pub(crate) const DAY: usize = 1_440;

/// A node with room.
const AROUND: Around<'_> = Around {
    capacity: [Amount(256_000_000), Amount(1 << 42)],
    ceiling: [Amount::UNLIMITED; 2],
    reach: Amount(256_000_000),
    available: Amount(1 << 41),
    runnable: 0,
    behind: &[],
};

/// What is told of a workload, with the minute; need in micro-CPUs and memory in bytes, without limits.
pub(crate) fn told(minutes: impl IntoIterator<Item = (u64, u64)>) -> Vec<(usize, News)> {
    let mut watch = Watch::new(Nanos(0), Slot(0));
    let mut told = Vec::new();
    for (minute, (cpu, memory)) in minutes.into_iter().enumerate() {
        let cpu = CpuSignals {
            used: Amount(cpu),
            held: Amount::UNLIMITED,
            ..CpuSignals::default()
        };
        let memory = MemorySignals {
            used: Amount(memory),
            anonymous: Amount(memory),
            held: Amount::UNLIMITED,
            hard: Amount::UNLIMITED,
            ..MemorySignals::default()
        };
        let signals = WorkloadSignals {
            cpu: Some(cpu),
            memory: Some(memory),
            ..WorkloadSignals::default()
        };
        let now = Nanos((minute as u64 + 1) * Nanos::MINUTE.0);
        assert!(watch.push(now, &signals));
        let news = watch.judge(now, &AROUND);
        told.extend(news.into_iter().map(|news| (minute + 1, news)));
    }
    told
}

/// The same of memory alone.
pub(crate) fn of_memory(bytes: impl IntoIterator<Item = u64>) -> Vec<(usize, News)> {
    told(bytes.into_iter().map(|bytes| (0, bytes)))
}

/// The same of CPU alone.
pub(crate) fn of_cpu(needs: impl IntoIterator<Item = u64>) -> Vec<(usize, News)> {
    told(needs.into_iter().map(|need| (need, 0)))
}

/// A number from the normal distribution, near enough.
pub(crate) fn normal(random: &mut fastrand::Rng) -> f64 {
    (0..12).map(|_| random.f64()).sum::<f64>() - 6.0
}

/// An amount as a number with a point.
#[expect(clippy::cast_precision_loss, reason = "not to the last byte")]
pub(crate) fn float(amount: u64) -> f64 {
    amount as f64
}

/// The nearest amount.
pub(crate) fn amount(value: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "made not negative"
    )]
    let amount = value.max(0.0) as u64;
    amount
}
