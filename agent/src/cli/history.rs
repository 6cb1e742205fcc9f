//! `trimtab history`.

mod steps;
mod told;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use trimtab_core::record::{Call, History, Item};

use super::{
    Failure,
    context::Context,
    exit::DATA,
    output::{note, print},
    record::{files, wall},
    units::duration,
};
use crate::{
    api::view::{self, Workload},
    record::{header, read},
};

/// Options of `trimtab history`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name, cgroup path, or a part of either that no other workload has
    workload: String,

    /// Segments, or directories of them [default: the configuration's]
    files: Vec<PathBuf>,

    /// From how long ago on
    #[arg(long, default_value = "10m", value_name = "TIME")]
    since: humantime::Duration,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<ExitCode, Failure> {
    let reach = u64::try_from(args.since.as_nanos()).unwrap_or(u64::MAX);
    let since = unix_ns().saturating_sub(reach);
    let files = needed(files(&args.files, context)?, since);
    let workload = meant(&files, &args.workload)?;
    let step = steps::width(reach);
    let mut history = History::new(workload.path.trim_start_matches('/'), step);
    for file in &files {
        pass(file, |header, item| {
            let asked = |now| Some(wall(header, now)).filter(|at| *at >= since);
            Ok(history.hear(item, asked)?)
        })?;
    }
    let told = told::History::new(&workload, step, &history);
    if told.steps.is_empty() {
        return Err(unknown(&format!(
            "nothing of {} was recorded in the last {}; --since reaches further back",
            workload.path,
            duration(reach)
        )));
    }
    print(context.json, &told, told::render)?;
    Ok(ExitCode::SUCCESS)
}

/// Leaves out the segments that ended before somebody's time: the next one begins before it. Of
/// these not even the headers are read.
fn needed(mut files: Vec<PathBuf>, since: u64) -> Vec<PathBuf> {
    let first = files.iter().rposition(|file| {
        let begun = header(file).map(|header| header.unix_ns);
        begun.is_ok_and(|begun| begun <= since)
    });
    files.split_off(first.unwrap_or_default())
}

/// Reads a segment as far as it can be read: one that is damaged takes nothing from the others.
fn pass(
    file: &Path,
    each: impl FnMut(&trimtab_core::record::Header, Item) -> Result<(), Failure>,
) -> Result<(), Failure> {
    match read(file, each) {
        Err(failure) if failure.code == DATA => {
            note(&format!("{:#}", failure.error));
            Ok(())
        }
        other => other.map(|_| ()),
    }
}

/// The one workload of all in these segments that somebody means.
fn meant(files: &[PathBuf], wanted: &str) -> Result<Workload, Failure> {
    let mut found: Vec<Workload> = Vec::new();
    let mut add = |path: &str, name: &str| {
        let path = format!("/{path}");
        if !found.iter().any(|one| one.path == path) {
            let name = name.to_owned();
            found.push(Workload {
                name,
                path,
                ..Workload::default()
            });
        }
    };
    for file in files {
        read(file, |_, item| -> Result<(), Failure> {
            match &item {
                Item::Key(key) => {
                    for (slot, origin) in key.origins.iter() {
                        add(&origin.path, key.engine.name(*slot).unwrap_or_default());
                    }
                }
                Item::Call(Call::Adopt { spec, origin, .. }) => add(&origin.path, &spec.name),
                _ => {}
            }
            Ok(())
        })
        .map(|_| ())
        .or_else(|failure| match failure.code {
            // It is said when its figures are read.
            DATA => Ok(()),
            _ => Err(failure),
        })?;
    }
    match view::find(&found, wanted) {
        Ok(one) => Ok(one.clone()),
        Err(refusal) => Err(unknown(&refusal.to_string())),
    }
}

fn unknown(why: &str) -> Failure {
    Failure {
        code: DATA,
        error: anyhow::anyhow!("{why}"),
    }
}

fn unix_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use trimtab_core::record::{Header, begin};

    #[test]
    fn what_ended_before_is_not_read() {
        let directory = tempfile::tempdir().unwrap();
        let files: Vec<_> = (1..=3)
            .map(|number| {
                let header = Header {
                    unix_ns: number * 10,
                    number,
                    ..Header::default()
                };
                let mut bytes = Vec::new();
                begin(&header, &mut bytes).unwrap();
                let file = directory.path().join(format!("{number}"));
                std::fs::write(&file, bytes).unwrap();
                file
            })
            .collect();
        let left = |since| needed(files.clone(), since).len();
        assert_eq!(left(5), 3, "there is nothing before");
        assert_eq!(left(19), 3);
        assert_eq!(left(20), 2, "it begins right then");
        assert_eq!(left(29), 2);
        assert_eq!(left(1000), 1, "the last one may still go on");
        // One that says nothing of its time is left out with those before a later one only.
        std::fs::write(&files[1], "damaged").unwrap();
        let left = |since| needed(files.clone(), since).len();
        assert_eq!((left(25), left(30)), (3, 1));
    }
}
