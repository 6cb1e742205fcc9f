//! `trimtab record dump`.

use std::{io::Write as _, path::PathBuf, process::ExitCode};

use trimtab_core::record::{Header, Item};

use super::super::{Failure, context::Context, output::note, units::wall};
use crate::record::read;

/// Options of `trimtab record dump`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A segment, or a directory of them
    file: PathBuf,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<ExitCode, Failure> {
    let mut out = anstream::stdout().lock();
    for file in super::files(std::slice::from_ref(&args.file), context)? {
        let mut last = 0;
        let end = read(&file, |header, item| -> Result<(), Failure> {
            if context.json {
                serde_json::to_writer(&mut out, &item).map_err(std::io::Error::from)?;
                out.write_all(b"\n")?;
            } else {
                out.write_all(line(header, &item, &mut last).as_bytes())?;
            }
            Ok(())
        })?;
        if end.torn > 0 {
            note(&format!(
                "{}: {} bytes at the end are no whole frame",
                file.display(),
                end.torn
            ));
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// One item for people; what happened between two ticks has the time of the first.
fn line(header: &Header, item: &Item, last: &mut u64) -> String {
    match item {
        Item::Key(key) => {
            *last = header.unix_ns;
            let slots = key.engine.slots().len();
            format!(
                "{} segment {}, by trimtab {}; workloads: {slots}\n",
                wall(header.unix_ns),
                header.number,
                header.program
            )
        }
        Item::Call(call) => format!("{}   {call:?}\n", wall(*last)),
        Item::Tick(ticked) => {
            *last = super::wall(header, ticked.now);
            let when = wall(*last);
            let workloads = ticked.snapshot.workloads.len();
            let decisions = ticked.decisions.iter().map(|decision| {
                let (slot, resource) = (decision.slot.0, decision.resource);
                format!("{when}   slot {slot} {resource}: {}\n", decision.reason)
            });
            std::iter::once(format!("{when} tick, workloads: {workloads}\n"))
                .chain(decisions)
                .collect()
        }
    }
}
