//! How much memory and time very many rows take: `trimtab replay` over tables that are made for it, a row a second.
//!
//! A tenth of the rows comes first, then all of them in series as long, then all of them in one series.

use std::{
    fmt,
    fs::File,
    io::{BufWriter, Write as _},
    path::Path,
    process::{Command, ExitCode, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use serde_json::Value;
use trimtab_tests::trimtab_bin;

use crate::{cost::peak_mib, spread::number};

/// From one look at the program's memory to the next: what it takes last is seen for so long at least.
const LOOK: Duration = Duration::from_millis(20);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many rows
    #[arg(long, default_value_t = 10_000_000)]
    rows: u64,
    /// How many rows a series has, where there are several
    #[arg(long, default_value_t = 10_000)]
    length: u64,
    /// How many workloads share a node, where there are several series
    #[arg(long)]
    together: Option<u64>,
    /// Under which policies; may be given several times
    #[arg(
        long = "policy",
        value_name = "NAME",
        default_value = "trimtab-headroom"
    )]
    policies: Vec<String>,
    /// How many series are run at once [default: as many as there are CPUs]
    #[arg(long)]
    threads: Option<usize>,
}

#[derive(Debug, Serialize)]
struct Row {
    rows: u64,
    series: u64,
    table_mib: f64,
    seconds: f64,
    peak_mib: f64,
}

impl fmt::Display for Row {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{} rows in {} series ({:.0} MiB): {:.1} MiB at the most, {:.1} s",
            self.rows, self.series, self.table_mib, self.peak_mib, self.seconds
        )
    }
}

pub(crate) fn run(args: &Args, json: bool) -> Result<ExitCode> {
    let directory = tempfile::tempdir()?;
    let table = directory.path().join("rows.csv");
    let cases = [
        (args.rows / 10, args.length),
        (args.rows, args.length),
        (args.rows, args.rows),
    ];
    let mut rows = Vec::new();
    for (count, length) in cases {
        let series = count.div_ceil(length);
        write(&table, count, length).context("write the table")?;
        let row = Row {
            rows: count,
            series,
            table_mib: number(table.metadata()?.len()) / f64::from(1 << 20),
            ..measure(args, &table, series)?
        };
        if !json {
            println!("{row}");
        }
        rows.push(row);
    }
    if json {
        println!("{}", serde_json::to_string(&rows)?);
    }
    Ok(ExitCode::SUCCESS)
}

/// Rows that differ in CPU from each to the next, and in memory now and then.
fn write(path: &Path, rows: u64, length: u64) -> Result<()> {
    let mut random = fastrand::Rng::with_seed(1);
    let mut table = BufWriter::new(File::create(path)?);
    writeln!(table, "name,t,use,cap,rss")?;
    for row in 0..rows {
        let (series, second) = (row / length, row % length);
        let (milli, mib) = (random.u64(0..1_000), 100 + second / 60 % 100);
        writeln!(table, "w{series},{second},{milli},1,{mib}")?;
    }
    Ok(table.flush()?)
}

/// Runs the program; what the table is, the caller knows.
fn measure(args: &Args, table: &Path, series: u64) -> Result<Row> {
    let mut command = Command::new(trimtab_bin()?);
    command.args(["replay", "--json", "--columns"]);
    command.arg("series=name,time=t:s,cpu=use:millicores,cpu-cap=cap:cores,memory=rss:MiB");
    for policy in &args.policies {
        command.args(["--policy", policy]);
    }
    if let Some(threads) = args.threads {
        command.args(["--threads", &threads.to_string()]);
    }
    if let Some(together) = args.together.filter(|_| series > 1) {
        command.args(["--together", &together.to_string()]);
    }
    command.arg(table);
    let began = Instant::now();
    let mut program = command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut peak_mib: f64 = 0.0;
    while program.try_wait()?.is_none() {
        // It may be gone by now.
        peak_mib = self::peak_mib(program.id()).unwrap_or(0.0).max(peak_mib);
        thread::sleep(LOOK);
    }
    let seconds = began.elapsed().as_secs_f64();
    let output = program.wait_with_output()?;
    ensure!(
        output.status.success(),
        "the replay failed: {}",
        output.status
    );
    let told: Value = serde_json::from_slice(&output.stdout)?;
    let found = &told["sources"][0]["series"];
    ensure!(*found == series, "{found} series were run, not {series}");
    Ok(Row {
        rows: 0,
        series,
        table_mib: 0.0,
        seconds,
        peak_mib,
    })
}
