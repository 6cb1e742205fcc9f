//! The designs that are compared, each attached for one run of the load and then taken away.

use std::{
    fs,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use aya::sys::{Stats, enable_stats};
use tempfile::TempDir;
use trimtab::probe::{self, Baseline, Options, Probe, ProbeSet, Probes};
use trimtab_tests::{Process, eventually};

use super::pipe::Pipe;
use crate::{
    programs::{self, Counts},
    spread::number,
};

/// Where Debian's package puts the script.
const SCRIPT: &str = "/usr/sbin/runqlat.bt";
/// How long bpftrace may take to compile and attach it.
const ATTACH: Duration = Duration::from_secs(30);
/// Programs of the script that run all the time: those for waking and for switching.
const BUSY_PROGRAMS: usize = 2;

/// Who measures how long tasks wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Design {
    /// Our probe, alone.
    Trimtab,
    /// The start of a wait in a hash by pid, as most tools keep it; all else like ours.
    Hash,
    /// bpftrace's script, which has one histogram for the whole system.
    Bpftrace,
}

impl Design {
    pub(super) const ALL: [Self; 3] = [Self::Trimtab, Self::Hash, Self::Bpftrace];

    pub(super) const fn index(self) -> usize {
        self as usize
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Trimtab => "Trimtab",
            Self::Hash => "hash by pid",
            Self::Bpftrace => "bpftrace",
        }
    }
}

/// What one design did in one round.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measured {
    /// Program runs per cycle.
    pub(super) runs: f64,
    /// ns per cycle as the kernel counts them.
    pub(super) gross: f64,
}

/// Runs the load under a design.
pub(super) fn measure(design: Design, pipe: &Pipe<'_>) -> Result<Measured> {
    let options = options();
    match design {
        Design::Trimtab => {
            let mut probes = Probes::load(&options)?;
            for status in probes.status() {
                ensure!(
                    status.probe != Probe::RunqLatency || status.state == probe::State::On,
                    "the run-queue probe is not all there: {}",
                    status.why
                );
            }
            probes.runq().register(pipe.group_id())?;
            let measured = under(std::process::id(), pipe)?;
            let waits = probes.runq().read(pipe.group_id())?;
            saw(waits.map(|waits| waits.hist.waiting.iter().sum()), pipe)?;
            Ok(measured)
        }
        Design::Hash => {
            let mut hash = Baseline::load(probe::Design::HashByPid, &options)?;
            hash.runq().register(pipe.group_id())?;
            let measured = under(std::process::id(), pipe)?;
            let waits = hash.runq().read(pipe.group_id())?;
            saw(waits.map(|waits| waits.hist.waiting.iter().sum()), pipe)?;
            Ok(measured)
        }
        Design::Bpftrace => {
            let (process, _include) = bpftrace()?;
            under(process.id(), pipe)
        }
    }
}

/// ns per run that the kernel counts for a program that does nothing, under the same load.
pub(super) fn measure_empty(pipe: &Pipe<'_>) -> Result<f64> {
    let _empty = Baseline::load(probe::Design::Empty, &options())?;
    let Measured { runs, gross } = under(std::process::id(), pipe)?;
    Ok(gross / runs)
}

fn options() -> Options {
    Options {
        probes: ProbeSet::of(Probe::RunqLatency),
        ..Options::default()
    }
}

/// Runs the load once; the programs belong to the process `pid`.
fn under(pid: u32, pipe: &Pipe<'_>) -> Result<Measured> {
    let before = programs::of(pid)?.0;
    pipe.run()?;
    let Counts { runs, ns } = programs::of(pid)?.0 - before;
    ensure!(runs > 0, "no program ran");
    let cycles = number(pipe.cycles());
    Ok(Measured {
        runs: number(runs) / cycles,
        gross: number(ns) / cycles,
    })
}

/// A design that misses most of the cycles would be cheap.
fn saw(waits: Option<u64>, pipe: &Pipe<'_>) -> Result<()> {
    let waits = waits.unwrap_or_default();
    ensure!(
        waits * 10 >= pipe.cycles() * 9,
        "only {waits} waits were counted in {} cycles",
        pipe.cycles()
    );
    Ok(())
}

/// bpftrace with its script attached, and the directory that it was compiled with.
pub(crate) fn bpftrace() -> Result<(Process, TempDir)> {
    ensure!(
        fs::exists(SCRIPT)?,
        "{SCRIPT} is missing; `cargo xtask setup --for bench` installs bpftrace"
    );
    // The script needs one constant of a kernel header that few hosts have.
    let include = tempfile::Builder::new().prefix("trimtab-test-").tempdir()?;
    fs::create_dir(include.path().join("linux"))?;
    fs::write(
        include.path().join("linux/sched.h"),
        "#define TASK_RUNNING 0\n",
    )?;
    // In a mount namespace of its own it may mount the list of tracepoints where none is.
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c"]).arg(format!(
        "[ -d /sys/kernel/tracing/events ] || mount -t tracefs none /sys/kernel/tracing; \
         exec bpftrace -I {} {SCRIPT}",
        include.path().display()
    ));
    let mut process = Process::spawn(command.stderr(Stdio::piped()))?;
    // That its programs run can only be seen while runs are counted.
    let _statistics = enable_stats(Stats::RunTime).context("cannot switch statistics on")?;
    let attached = eventually(ATTACH, || {
        let busy = programs::of(process.id()).is_ok_and(|(_, ran)| ran >= BUSY_PROGRAMS);
        busy || !matches!(process.try_wait(), Ok(None))
    });
    if !attached || process.try_wait()?.is_some() {
        let mut said = String::new();
        let _ = process.kill();
        if let Some(stderr) = &mut process.stderr {
            std::io::Read::read_to_string(stderr, &mut said)?;
        }
        anyhow::bail!("bpftrace has not attached its script: {}", said.trim());
    }
    Ok((process, include))
}
