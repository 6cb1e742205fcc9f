//! Memory under a hard limit: files that are read, then memory that grows, in the kernel and in the simulated node.
//!
//! The simulated node is told the pace of the growth, which the load keeps by itself, and nothing of the
//! kernel. Time to a kill counts from the first byte, peaks and what is left as the kernel accounts them.

use std::{
    collections::HashMap,
    fs,
    os::unix::process::ExitStatusExt as _,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;
use trimtab_core::{
    node::{Happened, MemoryDemand, MemoryStep, Node, Setup, Workload},
    signal::{Amount, Nanos},
};
use trimtab_tests::{Group, Process, Version, disk, lab_bin};

use super::Row;
use crate::{
    speed::Still,
    spread::{Spread, number},
};

const MIB: u64 = 1 << 20;
/// Growth, in bytes a second.
const PACE: u64 = 64 * MIB;
/// How long memory is kept once it has grown.
const HOLD: Duration = Duration::from_secs(4);
/// How long what has grown is left alone before it is looked at.
const SETTLE: Duration = Duration::from_millis(500);
/// How often files are read again.
const ROUNDS: u32 = 10;
/// Trials of each load.
const TRIALS: usize = 3;

/// A load, in MiB.
#[derive(Clone, Copy, Debug)]
struct Case {
    name: &'static str,
    limit: u64,
    /// Files that are read before.
    files: u64,
    /// Memory that grows then.
    growth: u64,
    /// Whether the files are read again beside it.
    again: bool,
}

const CASES: [Case; 5] = [
    case("memory: growth past the limit", 64, 0, 200),
    case("memory: more files than room", 64, 256, 0),
    case("memory: growth into cache", 128, 96, 64),
    case("memory: growth through cache past the limit", 128, 96, 200),
    Case {
        again: true,
        ..case("memory: files read again without room", 64, 48, 32)
    },
];

const fn case(name: &'static str, limit: u64, files: u64, growth: u64) -> Case {
    Case {
        name,
        limit,
        files,
        growth,
        again: false,
    }
}

/// What a load has come to.
#[derive(Clone, Copy, Debug, Default)]
struct Figures {
    killed: f64,
    killed_after_ms: f64,
    peak_mib: f64,
    anonymous_mib: f64,
    file_mib: f64,
    /// Files that had to be read from disk once more, per round.
    refaults_mib: f64,
}

impl Figures {
    fn all(&self) -> [(&'static str, f64); 6] {
        [
            ("killed", self.killed),
            ("killed after ms", self.killed_after_ms),
            ("peak MiB", self.peak_mib),
            ("anonymous MiB", self.anonymous_mib),
            ("files MiB", self.file_mib),
            ("refaults MiB", self.refaults_mib),
        ]
    }
}

/// All whose names contain this.
pub(super) fn rows(only: &str) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for case in CASES.iter().filter(|case| case.name.contains(only)) {
        eprintln!("{} ...", case.name);
        let kernel: Vec<_> = (0..TRIALS)
            .map(|_| kernel(case).map(|figures| figures.all()))
            .collect::<Result<_>>()?;
        for (index, (figure, simulated)) in simulated(case).all().into_iter().enumerate() {
            let kernel = Spread::of(kernel.iter().map(|figures| figures[index].1)).median;
            // Nothing on both sides is agreement.
            if kernel > 0.0 || simulated > 0.0 {
                rows.push(Row {
                    load: case.name,
                    demand_ms: None,
                    figure,
                    kernel,
                    simulated,
                    ratio: simulated / kernel,
                });
            }
        }
    }
    Ok(rows)
}

fn kernel(case: &Case) -> Result<Figures> {
    let group = Group::create("simulator-memory")?;
    group.set_memory_limit(Some(case.limit * MIB))?;
    let files = Files {
        directory: disk()?,
        size: case.files * MIB,
    };
    if case.files > 0 {
        files.read(&group, 1)?;
    }
    if case.growth == 0 {
        return counted(&group);
    }
    let mut command = group.command(lab_bin()?)?;
    command.args(["grow", "--json", "--chunk", "262144"]);
    command.args(["--to", &(case.growth * MIB).to_string()]);
    command.args(["--rate", &PACE.to_string()]);
    command.args(["--hold", &humantime::format_duration(HOLD).to_string()]);
    let began = Instant::now();
    let mut process = Process::spawn(&mut command)?;
    let grown = Duration::from_secs_f64(number(case.growth * MIB) / number(PACE)) + SETTLE;
    while began.elapsed() < grown {
        if let Some(status) = process.try_wait()? {
            let took = began.elapsed().as_secs_f64() * 1e3;
            ensure!(
                status.signal() == Some(libc::SIGKILL),
                "the growth failed: {status}"
            );
            ensure!(group.oom_kills()? > 0, "killed, but not for want of memory");
            return Ok(Figures {
                killed: 1.0,
                killed_after_ms: took,
                peak_mib: peak(&group)?,
                ..Figures::default()
            });
        }
        thread::sleep(Duration::from_millis(1));
    }
    let mut figures = counted(&group)?;
    if case.again {
        let before = stat(&group)?;
        files.read(&group, ROUNDS)?;
        let after = stat(&group)?;
        let pages = |stat: &HashMap<String, u64>| stat.get("workingset_refault_file").copied();
        let pages = pages(&after).zip(pages(&before));
        let (after, before) = pages.context("the kernel does not count refaults")?;
        figures.refaults_mib = mib((after - before) * 4096) / f64::from(ROUNDS);
        ensure!(
            process.try_wait()?.is_none(),
            "the growth ended before the reading"
        );
    }
    Ok(figures)
}

/// A file that goes through the page cache.
struct Files {
    directory: TempDir,
    size: u64,
}

impl Files {
    /// Reads it, in the group, which makes it the first time.
    fn read(&self, group: &Group, rounds: u32) -> Result<()> {
        let file: PathBuf = self.directory.path().join("file");
        let mut command = group.command(lab_bin()?)?;
        command.args(["cache", "--json", "--size", &self.size.to_string()]);
        command
            .args(["--rounds", &rounds.to_string(), "--file"])
            .arg(file);
        Process::spawn(&mut command)?.json().map(drop)
    }
}

/// What the group holds, and the most that it did.
fn counted(group: &Group) -> Result<Figures> {
    let stat = stat(group)?;
    let bytes = |names: [&str; 2]| {
        let found = names.iter().find_map(|name| stat.get(*name));
        found
            .copied()
            .with_context(|| format!("no {} in memory.stat", names[0]))
    };
    Ok(Figures {
        peak_mib: peak(group)?,
        anonymous_mib: mib(bytes(["anon", "rss"])?),
        file_mib: mib(bytes(["file", "cache"])?),
        ..Figures::default()
    })
}

fn stat(group: &Group) -> Result<HashMap<String, u64>> {
    let text = fs::read_to_string(group.memory_dir().join("memory.stat"))?;
    let fields = text.lines().filter_map(|line| {
        let (name, value) = line.split_once(' ')?;
        Some((name.to_owned(), value.parse().ok()?))
    });
    Ok(fields.collect())
}

fn peak(group: &Group) -> Result<f64> {
    let file = group.memory_dir().join(match group.version() {
        Version::V1 => "memory.max_usage_in_bytes",
        Version::V2 => "memory.peak",
    });
    let text = fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
    Ok(mib(text.trim().parse()?))
}

fn simulated(case: &Case) -> Figures {
    const READ: Nanos = Nanos::SECOND;
    let files = case.files * MIB;
    let working = if case.again {
        Amount(files)
    } else {
        Amount::ZERO
    };
    let steps = vec![
        MemoryStep {
            stream: if case.again { 0 } else { files },
            working,
            ..MemoryStep::default()
        },
        MemoryStep {
            at: READ,
            anonymous: Amount(case.growth * MIB),
            working,
            stream: 0,
        },
    ];
    let demand = MemoryDemand {
        pace: PACE,
        ..MemoryDemand::series(steps)
    };
    let mut node = Node::new(Setup::default());
    let slot = node.add(Workload {
        restart: Nanos::MINUTE,
        ..Workload::memory(demand, Amount(case.limit * MIB))
    });
    let mut killed = None;
    let mut run = |node: &mut Node, seconds: u64| {
        node.run(
            &mut Still,
            Nanos(seconds * Nanos::SECOND.0),
            &mut |happened| {
                if let Happened::Killed { time, .. } = happened {
                    killed = Some(time.since(READ));
                }
            },
        );
        node.workload(slot).unwrap_or_default().memory
    };
    let grown = run(&mut node, 10);
    let later = run(&mut node, 10 + u64::from(ROUNDS));
    match killed {
        Some(after) => Figures {
            killed: 1.0,
            killed_after_ms: number(after.0) / 1e6,
            peak_mib: mib(grown.peak.0),
            ..Figures::default()
        },
        None => Figures {
            peak_mib: mib(grown.peak.0),
            anonymous_mib: mib(grown.anonymous.0),
            file_mib: mib(grown.used.0 - grown.anonymous.0),
            refaults_mib: mib((later.refaults - grown.refaults) * 4096) / f64::from(ROUNDS),
            ..Figures::default()
        },
    }
}

fn mib(bytes: u64) -> f64 {
    number(bytes) / number(MIB)
}
