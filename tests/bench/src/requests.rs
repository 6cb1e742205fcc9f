//! What the probe of TCP requests says of real servers, beside a packet capture; and what it costs
//! a load that does nothing but ask and answer.
//!
//! nginx, Redis, `PostgreSQL` and the lab's server run under their own load tools, with one connection and with more
//! than they can serve at once. A packet socket takes the truth from loopback: from the first
//! segment of a request to the first segment of its answer.

mod capture;
mod compare;
mod servers;
mod slowdown;

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use serde::Serialize;
use trimtab_tests::Group;

use crate::{host, spread::Spread};
use compare::Row;
use servers::Kind;
use slowdown::{Cost, Placement, Slowdown};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Seconds of load per server and number of connections
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// Rounds of runs with the probe, without it and with its hooks alone; 0 leaves them out
    #[arg(long, default_value_t = 40)]
    pairs: usize,
    /// Requests per run of these
    #[arg(long, default_value_t = 20_000)]
    transactions: u64,
}

/// What was found.
#[derive(Debug, Serialize)]
struct Numbers {
    kernel: String,
    rows: Vec<Row>,
    /// By how much the probe slows a request of one byte, as a fraction, with each end of the
    /// connection on a CPU of its own.
    tcp_rr_slowdown: Option<Slowdown>,
    /// The same with both on one CPU.
    tcp_rr_slowdown_one_cpu: Option<Slowdown>,
    cost: Option<Cost>,
}

pub(crate) fn run(args: &Args, json: bool) -> Result<ExitCode> {
    let group = Group::create("requests").context("the servers need a cgroup of their own")?;
    let mut rows = Vec::new();
    for kind in Kind::ALL {
        let server = servers::start(kind, &group).with_context(|| kind.name().to_owned())?;
        for connections in [1, kind.saturated()] {
            let row = compare::measure(&server, &group, connections, args.seconds)
                .with_context(|| format!("{}, {connections} connections", kind.name()))?;
            eprintln!("{}", line(&row));
            rows.push(row);
        }
    }
    let slowdown = |placement| match args.pairs {
        0 => Ok((None, None)),
        pairs => slowdown::compare(&group, placement, pairs, args.transactions)
            .map(|(slowdown, cost)| (Some(slowdown), Some(cost))),
    };
    let (tcp_rr_slowdown, _) = slowdown(Placement::Apart)?;
    let (tcp_rr_slowdown_one_cpu, cost) = slowdown(Placement::Together)?;
    let numbers = Numbers {
        kernel: host::kernel(),
        rows,
        tcp_rr_slowdown,
        tcp_rr_slowdown_one_cpu,
        cost,
    };
    if json {
        println!("{}", serde_json::to_string(&numbers)?);
    } else {
        print!("{}", table(&numbers));
    }
    Ok(ExitCode::SUCCESS)
}

fn line(row: &Row) -> String {
    let [p50, p99] = &row.quantiles;
    format!(
        "{} with {} connections: {} requests, {} captured; p50 {:.0} us captured, {} apart; \
         p99 {:.0} us, {} apart; sum {:.3} of the capture's; unread p99 {:.0} us",
        row.server,
        row.connections,
        row.requests,
        row.captured,
        p50.captured_us,
        p50.buckets_apart,
        p99.captured_us,
        p99.buckets_apart,
        row.sum_ratio,
        row.unread_p99_us,
    )
}

fn table(numbers: &Numbers) -> String {
    let mut text = format!(
        "requests beside a capture on loopback, kernel {}\n",
        numbers.kernel
    );
    for row in &numbers.rows {
        text.push_str("\x20 ");
        text.push_str(&line(row));
        text.push('\n');
    }
    let placed = [
        ("each end on a CPU of its own", &numbers.tcp_rr_slowdown),
        ("both ends on one CPU", &numbers.tcp_rr_slowdown_one_cpu),
    ];
    for (name, slowdown) in placed {
        let Some(slowdown) = slowdown else { continue };
        let Spread { p25, median, p75 } = slowdown.fraction;
        let end_to_end = format!(
            "one byte to and fro, {name}, in {} pairs of runs\n\
             \x20 slower by              {median:.4} ({p25:.4} to {p75:.4})\n\
             \x20 by the hooks alone     {:.4} ({:.4} to {:.4})\n\
             \x20 with the probe         {:.0} requests/s\n\
             \x20 without                {:.0} requests/s\n",
            slowdown.pairs,
            slowdown.hooks_alone.median,
            slowdown.hooks_alone.p25,
            slowdown.hooks_alone.p75,
            slowdown.attached_per_s.median,
            slowdown.detached_per_s.median,
        );
        text.push_str(&end_to_end);
    }
    if let Some(cost) = &numbers.cost {
        let programs = format!(
            "per request: {:.2} runs, {:.0} ns net; an empty program {:.0} ns\n",
            cost.runs_per_request, cost.net_ns_per_request, cost.empty_ns_per_run,
        );
        text.push_str(&programs);
    }
    text
}
