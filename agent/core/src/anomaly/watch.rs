//! One workload's minutes, and what its detectors make of them.

use super::beyond::{self, Beyond};
use super::fit::Fit;
use super::found::{Anomaly, News, Standing};
use super::leak::Leaks;
use super::minute::Minute;
use super::neighbour::Neighbours;
use super::shift::Shifts;
use crate::signal::{Amount, Nanos, Resource, Slot};
use crate::snapshot::WorkloadSignals;

/// What a workload's minute is held against.
#[derive(Clone, Copy, Debug)]
pub struct Around<'a> {
    /// What the node has.
    pub capacity: [Amount; 2],
    /// The envelope's ceiling; unlimited where a resource is not managed.
    pub ceiling: [Amount; 2],
    /// The most CPU that it can ever have here: its ceiling, or what others' floors leave of the node.
    pub reach: Amount,
    /// Memory that the node has left.
    pub available: Amount,
    /// For how long its tasks could run lately, in ns, running or waiting.
    pub runnable: u64,
    /// For how long of that they waited behind each other group by id, the worst first, in ns.
    pub behind: &'a [(u64, u64)],
}

/// One workload's watch: [`Watch::push`] each tick and, when that says so, [`Watch::judge`]. Bounded: 1.5 KiB, and 0.6 more
/// once memory has been watched for a day and a half.
#[derive(Clone, Debug)]
pub struct Watch {
    minute: Minute,
    leaks: Leaks,
    shifts: Shifts,
    fits: [Fit; 2],
    neighbours: Neighbours,
    beyond: Beyond,
    weight: Option<u32>,
    standing: Vec<Standing>,
}

impl Watch {
    /// A watch that begins now. The slot only tells when its minutes begin.
    #[must_use]
    pub fn new(now: Nanos, slot: Slot) -> Self {
        Self {
            minute: Minute::new(now, slot),
            leaks: Leaks::default(),
            shifts: Shifts::default(),
            fits: Default::default(),
            neighbours: Neighbours::default(),
            beyond: Beyond::default(),
            weight: None,
            standing: Vec::new(),
        }
    }

    /// Takes a tick in; whether a minute is full, and to be judged.
    pub fn push(&mut self, now: Nanos, signals: &WorkloadSignals) -> bool {
        self.minute.push(now, signals)
    }

    /// Judges the minute that is full, and begins the next; what is new.
    pub fn judge(&mut self, now: Nanos, around: &Around<'_>) -> Vec<News> {
        let minute = self.minute;
        self.minute = minute.next();
        if let Some(cpu) = &minute.cpu {
            self.shifts.push(cpu.need());
            self.fits[0].push_cpu(cpu, around.capacity[0]);
            self.neighbours.push(around.runnable, around.behind);
            self.beyond.push(&minute, around.reach);
            self.weight = Some(beyond::weight(cpu.need(), around.reach, minute.latency));
        }
        if let Some(memory) = &minute.memory {
            if memory.kills > 0 {
                self.leaks.reset();
            }
            self.leaks.push(memory.floor);
            self.fits[1].push_memory(memory, around.capacity[1]);
        }
        let found = self.found(&minute, around);
        self.tell(now, &found)
    }

    /// What lasts.
    #[must_use]
    pub fn standing(&self) -> &[Standing] {
        &self.standing
    }

    /// Its weight among other instances of its kind; see [`beyond::weight`]. `None` until a minute has passed, and where CPU
    /// is not known.
    #[must_use]
    pub const fn weight(&self) -> Option<u32> {
        self.weight
    }

    /// What is found now.
    fn found(&self, minute: &Minute, around: &Around<'_>) -> [Option<Anomaly>; 8] {
        let leak = minute.memory.and_then(|memory| {
            self.leaks
                .found(memory.floor, memory.hard, around.available)
        });
        let [cpu, memory] = Resource::ALL.map(|resource| {
            let (fit, ceiling) = (
                &self.fits[resource.index()],
                around.ceiling[resource.index()],
            );
            (fit.loose(resource), fit.tight(resource, ceiling))
        });
        [
            leak.map(Anomaly::Leak),
            self.shifts.found().map(Anomaly::Shift),
            cpu.0.map(Anomaly::LimitTooLarge),
            memory.0.map(Anomaly::LimitTooLarge),
            cpu.1.map(Anomaly::LimitTooSmall),
            memory.1.map(Anomaly::LimitTooSmall),
            self.neighbours.found().map(Anomaly::NoisyNeighbour),
            self.beyond.found().map(Anomaly::BeyondNode),
        ]
    }

    /// Makes news of what was found and what no longer is.
    fn tell(&mut self, now: Nanos, found: &[Option<Anomaly>]) -> Vec<News> {
        let mut news = Vec::new();
        let found = || found.iter().flatten();
        self.standing.retain(|standing| {
            let lasts = found().any(|anomaly| anomaly.is_same(&standing.anomaly));
            if !lasts {
                news.push(News::Ends(*standing));
            }
            lasts
        });
        for anomaly in found() {
            let mut known = self.standing.iter_mut();
            if let Some(known) = known.find(|known| anomaly.is_same(&known.anomaly)) {
                known.anomaly = *anomaly;
                continue;
            }
            let standing = Standing {
                since: now,
                anomaly: *anomaly,
            };
            self.standing.push(standing);
            news.push(News::Begins(standing));
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::{CpuSignals, MemorySignals};

    const AROUND: Around<'_> = Around {
        capacity: [Amount(8_000_000), Amount(16 << 30)],
        ceiling: [Amount::UNLIMITED; 2],
        reach: Amount(8_000_000),
        available: Amount(8 << 30),
        runnable: 0,
        behind: &[],
    };

    /// What is told over some minutes, of memory in MiB.
    fn told(memory: impl IntoIterator<Item = u64>) -> Vec<(u64, News)> {
        let mut watch = Watch::new(Nanos(0), Slot(0));
        let mut told = Vec::new();
        for (minute, mib) in (1..).zip(memory) {
            let memory = MemorySignals {
                anonymous: Amount(mib << 20),
                held: Amount::UNLIMITED,
                hard: Amount(1 << 30),
                ..MemorySignals::default()
            };
            let signals = WorkloadSignals {
                cpu: Some(CpuSignals {
                    used: Amount(300_000),
                    held: Amount::UNLIMITED,
                    ..CpuSignals::default()
                }),
                memory: Some(memory),
                ..WorkloadSignals::default()
            };
            let now = Nanos(minute * Nanos::MINUTE.0);
            if watch.push(now, &signals) {
                let news = watch.judge(now, &AROUND);
                told.extend(news.into_iter().map(|news| (minute, news)));
            }
        }
        assert_eq!(watch.weight(), Some(770));
        told
    }

    #[test]
    fn a_leak_is_told_once_and_its_end_once() {
        let told = told((0..300).map(|minute| if minute < 100 { 100 + 4 * minute } else { 120 }));
        let [(48, News::Begins(begun)), (101, News::Ends(ended))] = told[..] else {
            panic!("{told:?}");
        };
        assert_eq!(begun.since, ended.since);
        assert_eq!(
            begun.anomaly.to_string(),
            "leak: 4 MiB a minute for 32 min without falling back, 124 MiB in all; the limit of 1 GiB is reached in 3 h 4 min"
        );
        assert_eq!(ended.anomaly.resource(), Resource::Memory);
    }

    #[test]
    fn it_is_small() {
        assert!(size_of::<Watch>() <= 1536, "{}", size_of::<Watch>());
    }
}
