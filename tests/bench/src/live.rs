//! The main contest once more, in this kernel: our agent, Captain's law and static limits, each by itself in front of
//! the same server under the same requests.
//!
//! A run without contest comes first, under a limit that never stands in the way: what it uses each second is what a
//! static limit is taken from, and what the owner has set before ours comes. Everybody then has a group, a server
//! and a run of its own, one after the other, and requests come at the same times in each.

mod contender;
mod hand;
mod law;
mod ours;
mod row;
mod table;
mod traffic;
mod trial;
mod watch;

use std::{
    path::PathBuf,
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use trimtab_core::signal::Amount;
use trimtab_tests::Group;

use self::{contender::Contender, row::Row, traffic::Traffic, trial::Setting};
use crate::{
    host,
    spread::{count, number, quantile},
    stop::Stop,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// For how long each contender is scored
    #[arg(long, default_value = "10m")]
    duration: humantime::Duration,
    /// How long each has the same load before that; ours trims nothing meanwhile
    #[arg(long, default_value = "1m")]
    settle: humantime::Duration,
    /// Traces with an index.csv, or `autothrottle-rps:PATH` [default: a made-up day]
    #[arg(long, value_name = "DIRECTORY", env = "TRIMTAB_TRACES")]
    traces: Option<PathBuf>,
    /// Which of Autothrottle's traces
    #[arg(long, default_value = "noisy")]
    series: String,
    /// Where in the trace to begin
    #[arg(long, default_value = "0s")]
    from: humantime::Duration,
    /// Add microbursts: one in each 10 s, of 50 to 500 ms, at 3 to 10 times the rate
    #[arg(long)]
    microbursts: bool,
    /// CPUs that requests take in the busiest minute, microbursts left out [default: 0.6, with microbursts 0.2]
    #[arg(long, value_name = "CPUS")]
    peak: Option<f64>,
    /// CPU time of a request
    #[arg(long, default_value = "5ms")]
    cpu_per_request: humantime::Duration,
    /// By when 99 of 100 requests are to be answered
    #[arg(long, default_value = "100ms")]
    slo: humantime::Duration,
    /// The same seed sends at the same times
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only this contender beside `static-node`, such as `captain:0.2`; may be given several times [default: seven]
    #[arg(long = "contender", value_name = "NAME")]
    contenders: Vec<String>,
}

/// Of what static limits and owners take a high percentile: of use over a second.
const PERCENTILE: f64 = 0.99;
/// How much of that the owner has set, in percent: as `trimtab replay` has it.
const OWNERS: u32 = 120;
/// What a run takes beside what was asked for: starting and stopping.
const BESIDE: Duration = Duration::from_secs(3);

/// All that came of it.
#[derive(Debug, Serialize)]
struct Report {
    kernel: String,
    cgroup: &'static str,
    cpus: usize,
    /// Where the rates come from.
    trace: String,
    microbursts: bool,
    requests: usize,
    requests_per_s: f64,
    cpu_per_request_ms: f64,
    slo_ms: f64,
    settle_s: f64,
    seed: u64,
    /// The 99th percentile of what was used over a second where nothing stood in the way, in CPUs.
    use_p99_cpus: f64,
    /// What the owner had set where ours began.
    owner_cpus: f64,
    rows: Vec<Row>,
}

pub(crate) fn run(args: &Args, json: bool) -> Result<ExitCode> {
    let contenders = contenders(&args.contenders)?;
    let traffic = args.traffic()?;
    // The only way to know whether cgroups can be written here.
    Group::create("live-permission").map(drop)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let report = runtime.block_on(async {
        let stop = Stop::listen()?;
        measure(args, &contenders, traffic, &stop).await
    })?;
    if json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print!("{}", table::of(&report));
    }
    Ok(ExitCode::SUCCESS)
}

