//! When requests come: by a recorded trace, or by a made-up day.

use std::{f64::consts::TAU, path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use trimtab::replay::{Quantity, Series, Source};
use trimtab_core::{node::Microbursts, signal::Nanos};
use trimtab_lab::{arrivals::Spacing, rates};

use crate::spread::{count, number};

/// The source with Autothrottle's traces.
const SOURCE: &str = "autothrottle-rps";
/// The rate is scaled by the busiest stretch of this many seconds.
const MINUTE: usize = 60;

/// Rates for each second, in any measure.
#[derive(Debug)]
pub(super) struct Rates {
    name: String,
    each: Vec<f64>,
}

/// Requests that are due.
#[derive(Debug)]
pub(super) struct Traffic {
    /// Where the rates come from.
    pub(super) name: String,
    /// When each is due since the start, in order.
    pub(super) times: Vec<Duration>,
}

/// The rates of one of Autothrottle's traces from a moment on.
pub(super) fn recorded(traces: &Path, series: &str, from: Duration) -> Result<Rates> {
    let given = traces.to_str().context("the path is no UTF-8")?;
    let sources = Source::find(given, None)?;
    let source = sources
        .into_iter()
        .find(|one| one.format().name() == SOURCE);
    let source = source.with_context(|| format!("there is no {SOURCE} in {given}"))?;
    let mut reader = source.read();
    let mut names = Vec::new();
    while let Some(found) = Series::next(&mut reader)? {
        // They are called as their files are.
        let name = found.head.name.trim_end_matches(".txt");
        if name != series.trim_end_matches(".txt") {
            names.push(name.to_owned());
            continue;
        }
        ensure!(
            found.head.step == Nanos::SECOND,
            "{series} is not in steps of a second"
        );
        let rates = found.samples().filter_map(|sample| {
            let begun = u128::from(sample.at.0) >= from.as_nanos();
            begun.then(|| sample.get(Quantity::Requests).map_or(0.0, number))
        });
        return Ok(Rates {
            name: format!("{SOURCE} {series}, from second {}", from.as_secs()),
            each: rates.collect(),
        });
    }
    anyhow::bail!("{SOURCE} has no {series}; there are {}", names.join(", "))
}

/// A day within this time: quiet at both ends, three times as busy in the middle, and another rate each second, up to
/// a fifth away from that.
pub(super) fn made_up(length: Duration, seed: u64) -> Rates {
    let mut random = fastrand::Rng::with_seed(seed);
    let seconds = length.as_secs_f64().ceil();
    let mut each = Vec::new();
    while count(each.len()) < seconds {
        let day = TAU * count(each.len()) / seconds;
        each.push((2.0 - day.cos()) * (0.8 + 0.4 * random.f64()));
    }
    Rates {
        name: "a made-up day".to_owned(),
        each,
    }
}

impl Rates {
    /// Requests for a while, so many a second in the busiest minute, microbursts left out; the same for the same
    /// seed.
    pub(super) fn traffic(
        &self,
        peak: f64,
        length: Duration,
        microbursts: bool,
        seed: u64,
    ) -> Result<Traffic> {
        ensure!(
            count(self.each.len()) >= length.as_secs_f64(),
            "{} has {} s, which are less than {length:?}",
            self.name,
            self.each.len()
        );
        let played = self.each.iter().zip(0_u32..);
        let played = played.filter(|(_, second)| f64::from(*second) < length.as_secs_f64());
        let played: Vec<_> = played.map(|(rate, _)| *rate).collect();
        let busiest = busiest(&played);
        ensure!(busiest > 0.0, "{} has no requests there", self.name);
        let rates = played.iter().map(|rate| rate * peak / busiest);
        let steps = steps(rates, length, microbursts.then_some(seed));
        let times = rates::Rates::new(steps)?.times(length, Spacing::Poisson, seed);
        let name = self.name.clone();
        Ok(Traffic { name, times })
    }
}

/// The mean of the busiest minute; of all, where there is less.
fn busiest(rates: &[f64]) -> f64 {
    let long = rates.len().clamp(1, MINUTE);
    let means = rates
        .windows(long)
        .map(|minute| minute.iter().sum::<f64>() / count(long));
    means.fold(0.0, f64::max)
}

/// Requests a second, from when on: one rate for each second, and microbursts where there is a seed for them, as the
/// simulated node has them.
fn steps(
    rates: impl Iterator<Item = f64>,
    length: Duration,
    microbursts: Option<u64>,
) -> Vec<(Duration, f64)> {
    let each = rates.zip(0..);
    let Some(seed) = microbursts else {
        return each
            .map(|(rate, second)| (Duration::from_secs(second), rate))
            .collect();
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "rates are above zero and far below 2^53 thousandths"
    )]
    let thousandths = |rate: f64| (rate * 1e3).round() as u64;
    let each: Vec<_> = each
        .map(|(rate, second)| (Nanos(second * Nanos::SECOND.0), thousandths(rate)))
        .collect();
    let until = Nanos(u64::try_from(length.as_nanos()).unwrap_or(u64::MAX));
    let bursts = Microbursts {
        seed,
        ..Microbursts::default()
    };
    let all = bursts.over(&each, until).into_iter();
    all.map(|(at, rate)| (Duration::from_nanos(at.0), number(rate) / 1e3))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_mins(5);

    fn day(microbursts: bool, seed: u64) -> Traffic {
        let rates = made_up(LONG, seed);
        rates.traffic(120.0, LONG, microbursts, seed).unwrap()
    }

    fn within(times: &[Duration], from: u64, to: u64) -> f64 {
        let seconds = from..to;
        count(
            times
                .iter()
                .filter(|time| seconds.contains(&time.as_secs()))
                .count(),
        )
    }

    #[test]
    fn the_busiest_minute_has_the_rate_that_was_asked_for() {
        let times = day(false, 1).times;
        let minutes = (0..=240).map(|from| within(&times, from, from + 60) / 60.0);
        let busiest = minutes.fold(0.0, f64::max);
        // Of 7,200 requests the standard deviation is 85, and it is the largest of many.
        assert!((114.0..130.0).contains(&busiest), "{busiest}");
        let ends = within(&times, 0, 30) + within(&times, 270, 300);
        let middle = within(&times, 120, 180);
        assert!((2.3..3.7).contains(&(middle / ends)), "{middle} {ends}");
    }

    #[test]
    fn the_same_seed_gives_the_same_requests() {
        assert_eq!(day(false, 1).times, day(false, 1).times);
        assert_ne!(day(false, 1).times, day(false, 2).times);
        assert_eq!(day(true, 1).times, day(true, 1).times);
    }

    #[test]
    fn microbursts_come_on_top() {
        let (plain, with) = (day(false, 1).times, day(true, 1).times);
        let more = count(with.len()) / count(plain.len());
        // 275 ms of each 10 s at 6.5 times the rate are 15 % more on average; 30 of them are few.
        assert!((1.05..1.3).contains(&more), "{more}");
        let most = |times: &[Duration]| {
            times
                .windows(50)
                .map(|few| few[49].abs_diff(few[0]))
                .min()
                .unwrap_or_default()
        };
        assert!(most(&with) * 2 < most(&plain), "{:?}", most(&with));
    }

    #[test]
    fn a_trace_is_read_from_where_it_is_asked_for() {
        let directory = tempfile::tempdir().unwrap();
        let lines = |from: u32| {
            let lines: Vec<_> = (from..from + 20).map(|n| n.to_string()).collect();
            lines.join("\n") + "\n"
        };
        for (name, from) in [("calm.txt", 10), ("wild.txt", 500)] {
            std::fs::write(directory.path().join(name), lines(from)).unwrap();
        }
        let given = format!("{SOURCE}:{}", directory.path().display());
        let read = |name, from| recorded(Path::new(&given), name, Duration::from_secs(from));
        let rates = read("wild", 5).unwrap();
        assert_eq!(rates.each.len(), 15);
        assert!((rates.each[0] / rates.each[14] - 505.0 / 519.0).abs() < 1e-9);
        let missing = read("tame", 0).unwrap_err().to_string();
        assert!(missing.contains("calm, wild"), "{missing}");
        let long = Duration::from_secs(16);
        assert!(rates.traffic(10.0, long, false, 1).is_err());
    }
}
