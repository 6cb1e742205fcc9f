//! Series packed onto simulated nodes: each alone, or several together.

use std::num::{NonZeroU32, NonZeroUsize};

use trimtab_core::{
    node::{Setup, Workload},
    signal::{Amount, Nanos},
};

use super::super::digest::Digest;
use super::case::{About, Case, LEAST};

/// How many series share a node, and how large it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Together {
    /// So many of a source at the most, in the order of reading; its last node has what is left over.
    pub workloads: NonZeroUsize,
    /// What the node has of each resource, in percent of what its workloads begin with.
    pub room: NonZeroU32,
}

/// A node with its workloads, ready to be run under any policy.
#[derive(Debug)]
pub(super) struct Pack {
    /// Which of all nodes, from 0.
    pub(super) node: usize,
    /// Which of all series that were read its first is, from 0.
    pub(super) first: usize,
    /// One per workload.
    pub(super) series: Vec<About>,
    pub(super) setup: Setup,
    /// By slot.
    pub(super) workloads: Vec<Workload>,
    pub(super) until: Nanos,
    /// Whether the node has the size of one, and not that of its only workload.
    pub(super) shared: bool,
    /// The same for the same samples in the same order, on a node of the same size.
    pub(super) digest: u64,
}

/// A cgroup v2 weight of 100 stands for one CPU.
const WEIGHT: u64 = Amount::CPU.0 / 100;

impl Pack {
    /// One series on a node with room enough.
    pub(super) fn alone(case: Case) -> Self {
        Self {
            node: 0,
            first: 0,
            until: case.about.until,
            setup: case.setup,
            workloads: vec![case.workload],
            shared: false,
            digest: case.digest,
            series: vec![case.about],
        }
    }

    /// Several series on a node with so much room, in percent of what they begin with.
    pub(super) fn together(cases: Vec<Case>, room: NonZeroU32) -> Self {
        let starts = starts(cases.iter().map(|case| &case.about));
        let mut digest = Digest::seeded(u64::from(room.get()));
        let mut sums = [0_u64; 2];
        let mut until = Nanos(0);
        let (mut series, mut workloads) = (Vec::new(), Vec::new());
        for (case, start) in cases.into_iter().zip(starts) {
            digest = digest.number(case.digest).number(start.0);
            let limits = [case.workload.cpu_limit, case.workload.memory_limit];
            for (sum, limit) in sums.iter_mut().zip(limits) {
                let limit = Some(limit.0).filter(|_| !limit.is_unlimited());
                *sum = sum.saturating_add(limit.unwrap_or(0));
            }
            let end = start.plus(case.about.until);
            until = until.max(end);
            let weight = case.workload.cpu_request.0 / WEIGHT;
            workloads.push(Workload {
                start,
                end: Some(end),
                weight: weight.clamp(1, 10_000),
                ..case.workload
            });
            series.push(case.about);
        }
        let [cpu, memory] = sums.map(|sum| {
            let part = u128::from(sum) * u128::from(room.get()) / 100;
            u64::try_from(part).unwrap_or(u64::MAX)
        });
        let cpus = cpu.div_ceil(Amount::CPU.0).max(1);
        let setup = Setup {
            cpus: Amount(cpus.saturating_mul(Amount::CPU.0)),
            memory: Amount(memory.max(LEAST[1])),
            ..Setup::default()
        };
        Self {
            node: 0,
            first: 0,
            series,
            setup,
            workloads,
            until,
            shared: true,
            digest: digest.mixed(),
        }
    }

    /// What the node has of each resource.
    pub(super) fn room(&self) -> [Amount; 2] {
        [self.setup.cpus, self.setup.memory]
    }

    /// The source that its series are from.
    pub(super) fn source(&self) -> Option<&'static str> {
        self.series.first().map(|about| about.head.source)
    }

    /// Simulated time, summed over workloads.
    pub(super) fn time(&self) -> u128 {
        let times = self.series.iter().map(|about| u128::from(about.until.0));
        times.sum()
    }
}