/// Who contends: by name, or all; the one from whose use the others' limits are taken is the first.
fn contenders(names: &[String]) -> Result<Vec<Contender>> {
    let asked: Vec<_> = if names.is_empty() {
        contender::ALL.to_vec()
    } else {
        names.iter().map(String::as_str).collect()
    };
    let mut all: Vec<_> = asked
        .into_iter()
        .map(Contender::named)
        .collect::<Result<_>>()?;
    all.retain(|one| *one != Contender::Node);
    all.insert(0, Contender::Node);
    Ok(all)
}

async fn measure(
    args: &Args,
    contenders: &[Contender],
    traffic: Traffic,
    stop: &Stop,
) -> Result<Report> {
    let cpus = thread::available_parallelism()?.get();
    let node = Amount(cpus as u64 * Amount::CPU.0);
    let mut setting = Setting {
        traffic,
        settle: args.settle.into(),
        duration: args.duration.into(),
        cpu: args.cpu_per_request.into(),
        slo: args.slo.into(),
        node,
        use_p99: node,
        owner: node,
    };
    let each = setting.length() + BESIDE;
    let all = u32::try_from(contenders.len()).context("too many contenders")?;
    eprintln!(
        "{}: {} requests for each contender; all {all} take about {}",
        setting.traffic.name,
        setting.traffic.times.len(),
        minutes(each * all),
    );
    let (began, mut rows) = (Instant::now(), Vec::new());
    for (contender, number) in contenders.iter().zip(1_u32..) {
        let left = (each * all).saturating_sub(began.elapsed());
        let name = format!("{contender} ({number} of {all})");
        eprintln!("{name}: about {} left in all", minutes(left));
        let (row, uses) = trial::run(contender, &name, &setting, stop)
            .await
            .with_context(|| name.clone())?;
        eprintln!("{name}: {}", table::line(&row));
        if *contender == Contender::Node {
            setting.use_p99 = p99(uses);
            setting.owner = setting.use_p99.percent(OWNERS);
        }
        rows.push(row);
    }
    let (traffic, long) = (&setting.traffic, setting.length());
    Ok(Report {
        kernel: host::kernel(),
        cgroup: host::cgroup()?,
        cpus,
        trace: traffic.name.clone(),
        microbursts: args.microbursts,
        requests: traffic.times.len(),
        requests_per_s: count(traffic.times.len()) / long.as_secs_f64(),
        cpu_per_request_ms: setting.cpu.as_secs_f64() * 1e3,
        slo_ms: setting.slo.as_secs_f64() * 1e3,
        settle_s: setting.settle.as_secs_f64(),
        seed: args.seed,
        use_p99_cpus: number(setting.use_p99.0) / 1e6,
        owner_cpus: number(setting.owner.0) / 1e6,
        rows,
    })
}

impl Args {
    fn traffic(&self) -> Result<Traffic> {
        let (settle, duration) = (Duration::from(self.settle), Duration::from(self.duration));
        // Use is sampled over whole seconds.
        ensure!(
            duration >= Duration::from_secs(2),
            "--duration must be two seconds at least"
        );
        let peak = self
            .peak
            .unwrap_or(if self.microbursts { 0.2 } else { 0.6 });
        ensure!(peak.is_finite() && peak > 0.0, "--peak must be above zero");
        let cpu = Duration::from(self.cpu_per_request).as_secs_f64();
        ensure!(cpu > 0.0, "--cpu-per-request must be above zero");
        let rates = match &self.traces {
            Some(traces) => traffic::recorded(traces, &self.series, self.from.into())?,
            None => traffic::made_up(settle + duration, self.seed),
        };
        rates.traffic(peak / cpu, settle + duration, self.microbursts, self.seed)
    }
}

/// The 99th percentile of what was used over a second, in whole ms of each period.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a number of hundredths of CPUs"
)]
fn p99(mut uses: Vec<f64>) -> Amount {
    uses.sort_by(f64::total_cmp);
    let hundredths = (quantile(&uses, PERCENTILE) * 100.0).ceil().max(1.0);
    Amount(hundredths as u64 * Amount::CPU.0 / 100)
}

fn minutes(time: Duration) -> String {
    format!("{:.0} min", (time.as_secs_f64() / 60.0).ceil())
}
