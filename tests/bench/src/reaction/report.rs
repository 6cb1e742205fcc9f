//! What the bursts came to: one table for people, one object for machines.

use std::{
    collections::BTreeMap,
    fmt::{self, Display, Formatter},
    fs,
    time::Duration,
};

use serde::Serialize;

use super::{trial::Trial, variant::Variant};

/// All trials of one number of threads.
#[derive(Clone, Debug, Default)]
pub(crate) struct Variants {
    threads: usize,
    length: Duration,
    pub(crate) trimtab: Vec<Trial>,
    pub(crate) alone: Vec<Trial>,
    pub(crate) without: Vec<Trial>,
    pub(crate) poller: Vec<Trial>,
}

/// Everything that was measured.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    cpus: usize,
    kernel: String,
    by_threads: Vec<Variants>,
}

/// One variant in numbers; `None` where nothing was measured.
#[derive(Clone, Debug, Serialize)]
struct Numbers {
    bursts: usize,
    unthrottled_share: Option<f64>,
    throttled_ms_p50: Option<f64>,
    throttled_ms_p95: Option<f64>,
    throttled_ms_max: Option<f64>,
    /// CPU time that the bursts got, over what they could have used.
    served_share: Option<f64>,
    writes_per_burst: Option<f64>,
    /// From the event in the kernel to the end of the write, over all lifts.
    p50_us: Option<f64>,
    p99_us: Option<f64>,
    max_us: Option<f64>,
    /// From the start of the burst to the end of its first write.
    first_write_ms_p50: Option<f64>,
    first_write_ms_p95: Option<f64>,
    /// The quota after the burst.
    last_quota_ms_p50: Option<f64>,
    /// Lifts by what caused them.
    lifts: BTreeMap<String, usize>,
    /// Refusals in the journal by their reason.
    denials: BTreeMap<String, usize>,
}

/// The breakdown of one number of threads.
#[derive(Clone, Debug, Serialize)]
struct ByThreads {
    threads: usize,
    length_ms: u128,
    trimtab: Numbers,
    alone: Numbers,
    without: Numbers,
    poller: Numbers,
}

/// The one object of `--json`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Json {
    p50_us: Option<f64>,
    p99_us: Option<f64>,
    unthrottled_share: Option<f64>,
    throttled_ms_p95: Option<f64>,
    throttled_ms_max: Option<f64>,
    writes_per_burst: Option<f64>,
    p50_us_alone: Option<f64>,
    p99_us_alone: Option<f64>,
    throttled_ms_p95_alone: Option<f64>,
    throttled_ms_p95_without: Option<f64>,
    throttled_ms_p95_poller: Option<f64>,
    /// The largest quota that was read back right before a burst.
    quota_ms_at_burst_start: f64,
    bursts: usize,
    bursts_without: usize,
    cpus: usize,
    kernel: String,
    by_threads: Vec<ByThreads>,
}

impl Report {
    pub(crate) fn new(cpus: usize, kinds: &[(usize, Duration)]) -> Self {
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let one = |(threads, length): &(usize, Duration)| Variants {
            threads: *threads,
            length: *length,
            ..Variants::default()
        };
        Self {
            cpus,
            kernel: kernel.trim().to_owned(),
            by_threads: kinds.iter().map(one).collect(),
        }
    }

    /// Takes in the trials of one variant under the `index`th number of threads.
    pub(crate) fn add(&mut self, index: usize, variant: Variant, trials: Vec<Trial>) {
        if let Some(variants) = self.by_threads.get_mut(index) {
            *variants.of(variant) = trials;
        }
    }

    pub(crate) fn json(&self) -> Json {
        let all = |of: fn(&Variants) -> &Vec<Trial>| {
            let trials: Vec<_> = self.by_threads.iter().flat_map(of).collect();
            Numbers::new(&trials)
        };
        let trimtab = all(|variants| &variants.trimtab);
        let alone = all(|variants| &variants.alone);
        let without = all(|variants| &variants.without);
        let poller = all(|variants| &variants.poller);
        let trials = self.by_threads.iter().flat_map(Variants::all);
        let quota_us = trials.map(|trial| trial.quota_us).max().unwrap_or_default();
        Json {
            p50_us: trimtab.p50_us,
            p99_us: trimtab.p99_us,
            unthrottled_share: trimtab.unthrottled_share,
            throttled_ms_p95: trimtab.throttled_ms_p95,
            throttled_ms_max: trimtab.throttled_ms_max,
            writes_per_burst: trimtab.writes_per_burst,
            p50_us_alone: alone.p50_us,
            p99_us_alone: alone.p99_us,
            throttled_ms_p95_alone: alone.throttled_ms_p95,
            throttled_ms_p95_without: without.throttled_ms_p95,
            throttled_ms_p95_poller: poller.throttled_ms_p95,
            quota_ms_at_burst_start: Duration::from_micros(quota_us).as_secs_f64() * 1e3,
            bursts: trimtab.bursts,
            bursts_without: without.bursts,
            cpus: self.cpus,
            kernel: self.kernel.clone(),
            by_threads: self.by_threads.iter().map(ByThreads::new).collect(),
        }
    }
}

impl Variants {
    fn all(&self) -> impl Iterator<Item = &Trial> {
        let Self {
            trimtab,
            alone,
            without,
            poller,
            ..
        } = self;
        [trimtab, alone, without, poller].into_iter().flatten()
    }
}

