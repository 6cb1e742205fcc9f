//! From a burst to the lifted quota: with Trimtab, with its throttle events alone, without it,
//! and with a loop that looks every 100 ms.
//!
//! Every burst is a busy loop in a group of its own with 10 ms of quota in 100 ms. Its threads
//! are in the group and blocked before the quota is read back; they are released at a random time
//! relative to the period. Throttled time is what the kernel counted in `cpu.stat`.

mod journal;
mod poller;
mod report;
mod trial;
mod variant;

use std::{process::ExitCode, thread::sleep, time::Duration};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use trimtab::api::view::{Finding, FindingState};
use trimtab_tests::{Agent, eventually};

use journal::Journal;
use report::{Report, Variants};
use trial::{Helper, Setting, Trial};
use variant::Variant;

/// A burst under Trimtab that was throttled for more than so many milliseconds is shown in full.
const WORTH_TELLING: f64 = 1.0;
/// How long a busy node is waited for.
const QUIET: Duration = Duration::from_secs(20);
/// How long a burst lasts.
const LENGTH: Duration = Duration::from_millis(300);
/// The same where its threads could take the whole node: what the node keeps for others is lent to
/// nobody, so a burst must end before the period's share of that is missed.
const LENGTH_ON_ALL: Duration = Duration::from_millis(75);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Bursts per variant and number of threads
    #[arg(long, default_value_t = 200)]
    bursts: usize,
    /// Bursts of the variants without Trimtab [default: a quarter of --bursts]
    #[arg(long)]
    baseline: Option<usize>,
    /// Numbers of busy threads; N means as many as there are CPUs
    #[arg(long, default_value = "1,N", value_delimiter = ',')]
    threads: Vec<String>,
    /// How long a burst lasts on the wall clock [default: 300ms, with as many threads as CPUs 75ms]
    #[arg(long)]
    length: Option<humantime::Duration>,
    /// The same seed makes the same gaps
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only these variants
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "trimtab,alone,without,poller"
    )]
    only: Vec<Variant>,
}

pub(crate) fn run(args: &Args, json: bool) -> Result<ExitCode> {
    let cpus = std::thread::available_parallelism()?.get();
    let threads = args
        .threads
        .iter()
        .map(|text| threads(text, cpus))
        .collect::<Result<Vec<_>>>()?;
    ensure!(args.bursts > 0, "--bursts must be above zero");
    let length = |threads: &usize| match args.length {
        Some(length) => length.into(),
        None if *threads < cpus => LENGTH,
        None => LENGTH_ON_ALL,
    };
    let kinds: Vec<_> = threads
        .iter()
        .map(|count| (*count, length(count)))
        .collect();
    let mut report = Report::new(cpus, &kinds);
    for variant in Variant::ALL {
        if args.only.contains(&variant) {
            measure(args, variant, &kinds, &mut report)?;
        }
    }
    if json {
        println!("{}", serde_json::to_string(&report.json())?);
    } else {
        print!("{report}");
    }
    Ok(ExitCode::SUCCESS)
}

/// All bursts of one variant.
fn measure(
    args: &Args,
    variant: Variant,
    kinds: &[(usize, Duration)],
    report: &mut Report,
) -> Result<()> {
    let agent = variant
        .off()
        .map(|off| Agent::start(&config(off)))
        .transpose()?;
    if let Some(agent) = &agent {
        probes_are_on(agent, variant)?;
        quiet(agent);
    }
    let mut journal = agent.as_ref().map(Journal::follow).transpose()?;
    let few = args.baseline.unwrap_or((args.bursts / 4).max(1));
    let bursts = if agent.is_some() { args.bursts } else { few };
    // Every variant gets the same gaps.
    let mut random = fastrand::Rng::with_seed(args.seed);
    for (index, (count, length)) in kinds.iter().enumerate() {
        let mut trials = Vec::with_capacity(bursts);
        for number in 0..bursts {
            let setting = Setting {
                name: format!("burst-{number}"),
                threads: *count,
                length: *length,
                gap: Duration::from_micros(random.u64(100_000..300_000)),
            };
            let helper = match (&agent, &mut journal) {
                (Some(agent), Some(journal)) => Helper::Agent(agent, journal),
                _ if variant == Variant::Poller => Helper::Poller,
                _ => Helper::Nobody,
            };
            let trial = Trial::run(&setting, helper)
                .with_context(|| format!("{}, {count} threads, burst {number}", variant.name()))?;
            if trial.throttled_ms() > WORTH_TELLING && agent.is_some() {
                eprintln!("burst {number}: {trial:?}");
            }
            trials.push(trial);
            if (number + 1) % 20 == 0 || number + 1 == bursts {
                progress(variant, *count, &trials, bursts);
            }
        }
        report.add(index, variant, trials);
    }
    Ok(())
}

