//! A series of requests as a demand: when each comes, and what each costs.

use trimtab_core::{
    node::{Arrivals, Demand, Service},
    signal::{Amount, Nanos},
};

/// No request costs more than this.
const DEAREST: Nanos = Nanos(100_000_000);

/// The most requests of one series that are told apart, at 8 bytes each. More flow like a liquid.
const MOST: u128 = 4 << 20;

/// Requests in thousandths per second, from when on, in order.
#[derive(Debug)]
pub(super) struct Requests {
    pub(super) steps: Vec<(Nanos, u64)>,
    pub(super) until: Nanos,
    pub(super) seed: u64,
}

impl Requests {
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

    /// What one costs on average: so much that all together need one CPU on average, but no more than 100 ms.
    fn cost(&self) -> Nanos {
        let mean = u128::from(self.until.0) / self.count().max(1);
        Nanos(u64::try_from(mean).unwrap_or(u64::MAX).clamp(1, DEAREST.0))
    }

    /// What they need of the CPU, in micro-CPUs, from when on.
    pub(super) fn cpu(&self) -> Vec<(Nanos, u64)> {
        let cost = u128::from(self.cost().0);
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
                mean: self.cost(),
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
        Requests {
            steps: steps
                .iter()
                .map(|(at, rate)| (second(*at), *rate))
                .collect(),
            until: second(until),
            seed: 7,
        }
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
        assert_eq!(many.cost(), Nanos(5_000_000));
        assert_eq!(
            many.cpu(),
            [
                (Nanos(0), 500_000),
                (Nanos(10 * Nanos::SECOND.0), 1_500_000)
            ]
        );
        let few = requests(&[(0, 2_000)], 20);
        assert_eq!(
            (few.cost(), few.cpu()),
            (DEAREST, vec![(Nanos(0), 200_000)])
        );
    }

    #[test]
    fn very_many_flow() {
        let flood = requests(&[(0, 1_000_000_000)], 20);
        assert!(matches!(flood.demand(2), Demand::Series { .. }));
    }
}
