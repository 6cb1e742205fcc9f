//! The main job, live on this host: a bursty workload, a greedy neighbour and one that outgrows its memory limit,
//! first without Trimtab's help and then with it.

mod agent;
mod effect;
mod grower;
mod left;
mod live;
mod show;
mod stage;
mod summary;
mod traffic;
mod words;

use std::{process::ExitCode, time::Duration};

use anyhow::Result;
use trimtab::probe::Probe;
use trimtab_tests::Group;

use self::{live::Times, show::Show};
use crate::stop::Stop;

/// How long it takes where nobody can press Ctrl-C.
const WITHOUT_TERMINAL: Duration = Duration::from_secs(30);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How long to show it [default: 30s, on a terminal until Ctrl-C]
    #[arg(long = "for", value_name = "DURATION")]
    duration: Option<humantime::Duration>,

    /// How much of that is shown without Trimtab's help
    #[arg(long, value_name = "DURATION", default_value = "9s")]
    without: humantime::Duration,

    /// Load no eBPF, as on a kernel that has none
    #[arg(long)]
    no_probes: bool,
}

pub(crate) fn run(args: &Args, json: bool) -> Result<ExitCode> {
    let mut show = Show::choose(json);
    let all = match args.duration {
        Some(duration) => Some(duration.into()),
        None => (!show.is_screen()).then_some(WITHOUT_TERMINAL),
    };
    let times = Times {
        without: args.without.into(),
        all,
    };
    let off: Vec<_> = Probe::ALL
        .iter()
        .filter(|_| args.no_probes)
        .map(|probe| probe.name())
        .collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let summary = runtime.block_on(async {
        let stop = Stop::listen()?;
        // The only way to know whether cgroups can be written here.
        match Group::create("permission").map(drop) {
            Ok(()) => live::run(times, &off, &mut show, &stop).await,
            Err(error) => left::run(times, &error, &mut show, &stop).await,
        }
    });
    show.close();
    let summary = summary?;
    if json {
        println!("{}", serde_json::to_string(&summary)?);
    } else if summary.why_not.is_none() {
        print!("\n{summary}");
    }
    let broken = summary.why_not.is_none() && !summary.restored;
    Ok(if broken {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
