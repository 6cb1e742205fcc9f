//! What the kernel counts of the eBPF programs that a process holds.

use std::{collections::BTreeMap, fs, ops::Sub};

use anyhow::{Context, Result};

/// Runs of programs while statistics were on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// How often they ran.
    pub(crate) runs: u64,
    /// For how long, in ns.
    pub(crate) ns: u64,
}

impl Sub for Counts {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            runs: self.runs - before.runs,
            ns: self.ns - before.ns,
        }
    }
}

/// All programs of a process together, and how many of them have ever run.
///
/// The descriptor's information says whose they are, which the system's list does not.
pub(crate) fn of(pid: u32) -> Result<(Counts, usize)> {
    let directory = format!("/proc/{pid}/fdinfo");
    let mut programs = BTreeMap::new();
    for entry in fs::read_dir(&directory).with_context(|| format!("cannot read {directory}"))? {
        // A descriptor that was closed meanwhile is no program that is measured.
        let Ok(text) = fs::read_to_string(entry?.path()) else {
            continue;
        };
        let field = |name| field(&text, name);
        if let (Some(id), Some(runs), Some(ns)) =
            (field("prog_id"), field("run_cnt"), field("run_time_ns"))
        {
            programs.insert(id, Counts { runs, ns });
        }
    }
    let ran = programs.values().filter(|counts| counts.runs > 0).count();
    let all = programs
        .values()
        .fold(Counts::default(), |sum, counts| Counts {
            runs: sum.runs + counts.runs,
            ns: sum.ns + counts.ns,
        });
    Ok((all, ran))
}

fn field(text: &str, name: &str) -> Option<u64> {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| *key == name)?
        .1
        .trim()
        .parse()
        .ok()
}
