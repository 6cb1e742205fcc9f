//! A series of requests as a demand: when each comes, and what each costs.

use trimtab_core::{
    node::{Arrivals, Demand, Microbursts, Service},
    signal::{Amount, Nanos},
};

/// No request costs more than this.
const DEAREST: Nanos = Nanos(100_000_000);

/// The most requests of one series that are told apart, at 8 bytes each. More flow like a liquid.
const MOST: u128 = 4 << 20;

/// Requests in thousandths per second, from when on, in order.
#[derive(Debug)]
pub(super) struct Requests {
    steps: Vec<(Nanos, u64)>,
    until: Nanos,
    seed: u64,
    /// What one costs on average.
    cost: Nanos,
}

impl Requests {
    /// Each costs so much on average that all together need one CPU on average, but no more than 100 ms.
    pub(super) fn new(steps: Vec<(Nanos, u64)>, until: Nanos, seed: u64) -> Self {
        let mut new = Self {
            steps,
            until,
            seed,
            cost: DEAREST,
        };
        let mean = u128::from(until.0) / new.count().max(1);
        new.cost = Nanos(u64::try_from(mean).unwrap_or(u64::MAX).clamp(1, DEAREST.0));
        new
    }

    /// The same with more of them in microbursts, which are others for each seed. Each costs what it did.
    pub(super) fn with(self, microbursts: Microbursts) -> Self {
        let seed = microbursts.seed ^ self.seed;
        let microbursts = Microbursts {
            seed,
            ..microbursts
        };
        Self {
            steps: microbursts.over(&self.steps, self.until),
            ..self
        }
    }

    /// How many come between two steps, in thousandths, with the nanoseconds as a factor.
    fn spans(&self) -> impl Iterator<Item = (Nanos, Nanos, u64)> + '_ {
        let ends = self.steps.iter().skip(1).map(|(at, _)| *at);
        let steps = self.steps.iter().zip(ends.chain([self.until]));
        steps.map(|((from, rate), to)| (*from, to, *rate))
    }

    fn count(&self) -> u128 {
        let parts = self
            .spans()
            .map(|(from, to, rate)| u128::from(rate) * u128::from(to.since(from).0));
        parts.sum::<u128>() / 1_000_000_000_000
    }

    /// What they need of the CPU, in micro-CPUs, from when on.
    pub(super) fn cpu(&self) -> Vec<(Nanos, u64)> {
        let cost = u128::from(self.cost.0);
        let need = |rate: u64| u128::from(rate) * cost / 1_000_000;
        let steps = self.steps.iter();
        steps
            .map(|(at, rate)| (*at, u64::try_from(need(*rate)).unwrap_or(u64::MAX)))
            .collect()
    }

    /// Requests at random times within each step, fixed by the seed, and of exponentially distributed size.
    pub(super) fn demand(&self, threads: u32) -> Demand {
        if self.count() > MOST {
            let steps = self.cpu().into_iter();
            return Demand::Series {
                steps: steps.map(|(at, need)| (at, Amount(need))).collect(),
                repeat: None,
                threads,
            };
        }
        let mut random = fastrand::Rng::with_seed(self.seed);
        let mut times = Vec::new();
        let mut due = 0_u128;
        for (from, to, rate) in self.spans() {
            let before = times.len();
            due += u128::from(rate) * u128::from(to.since(from).0);
            while due >= 1_000_000_000_000 {
                due -= 1_000_000_000_000;
                times.push(Nanos(random.u64(from.0..to.0.max(from.0 + 1))));
            }
            times[before..].sort_unstable();
        }
        Demand::Requests {
            arrivals: Arrivals::Given(times),
            service: Service::Exponential {
                mean: self.cost,
                seed: self.seed,
            },
            threads,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests(steps: &[(u64, u64)], until: u64) -> Requests {
        let second = |at: u64| Nanos(at * Nanos::SECOND.0);
        let steps = steps.iter().map(|(at, rate)| (second(*at), *rate));
        Requests::new(steps.collect(), second(until), 7)
    }

    #[test]
    fn each_step_has_its_requests() {
        // 100, then 300 per second, then half of one.
        let requests = requests(&[(0, 100_000), (10, 300_000), (20, 500)], 30);
        let Demand::Requests {
            arrivals: Arrivals::Given(times),
            ..
        } = requests.demand(2)
        else {
            unreachable!("so few are told apart")
        };
        let within = |from: u64, to: u64| {
            let range = from * Nanos::SECOND.0..to * Nanos::SECOND.0;
            times.iter().filter(|time| range.contains(&time.0)).count()
        };
        assert_eq!(
            (within(0, 10), within(10, 20), within(20, 30)),
            (1000, 3000, 5)
        );
        assert!(times.is_sorted());
        assert_eq!(requests.demand(2), requests.demand(2));
    }

    #[test]
    fn they_need_one_cpu_together_unless_they_are_few() {
        let many = requests(&[(0, 100_000), (10, 300_000)], 20);
        assert_eq!(many.cost, Nanos(5_000_000));
        assert_eq!(
            many.cpu(),
            [
                (Nanos(0), 500_000),
                (Nanos(10 * Nanos::SECOND.0), 1_500_000)
            ]
        );
        let few = requests(&[(0, 2_000)], 20);
        assert_eq!((few.cost, few.cpu()), (DEAREST, vec![(Nanos(0), 200_000)]));
    }

    #[test]
    fn microbursts_bring_more_of_the_same_cost() {
        let plain = requests(&[(0, 100_000)], 100);
        let cost = plain.cost;
        let times = |requests: &Requests| match requests.demand(2) {
            Demand::Requests {
                arrivals: Arrivals::Given(times),
                ..
            } => times,
            _ => unreachable!("so few are told apart"),
        };
        assert_eq!(times(&plain).len(), 10_000);
        let every = Nanos(10 * Nanos::SECOND.0);
        let bursts = plain.with(Microbursts {
            length: [Nanos::SECOND; 2],
            percent: [400; 2],
            every,
            seed: 1,
        });
        // A second of each ten at four times the rate.
        let times = times(&bursts);
        assert!((12_998..=13_000).contains(&times.len()), "{}", times.len());
        assert!(times.is_sorted());
        assert_eq!(bursts.cost, cost);
        let most = bursts.cpu().iter().map(|(_, rate)| *rate).max();
        assert_eq!(most, Some(4_000_000));
    }

    #[test]
    fn very_many_flow() {
        let flood = requests(&[(0, 1_000_000_000)], 20);
        assert!(matches!(flood.demand(2), Demand::Series { .. }));
    }
}
