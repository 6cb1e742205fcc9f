//! What a minute of ticks comes to.

use crate::model::usage::unhindered;
use crate::signal::{Amount, Nanos, Slot};
use crate::snapshot::{CpuSignals, LatencySignals, MemorySignals, WorkloadSignals};

/// The sums of a minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Minute {
    begun: Nanos,
    ended: Nanos,
    pub(super) cpu: Option<Cpu>,
    pub(super) memory: Option<Memory>,
    pub(super) latency: LatencySignals,
}

/// CPU over a minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cpu {
    pub(super) ticks: u64,
    pub(super) used: u64,
    pub(super) needed: u64,
    pub(super) waited_ns: u64,
    /// The most that a tick needed.
    pub(super) peak: Amount,
    /// The limit at the end.
    pub(super) held: Amount,
    pub(super) periods: u64,
    pub(super) throttled: u64,
}

/// Memory over a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Memory {
    /// The least that could not be dropped: what garbage collection has left.
    pub(super) floor: Amount,
    /// The most that could not be dropped.
    pub(super) peak: Amount,
    /// The moving limit at the end.
    pub(super) held: Amount,
    /// The hard limit at the end.
    pub(super) hard: Amount,
    /// How often a limit was met.
    pub(super) met: u64,
    /// How many processes the OOM killer took.
    pub(super) kills: u64,
}

impl Minute {
    /// The first minute, cut short by the slot, so that not all workloads are judged in one tick.
    pub(super) fn new(now: Nanos, slot: Slot) -> Self {
        let early = u64::from(slot.0 % 60) * Nanos::SECOND.0;
        Self {
            begun: Nanos(now.0.saturating_sub(early)),
            ended: now,
            ..Self::default()
        }
    }

    /// The next minute.
    pub(super) fn next(&self) -> Self {
        Self {
            begun: self.ended,
            ended: self.ended,
            ..Self::default()
        }
    }

    /// Takes a tick in; whether the minute is full.
    pub(super) fn push(&mut self, now: Nanos, signals: &WorkloadSignals) -> bool {
        self.ended = now;
        if let Some(cpu) = &signals.cpu {
            self.cpu.get_or_insert_default().push(cpu);
        }
        if let Some(memory) = &signals.memory {
            let first = Memory::new(memory);
            self.memory.get_or_insert(first).push(memory);
        }
        if let Some(latency) = signals.latency {
            self.latency = self.latency.plus(latency);
        }
        now.since(self.begun) >= Nanos::MINUTE
    }

    /// Tasks that waited behind others, on average, as CPU that they could have used.
    pub(super) fn waited(&self) -> Amount {
        let (ns, over) = (
            self.cpu.map_or(0, |cpu| cpu.waited_ns),
            self.ended.since(self.begun),
        );
        let waited = u128::from(ns) * u128::from(Amount::CPU.0) / u128::from(over.0.max(1));
        Amount(u64::try_from(waited).unwrap_or(u64::MAX))
    }
}

impl Cpu {
    fn push(&mut self, cpu: &CpuSignals) {
        let need = unhindered(cpu);
        self.ticks += 1;
        self.used = self.used.saturating_add(cpu.used.0);
        self.needed = self.needed.saturating_add(need.0);
        self.waited_ns = self.waited_ns.saturating_add(cpu.wait_ns);
        self.peak = self.peak.max(need);
        self.held = cpu.held;
        self.periods = self.periods.saturating_add(cpu.periods);
        self.throttled = self.throttled.saturating_add(cpu.throttled);
    }

    /// Mean use.
    pub(super) fn used(&self) -> Amount {
        Amount(self.used / self.ticks.max(1))
    }

    /// Mean need, as if nothing had throttled it.
    pub(super) fn need(&self) -> Amount {
        Amount(self.needed / self.ticks.max(1))
    }
}

impl Memory {
    fn new(memory: &MemorySignals) -> Self {
        Self {
            floor: memory.anonymous,
            peak: memory.anonymous,
            held: memory.held,
            hard: memory.hard,
            met: 0,
            kills: 0,
        }
    }

    fn push(&mut self, memory: &MemorySignals) {
        self.floor = self.floor.min(memory.anonymous);
        self.peak = self.peak.max(memory.anonymous);
        (self.held, self.hard) = (memory.held, memory.hard);
        let met = memory.high.saturating_add(memory.oom);
        self.met = self.met.saturating_add(met.saturating_add(memory.oom_kill));
        self.kills = self.kills.saturating_add(memory.oom_kill);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_is_cut_short_once_and_then_whole() {
        let second = |count: u64| Nanos(count * Nanos::SECOND.0);
        let signals = WorkloadSignals::default();
        let mut minute = Minute::new(second(100), Slot(45));
        let full: Vec<_> = (101..300)
            .filter(|now| {
                let full = minute.push(second(*now), &signals);
                if full {
                    minute = minute.next();
                }
                full
            })
            .collect();
        assert_eq!(full, [115, 175, 235, 295]);
    }

    #[test]
    fn the_floor_is_what_a_collection_leaves() {
        let mut minute = Minute::new(Nanos(0), Slot(0));
        for anonymous in [70, 90, 40, 60] {
            let memory = MemorySignals {
                anonymous: Amount(anonymous),
                high: 1,
                ..MemorySignals::default()
            };
            let signals = WorkloadSignals {
                memory: Some(memory),
                ..WorkloadSignals::default()
            };
            minute.push(Nanos(0), &signals);
        }
        let memory = minute.memory.unwrap();
        assert_eq!(
            (memory.floor, memory.peak, memory.met),
            (Amount(40), Amount(90), 4)
        );
    }
}