fn progress(variant: Variant, threads: usize, trials: &[Trial], of: usize) {
    let clean = trials.iter().filter(|trial| trial.is_unthrottled()).count();
    let worst = trials.iter().map(Trial::throttled_ms).fold(0.0, f64::max);
    eprintln!(
        "{}, {threads} thread(s): {} of {of} bursts, {clean} unthrottled, at most {worst:.3} ms",
        variant.name(),
        trials.len()
    );
}

/// Waits for the use of building and of loading probes to pass out of what the pool is made of:
/// what is measured is how fast the pool is lent, not how much there is.
fn quiet(agent: &Agent) {
    let mut pool = Value::Null;
    let quiet = eventually(QUIET, || {
        sleep(Duration::from_millis(500));
        pool = agent
            .cli(&["status"])
            .map_or(Value::Null, |mut status| status["pools"][0].take());
        let micro = |name: &str| pool[name]["micro_cpus"].as_u64().unwrap_or_default();
        micro("size") * 10 >= micro("capacity") * 9 && micro("capacity") > 0
    });
    if !quiet {
        eprintln!("this node is busy, and its pool small: {pool}");
    }
}

/// An agent that hears nothing must not pass for a slow one.
fn probes_are_on(agent: &Agent, variant: Variant) -> Result<()> {
    let findings: Vec<Finding> = serde_json::from_value(agent.cli(&["doctor"])?)?;
    for name in ["quota-near", "throttled-running", "throttled-waking"] {
        let finding = findings.iter().find(|finding| finding.name == name);
        let finding = finding.with_context(|| format!("`doctor` does not know {name}"))?;
        let wanted = variant == Variant::Trimtab || name != "quota-near";
        let is_on = finding.state != FindingState::Off;
        ensure!(
            is_on == wanted,
            "{name} is {:?}: {}",
            finding.state,
            finding.why
        );
    }
    Ok(())
}

/// The agent's configuration. Nothing is kept in reserve: with as many threads as CPUs a burst
/// wants the whole node, and what the node lends is not what is measured here.
fn config(off: &str) -> String {
    let process = std::process::id();
    format!(
        "[agent.reserve]\n\
         cpu = \"0%\"\n\
         [probes]\n\
         off = [{off}]\n\
         [[policy]]\n\
         name = \"bursts\"\n\
         select = [\"/trimtab-test-{process}/*\"]\n\
         mode = \"enforce\"\n\
         resources = [\"cpu\"]\n\
         lifts_per_minute = 240\n"
    )
}

fn threads(text: &str, cpus: usize) -> Result<usize> {
    if text == "N" {
        return Ok(cpus);
    }
    let number = text.parse().ok().filter(|number| *number > 0);
    number.with_context(|| format!("--threads: `{text}` is neither a number nor N"))
}

impl Variants {
    fn of(&mut self, variant: Variant) -> &mut Vec<Trial> {
        match variant {
            Variant::Trimtab => &mut self.trimtab,
            Variant::Alone => &mut self.alone,
            Variant::Without => &mut self.without,
            Variant::Poller => &mut self.poller,
        }
    }
}