/// When each begins: by the clock where all have one and there is a moment at which all are there;
/// otherwise all at once.
fn starts<'a>(series: impl Iterator<Item = &'a About> + Clone) -> Vec<Nanos> {
    let spans: Option<Vec<_>> = series
        .clone()
        .map(|about| {
            Some((
                about.head.began?,
                about.head.began?.saturating_add(about.until.0),
            ))
        })
        .collect();
    let spans = spans.unwrap_or_default();
    let first = spans.iter().map(|(began, _)| *began).min();
    let last = spans.iter().map(|(began, _)| *began).max();
    let meet = spans.iter().all(|(_, end)| Some(*end) > last);
    match first.filter(|_| meet) {
        Some(first) => spans
            .iter()
            .map(|(began, _)| Nanos(began - first))
            .collect(),
        None => series.map(|_| Nanos(0)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::{
        repair::Repairs,
        series::{CappedBy, Head, Kind, Scale},
    };

    /// A series that began at a second, if it has a clock, lasts for 100 s and begins with so many milli-CPUs
    /// and MiB.
    fn case(began: Option<u64>, milli: u64, mib: u64) -> Case {
        let head = Head {
            source: "csv",
            name: "web".to_owned(),
            part: 1,
            step: Nanos::SECOND,
            began: began.map(|second| second * Nanos::SECOND.0),
            kind: Kind::Capped {
                by: CappedBy::Unknown,
            },
            scale: Scale::Measured,
        };
        let (cpu, memory) = (Amount(milli * 1000), Amount(mib << 20));
        Case {
            about: About {
                head,
                repairs: Repairs::default(),
                cut: false,
                until: Nanos(100 * Nanos::SECOND.0),
            },
            setup: Setup::default(),
            workload: Workload {
                cpu_request: cpu,
                cpu_limit: cpu,
                memory_limit: if mib > 0 { memory } else { Amount::UNLIMITED },
                ..Workload::default()
            },
            digest: milli,
        }
    }

    fn together(cases: Vec<Case>, room: u32) -> Pack {
        Pack::together(cases, NonZeroU32::new(room).unwrap())
    }

    #[test]
    fn a_node_has_a_part_of_what_its_workloads_begin_with() {
        let cases = || {
            vec![
                case(None, 1500, 100),
                case(None, 3000, 0),
                case(None, 5, 400),
            ]
        };
        let size = |room| {
            let setup = together(cases(), room).setup;
            (setup.cpus.0 / Amount::CPU.0, setup.memory.0 >> 20)
        };
        assert_eq!(size(100), (5, 500), "whole CPUs");
        assert_eq!(size(50), (3, 250));
        assert_eq!(size(1), (1, 16), "no less than anybody");
        let weights: Vec<_> = together(cases(), 100)
            .workloads
            .iter()
            .map(|workload| workload.weight)
            .collect();
        assert_eq!(weights, [150, 300, 1]);
        let digests = [100, 50].map(|room| together(cases(), room).digest);
        assert_ne!(digests[0], digests[1]);
    }

    #[test]
    fn series_keep_their_clocks_where_they_meet() {
        let starts = |began: &[Option<u64>]| {
            let pack = together(began.iter().map(|began| case(*began, 1, 0)).collect(), 100);
            let starts = pack.workloads.iter();
            let starts: Vec<_> = starts
                .map(|workload| workload.start.0 / Nanos::SECOND.0)
                .collect();
            (starts, pack.until.0 / Nanos::SECOND.0)
        };
        assert_eq!(
            starts(&[Some(1030), Some(1000), Some(1099)]),
            (vec![30, 0, 99], 199)
        );
        // The first is over when the last begins.
        assert_eq!(
            starts(&[Some(1030), Some(1000), Some(1100)]),
            (vec![0; 3], 100)
        );
        assert_eq!(starts(&[Some(1030), None]), (vec![0; 2], 100));
        assert_eq!(starts(&[Some(1030)]), (vec![0], 100));
    }
}
