//! Rates of requests that change at given moments, such as those of a recorded trace.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fastrand::Rng;

use crate::arrivals::{Spacing, walk};

/// From when on which rate holds, in requests a second, in order of time. Before the first there are no requests;
/// the last holds for ever.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rates(Vec<(Duration, f64)>);

impl Rates {
    /// Of these steps.
    ///
    /// # Errors
    /// When they are not in order of time, or a rate is below zero or no number.
    pub fn new(steps: Vec<(Duration, f64)>) -> Result<Self> {
        ensure!(
            steps.is_sorted_by_key(|(at, _)| *at),
            "the rates are not in order of time"
        );
        let wrong = steps
            .iter()
            .find(|(_, rate)| !rate.is_finite() || *rate < 0.0);
        if let Some((at, rate)) = wrong {
            anyhow::bail!("{rate} is no rate of requests, at {at:?}");
        }
        Ok(Self(steps))
    }

    /// One rate a line, each for a second, as Autothrottle's traces have it.
    ///
    /// # Errors
    /// When a line is no number, or one below zero; with the number of the line.
    pub fn per_second(text: &str) -> Result<Self> {
        let steps = text.lines().zip(1_u32..).map(|(line, number)| {
            let rate = line.trim().parse::<f64>();
            let rate = rate.with_context(|| format!("line {number} is no number: `{line}`"))?;
            Ok((Duration::from_secs(u64::from(number) - 1), rate))
        });
        Self::new(steps.collect::<Result<_>>()?)
    }

    /// Requests a second, on average up to this moment.
    #[must_use]
    pub fn mean(&self, until: Duration) -> f64 {
        let ends = self.0.iter().skip(1).map(|(at, _)| *at).chain([until]);
        let pieces = self.0.iter().zip(ends).map(|((from, rate), to)| {
            let long = to.min(until).saturating_sub(*from);
            rate * long.as_secs_f64()
        });
        pieces.sum::<f64>() / until.as_secs_f64()
    }

    /// The same rates in another measure, so that there are so many requests a second on average up to a moment.
    ///
    /// # Errors
    /// When there are none up to that moment.
    pub fn with_mean(self, rate: f64, until: Duration) -> Result<Self> {
        let mean = self.mean(until);
        ensure!(mean > 0.0, "there are no requests within {until:?}");
        let steps = self.0.into_iter();
        Self::new(steps.map(|(at, old)| (at, old * rate / mean)).collect())
    }

    /// When requests are due up to a moment, since the start, in order. The same seed gives the same times.
    #[must_use]
    pub fn times(&self, until: Duration, spacing: Spacing, seed: u64) -> Vec<Duration> {
        let mut random = Rng::with_seed(seed);
        let mut steps = self.0.iter().peekable();
        let mut present = 0.0;
        let piece = |now| {
            while let Some((_, rate)) = steps.next_if(|(at, _)| at.as_secs_f64() <= now) {
                present = *rate;
            }
            let next = steps.peek().map_or(until, |(at, _)| (*at).min(until));
            (present, next.as_secs_f64())
        };
        walk(until, || spacing.distance(&mut random), piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_mins(2);

    /// A rate for each second, between 50 and 450.
    fn wandering() -> Rates {
        let mut random = Rng::with_seed(5);
        let steps = (0..LONG.as_secs()).map(|second| {
            let rate = 50.0 + 400.0 * random.f64();
            (Duration::from_secs(second), rate)
        });
        Rates::new(steps.collect()).unwrap()
    }

    /// Requests in each stretch of so many seconds.
    fn counts(times: &[Duration], seconds: u64) -> Vec<f64> {
        let stretches = LONG.as_secs() / seconds;
        (0..stretches)
            .map(|stretch| {
                let here = times
                    .iter()
                    .filter(|time| time.as_secs() / seconds == stretch);
                f64::from(u32::try_from(here.count()).unwrap())
            })
            .collect()
    }

    #[test]
    fn even_requests_are_as_many_as_the_rate_says_in_each_second() {
        let rates = wandering();
        let found = counts(&rates.times(LONG, Spacing::Even, 1), 1);
        for (count, (at, rate)) in found.iter().zip(&rates.0) {
            assert!((count - rate).abs() <= 1.0, "{count} of {rate} at {at:?}");
        }
    }

    #[test]
    fn random_requests_are_so_within_their_noise() {
        let rates = wandering();
        let times = rates.times(LONG, Spacing::Poisson, 1);
        assert!(times.is_sorted());
        // Of 2,500 requests the standard deviation is 50, 2 %.
        for (count, steps) in counts(&times, 10).iter().zip(rates.0.chunks(10)) {
            let wanted: f64 = steps.iter().map(|(_, rate)| rate).sum();
            let off = (count / wanted - 1.0).abs();
            assert!(off < 0.1, "{count} instead of {wanted}");
        }
        let (all, wanted) = (times.len(), rates.mean(LONG) * LONG.as_secs_f64());
        let off = (f64::from(u32::try_from(all).unwrap()) / wanted - 1.0).abs();
        assert!(off < 0.03, "{all} instead of {wanted}");
    }

    #[test]
    fn the_same_seed_gives_the_same_times() {
        let times = |seed| wandering().times(LONG, Spacing::Poisson, seed);
        assert_eq!(times(3), times(3));
        assert_ne!(times(3), times(4));
    }

    #[test]
    fn there_are_none_before_the_first_step_and_none_at_a_rate_of_zero() {
        let at = Duration::from_secs;
        let rates = Rates::new(vec![(at(2), 100.0), (at(4), 0.0), (at(5), 10.0)]).unwrap();
        let times = rates.times(at(7), Spacing::Poisson, 1);
        let within = |from, to| {
            let here = times
                .iter()
                .filter(|time| (at(from)..at(to)).contains(time));
            here.count()
        };
        assert_eq!((within(0, 2), within(4, 5)), (0, 0));
        assert!((150..250).contains(&within(2, 4)), "{}", within(2, 4));
        assert!((5..40).contains(&within(5, 7)), "{}", within(5, 7));
    }

    #[test]
    fn lines_are_seconds_and_the_mean_can_be_chosen() {
        let rates = Rates::per_second("10\n 30\n20 \n").unwrap();
        assert!((rates.mean(Duration::from_secs(3)) - 20.0).abs() < 1e-9);
        assert!((rates.mean(Duration::from_millis(1500)) - 25.0 / 1.5).abs() < 1e-9);
        let long = Duration::from_secs(2);
        let half = rates.with_mean(10.0, long).unwrap();
        assert!((half.mean(long) - 10.0).abs() < 1e-9);
        assert!(Rates::per_second("10\nten\n").is_err());
        assert!(Rates::per_second("10\n-1\n").is_err());
        let later = (Duration::from_secs(1), 1.0);
        assert!(Rates::new(vec![later, (Duration::ZERO, 1.0)]).is_err());
        assert!(Rates::default().with_mean(1.0, long).is_err());
    }
}