impl ByThreads {
    fn new(variants: &Variants) -> Self {
        let numbers = |trials: &Vec<Trial>| Numbers::new(&trials.iter().collect::<Vec<_>>());
        Self {
            threads: variants.threads,
            length_ms: variants.length.as_millis(),
            trimtab: numbers(&variants.trimtab),
            alone: numbers(&variants.alone),
            without: numbers(&variants.without),
            poller: numbers(&variants.poller),
        }
    }
}

impl Numbers {
    fn new(trials: &[&Trial]) -> Self {
        let sorted = |of: &dyn Fn(&Trial) -> Option<f64>| {
            let mut values: Vec<_> = trials.iter().filter_map(|trial| of(trial)).collect();
            values.sort_by(f64::total_cmp);
            values
        };
        let throttled = sorted(&|trial| Some(trial.throttled_ms()));
        let first = sorted(&|trial| trial.lifts.first().map(|lift| ms(lift.since_start_ns)));
        let quota = sorted(&|trial| Some(ms(trial.last_quota_us? * 1000)));
        let lifts = || trials.iter().flat_map(|trial| &trial.lifts);
        let mut latency: Vec<_> = lifts().map(|lift| ms(lift.latency_ns) * 1e3).collect();
        latency.sort_by(f64::total_cmp);
        let clean = trials.iter().filter(|trial| trial.is_unthrottled()).count();
        let writes: u64 = trials.iter().map(|trial| trial.writes).sum();
        let served: f64 = trials.iter().map(|trial| trial.served).sum();
        Self {
            bursts: trials.len(),
            unthrottled_share: mean(real(clean as u64), trials.len()),
            throttled_ms_p50: rank(&throttled, 50),
            throttled_ms_p95: rank(&throttled, 95),
            throttled_ms_max: rank(&throttled, 100),
            served_share: mean(served, trials.len()),
            writes_per_burst: mean(real(writes), trials.len()),
            p50_us: rank(&latency, 50),
            p99_us: rank(&latency, 99),
            max_us: rank(&latency, 100),
            first_write_ms_p50: rank(&first, 50),
            first_write_ms_p95: rank(&first, 95),
            last_quota_ms_p50: rank(&quota, 50),
            lifts: count(lifts().map(|lift| &lift.cause)),
            denials: count(trials.iter().flat_map(|trial| &trial.denials)),
        }
    }
}

/// The value below or at which so many percent of the sorted values lie.
fn rank(sorted: &[f64], percent: usize) -> Option<f64> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).map(|value| rounded(*value))
}

fn mean(sum: f64, count: usize) -> Option<f64> {
    (count > 0).then(|| rounded(sum / real(count as u64)))
}

/// Three digits are more than any of this is good for.
fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

fn ms(ns: u64) -> f64 {
    Duration::from_nanos(ns).as_secs_f64() * 1e3
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of bursts and writes, far below 2^52"
)]
fn real(count: u64) -> f64 {
    count as f64
}

fn count<'a>(words: impl Iterator<Item = &'a String>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for word in words {
        *counts.entry(word.clone()).or_default() += 1;
    }
    counts
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "bursts in groups of 10 ms / 100 ms; {} CPUs, kernel {}\n",
            self.cpus, self.kernel
        )?;
        writeln!(
            f,
            "{:>7} {:>4} {:<22} {:>6} {:>11} {:>9} {:>9} {:>7} {:>7} {:>9} {:>9}",
            "", "", "", "", "not", "throttled, ms", "", "", "writes", "event to", "write, us"
        )?;
        writeln!(
            f,
            "{:>7} {:>4} {:<22} {:>6} {:>11} {:>9} {:>9} {:>7} {:>7} {:>9} {:>9}",
            "threads",
            "ms",
            "",
            "bursts",
            "throttled",
            "p95",
            "max",
            "served",
            "/burst",
            "p50",
            "p99"
        )?;
        for by in self.by_threads.iter().map(ByThreads::new) {
            let rows = [
                (Variant::Trimtab, &by.trimtab),
                (Variant::Alone, &by.alone),
                (Variant::Without, &by.without),
                (Variant::Poller, &by.poller),
            ];
            for (variant, numbers) in rows.into_iter().filter(|(_, numbers)| numbers.bursts > 0) {
                row(f, &by, variant, numbers)?;
            }
        }
        Ok(())
    }
}

fn row(f: &mut Formatter<'_>, by: &ByThreads, variant: Variant, of: &Numbers) -> fmt::Result {
    let shown = |value: Option<f64>, digits: usize| {
        value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
    };
    let percent = |value: Option<f64>| shown(value.map(|share| share * 100.0), 1) + " %";
    writeln!(
        f,
        "{:>7} {:>4} {:<22} {:>6} {:>11} {:>9} {:>9} {:>7} {:>7} {:>9} {:>9}",
        by.threads,
        by.length_ms,
        variant.name(),
        of.bursts,
        percent(of.unthrottled_share),
        shown(of.throttled_ms_p95, 2),
        shown(of.throttled_ms_max, 2),
        percent(of.served_share),
        shown(of.writes_per_burst, 2),
        shown(of.p50_us, 0),
        shown(of.p99_us, 0),
    )
}
