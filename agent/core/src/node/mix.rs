//! Random mixes of guaranteed and best-effort workloads, as a scheduler would pack them onto one node.

use crate::signal::{Amount, Nanos};

use super::{
    arrivals::{Arrivals, Service},
    load::Demand,
    setup::{Setup, Workload},
};

/// CPUs of the node.
const CPUS: u64 = 8;
/// How many guaranteed workloads there are, and how many best-effort ones.
const GUARANTEED: std::ops::RangeInclusive<usize> = 3..=6;
const BEST_EFFORT: std::ops::RangeInclusive<usize> = 1..=3;
/// What the guaranteed use together, in percent of the node.
const LOAD: std::ops::RangeInclusive<u64> = 40..=50;
/// What each asks for, in percent of what it uses on average.
const ASKED: std::ops::RangeInclusive<u64> = 150..=220;
/// What all may ask for together, in percent of the node.
const ALLOCATABLE: u64 = 90;
/// Mean CPU time of a request.
const SERVICE_MS: std::ops::RangeInclusive<u64> = 2..=20;
/// A cgroup v2 weight of 100 stands for one CPU, as on nodes that series share.
const WEIGHT: u64 = Amount::CPU.0 / 100;

/// One node's workloads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mix {
    /// The node.
    pub setup: Setup,
    /// Services: requests at random times, their CPU request as their limit and their weight by it.
    pub guaranteed: Vec<Workload>,
    /// Work without end, without request or limit; all together want the whole node.
    pub best_effort: Vec<Workload>,
}

impl Mix {
    /// The mix of this seed. `weight` is the `cpu.weight` of each best-effort workload: 1 is what Kubernetes gives
    /// them, 100 what a group has that nobody has thought of.
    #[must_use]
    pub fn random(seed: u64, weight: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let node = CPUS * Amount::CPU.0;
        let parts: Vec<_> = (0..random.usize(GUARANTEED))
            .map(|_| random.u64(1..=4))
            .collect();
        let all = parts.iter().sum::<u64>().max(1);
        let load = node * random.u64(LOAD) / 100;
        let loads: Vec<_> = parts.iter().map(|part| load * part / all).collect();
        let mut asked: Vec<_> = loads
            .iter()
            .map(|load| load * random.u64(ASKED) / 100)
            .collect();
        let sum = asked.iter().sum::<u64>();
        let most = node * ALLOCATABLE / 100;
        if sum > most {
            for asked in &mut asked {
                *asked = *asked * most / sum;
            }
        }
        let guaranteed = loads.iter().zip(&asked).map(|(load, asked)| {
            let mean = Nanos(random.u64(SERVICE_MS) * Nanos::MILLI.0);
            let seed = random.u64(..);
            let threads = 1 + asked.div_ceil(Amount::CPU.0) + random.u64(0..=2);
            Workload {
                weight: (asked / WEIGHT).max(1),
                priority: 1,
                phase: Nanos(random.u64(0..100 * Nanos::MILLI.0)),
                cpu_request: Amount(*asked),
                ..Workload::cpu(
                    Demand::Requests {
                        arrivals: Arrivals::Poisson {
                            mean: Nanos(mean.0 * Amount::CPU.0 / load.max(&1)),
                            seed,
                        },
                        service: Service::Exponential { mean, seed: !seed },
                        threads: u32::try_from(threads).unwrap_or(u32::MAX),
                    },
                    Amount(*asked),
                )
            }
        });
        let guaranteed = guaranteed.collect();
        let others = random.usize(BEST_EFFORT) as u64;
        // Together as many threads as CPUs at the least, so that they could use all that is idle.
        let threads = CPUS.div_ceil(others) + random.u64(0..=2);
        let rate = Amount(threads * Amount::CPU.0);
        let threads = u32::try_from(threads).unwrap_or(u32::MAX);
        let best_effort = (0..others).map(|_| Workload {
            weight,
            phase: Nanos(random.u64(0..100 * Nanos::MILLI.0)),
            ..Workload::cpu(Demand::steady(rate, threads), Amount::UNLIMITED)
        });
        Self {
            setup: Setup {
                cpus: Amount(node),
                ..Setup::default()
            },
            best_effort: best_effort.collect(),
            guaranteed,
        }
    }

    /// The same with no request and no limit for anybody: weights are all there is.
    #[must_use]
    pub fn unlimited(mut self) -> Self {
        for one in &mut self.guaranteed {
            (one.cpu_request, one.cpu_limit) = (Amount::ZERO, Amount::UNLIMITED);
        }
        self
    }

    /// All of them, the guaranteed first.
    #[must_use]
    pub fn workloads(&self) -> Vec<Workload> {
        let all = self.guaranteed.iter().chain(&self.best_effort);
        all.cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scheduler_would_have_packed_them_so() {
        for seed in 0..200 {
            let mix = Mix::random(seed, 1);
            assert!(GUARANTEED.contains(&mix.guaranteed.len()));
            assert!(BEST_EFFORT.contains(&mix.best_effort.len()));
            let asked: u64 = mix.guaranteed.iter().map(|one| one.cpu_request.0).sum();
            assert!(asked <= mix.setup.cpus.0 * ALLOCATABLE / 100);
            let mut load = 0;
            for one in &mix.guaranteed {
                let Some(Demand::Requests {
                    arrivals: Arrivals::Poisson { mean: every, .. },
                    service: Service::Exponential { mean, .. },
                    threads,
                }) = &one.demand
                else {
                    unreachable!("services have requests")
                };
                let used = mean.0 * Amount::CPU.0 / every.0;
                assert!(used < one.cpu_limit.0 && one.cpu_limit == one.cpu_request);
                assert!(u64::from(*threads) * Amount::CPU.0 > one.cpu_limit.0);
                load += used * 100;
            }
            // Distances are whole nanoseconds.
            assert!((39..=50).contains(&(load / mix.setup.cpus.0)), "{load}");
        }
    }

    #[test]
    fn best_effort_wants_all_of_the_node_and_was_promised_nothing() {
        for seed in 0..200 {
            let mix = Mix::random(seed, 100);
            let wanted = mix.best_effort.iter().map(|one| {
                assert_eq!((one.weight, one.cpu_request), (100, Amount::ZERO));
                assert!(one.cpu_limit.is_unlimited());
                match &one.demand {
                    Some(Demand::Series { steps, .. }) => steps[0].1.0,
                    _ => 0,
                }
            });
            assert!(wanted.sum::<u64>() >= mix.setup.cpus.0);
        }
    }

    #[test]
    fn a_seed_is_a_mix() {
        assert_eq!(Mix::random(7, 1), Mix::random(7, 1));
        assert_ne!(Mix::random(7, 1), Mix::random(8, 1));
        // Only the weight differs.
        assert_eq!(Mix::random(7, 1).guaranteed, Mix::random(7, 100).guaranteed);
    }
}
